"""The story, chapter by chapter. Called by `kanarya demo`; calls what the commands call, and nothing made for the demo.

Owns the state directory it is given: local mode's files, training's work directories, the spoiled data.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from rich.padding import Padding
from rich.spinner import Spinner

import kanarya_training_job as job
from kanarya_cli import view
from kanarya_cli.demo import mischief
from kanarya_cli.demo.clients import Clients
from kanarya_cli.demo.record import Record
from kanarya_cli.demo.stage import Stage
from kanarya_cli.local import stack
from kanarya_cli.local.store import FileStore
from kanarya_cli.training_progress import TrainingProgress
from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, TAG_COMPARISON, ConditionType
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.ports.mlflow import MlflowRegistry

MODEL = "iris"
TARGET = "species"
RATE = 400.0
"""Requests a second that the clients send."""
PATIENCE_SECONDS = 90.0
"""For any one thing that the controller is to do."""


@dataclass
class Demo:
    """One run of the story: where it happens, what is seen of it, what is kept."""

    root: Path
    """The checkout: manifests, examples and data are read from there."""
    state: Path
    ports: stack.Ports
    stage: Stage
    record: Record
    clients: Clients | None = field(default=None, init=False)

    def run(self) -> None:
        """Every chapter. Raises KanaryaError when one cannot go on; what was recorded until then stays."""
        try:
            self._start()
            self._first_version()
            second = self._better_version()
            self._spoiled_version(second)
            self._altered_version()
        finally:
            self._stop_clients()

    # --- chapters ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.stage.chapter("Start MLflow, Envoy and the controller")
        warm = threading.Thread(target=import_module, args=["kanarya_training_job.pipeline"], daemon=True)
        warm.start()  # scikit-learn takes seconds to import, MLflow's server to start: both at once
        self.stage.show(Spinner("dots", "MLflow's server takes its time"))
        with self.record.phase("start"):
            self.addresses = stack.up(
                self.state,
                [self.root / "manifests" / MODEL],
                ports=self.ports,
                report=lambda line: self.stage.say(f"   {line}"),
            )
            warm.join()
        self.store = FileStore(self.state)
        self.registry = MlflowRegistry(self.addresses.registry)

    def _first_version(self) -> None:
        self.stage.chapter("Train version 1, the first model somebody made, and serve it")
        outcome = self._train("train-1", self._settings("iris-baseline.yaml"))
        with self.record.phase("serve-1"):
            self._follow(lambda one: one.status.stable is not None and self._serves(outcome.version))
        self.stage.say(f"   {MODEL} v{outcome.version} answers at {self.addresses.gateway}/v2/models/{MODEL}/infer")
        self.clients = Clients(self.addresses.gateway, MODEL, outcome.holdout_rows_file, TARGET, rate=RATE)
        self.stage.say(
            f"   clients send {RATE:g} held-out rows a second from now on, and send the labels back; nothing is retried"
        )

    def _better_version(self) -> job.Outcome:
        self.stage.chapter("Train version 2 with a proper search, while version 1 serves")
        outcome = self._train("train-2", self._settings("iris.yaml"))
        self.stage.chapter("Let the evidence decide: 10 → 25 → 50 → 100 %")
        self._roll_out(outcome.version)
        return outcome

    def _spoiled_version(self, good: job.Outcome) -> None:
        self.stage.chapter("Train version 3 on permuted labels, and register it against the offline comparison")
        settings = mischief.permute_labels(self._settings("iris.yaml"), good, into=self.state / "permuted.csv")
        override = job.Override(reason="the demo wants to see it caught live", by="make demo")
        outcome = self._train("train-3", settings, override=override)
        self._roll_out(outcome.version)

    def _altered_version(self) -> None:
        self.stage.chapter("Register version 4, alter one byte of its file, and ask for a rollout")
        outcome = self._train("train-4", mischief.without_alias(self._settings("iris.yaml")), retrain=True)
        registered = self.registry.by_version(MODEL, outcome.version)
        assert registered is not None  # noqa: S101 (it was registered a moment ago)
        altered = mischief.alter_one_byte(stack.artifact_path(self.state, registered.uri))
        self.stage.say(f"   one byte of {altered.name} in MLflow's store is another now")
        present = self.registry.by_alias(MODEL, ALIAS_CANDIDATE)
        self.registry.move_alias(MODEL, ALIAS_CANDIDATE, to=outcome.version, expected=present.version if present else None)
        self._roll_out(outcome.version)

    # --- what the chapters are made of ----------------------------------------------------------------------------------

    def _settings(self, example: str) -> job.Settings:
        return job.load_settings(self.root / "examples" / example)

    def _train(
        self, phase: str, settings: job.Settings, *, retrain: bool = False, override: job.Override | None = None
    ) -> job.Outcome:
        progress = TrainingProgress(say=lambda line: self.stage.say(f"   {line}"), show=self.stage.show)
        with self.record.phase(phase):
            outcome = job.train(
                settings,
                registry_uri=self.addresses.registry,
                work_dir=self.state / "training",
                override=override,
                retrain=retrain,
                report=progress.report,
            )
        self._note(outcome)
        return outcome

    def _note(self, outcome: job.Outcome) -> None:
        registered = self.registry.by_version(MODEL, outcome.version)
        comparison = registered.tags.get(TAG_COMPARISON) if registered else None
        self.record.versions[outcome.version] = {
            "digest": outcome.digest,
            "metrics": dict(outcome.metrics),
            "comparison": json.loads(comparison) if comparison else None,
        }
        accuracy = outcome.metrics.get("holdout-accuracy")
        self.stage.say(
            f"   registered as version {outcome.version}" + (f", accuracy on held-out rows {accuracy:.3f}" if accuracy else "")
        )

    def _serves(self, version: str) -> bool:
        one = self._rollout()
        return (
            one.status.stable is not None
            and one.status.stable.version == version
            and not one.status.is_true(ConditionType.PROGRESSING)
        )

    def _roll_out(self, version: str) -> None:
        """Watch one candidate until the controller has a verdict on it."""
        started = time.monotonic()
        with self.record.phase(f"rollout-{version}"):
            ended = self._follow(lambda one: _has_ended(one, version))
        champion = self.registry.by_alias(MODEL, ALIAS_STABLE)
        verdict = self.record.judge(
            ended, version, champion=champion.version if champion else None, seconds=time.monotonic() - started
        )
        good = verdict.outcome == ConditionType.PROMOTED
        self.stage.say(f"   version {version}: [{'green' if good else 'red'}]{verdict.outcome}[/], {verdict.reason}")
        if any(row.candidate.n for row in ended.status.evidence):
            self.stage.say(Padding(view.evidence(ended.status.evidence), (0, 0, 0, 3)))
        else:
            self.stage.say(f"   {verdict.message}")

    def _follow(self, until: Callable[[ModelRollout], bool]) -> ModelRollout:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until(one := self._rollout()):
            self._look(one)
            if time.monotonic() > deadline:
                msg = (
                    f"the controller has not come to an end in {PATIENCE_SECONDS:g} s; it says {view.headline(one)}. "
                    f"Look at: kanarya local logs controller --state {self.state}"
                )
                raise KanaryaError(msg)
            if self.clients is not None and not self.clients.alive:
                raise KanaryaError("the clients' process has ended before its time; its error stands above")
            time.sleep(0.1)
        self._look(one)
        return one

    def _look(self, one: ModelRollout) -> None:
        if self.record.see(one):
            split = "  ".join(f"v{version} {percent:3d} %" for version, percent in view.weights(one).items())
            self.stage.say(f"   {time.time() - self.record.started:5.1f} s  {split:<18}  {view.position(one)}".rstrip())
        self.stage.show(view.rollout(one))

    def _rollout(self) -> ModelRollout:
        found = self.store.get(MODEL)
        assert found is not None  # noqa: S101 (stack.up put it there)
        return found[0]

    def _stop_clients(self) -> None:
        if self.clients is not None:
            self.record.requests = self.clients.stop()


def _has_ended(one: ModelRollout, version: str) -> bool:
    status = one.status
    ended = status.is_true(ConditionType.PROMOTED) or status.is_true(ConditionType.ROLLED_BACK)
    about_it = status.candidate is not None and status.candidate.version == version
    return about_it and ended and not status.is_true(ConditionType.PROGRESSING)
