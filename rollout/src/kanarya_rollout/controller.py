"""One pass over one rollout, and the loop over all of them. Composed by the controller's image and by `kanarya local`.

Owns no state that matters: what it remembers between passes (the registry's last answer, the last counters) only spares
the other side questions. Kill it anywhere; the next one goes on from the status.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from kanarya_contracts.problems import KanaryaError, one_line
from kanarya_contracts.rollout import Evidence, ModelRollout, Rival
from kanarya_rollout.act import Outcome, act
from kanarya_rollout.cadence import patience
from kanarya_rollout.claims import Claims
from kanarya_rollout.clock import Clock
from kanarya_rollout.decide import Decision, decide
from kanarya_rollout.observe import Watch, World
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.audit import Audit
from kanarya_rollout.ports.metrics import Metrics
from kanarya_rollout.ports.registry import Registry
from kanarya_rollout.ports.serving import Serving
from kanarya_rollout.ports.store import Store
from kanarya_rollout.ports.traffic import Traffic


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """The last pass over a rollout."""

    at: datetime
    resource_version: str
    """Of the object as the pass found or left it; empty if another look at what it left is wanted."""
    news: object
    """What was heard of its world before the pass."""
    patience: float
    """Seconds until it is looked at again if nothing is heard of it."""


class Listener(Protocol):
    """Hears of every pass: Events for people, metrics of the controller itself."""

    def decided(self, rollout: ModelRollout, decision: Decision, *, wrote: bool) -> None:
        """What was decided for this rollout. `wrote`: the decided status is now the stored one, and differs from the one
        before. Raises nothing."""
        ...


class Controller:
    """Every rollout of one store."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        serving_for: Callable[[ModelRollout], Serving],
        traffic_for: Callable[[ModelRollout], Traffic],
        metrics_for: Callable[[ModelRollout], Metrics],
        clock: Clock,
        log: logging.Logger,
        listeners: Sequence[Listener] = (),
        audit: Audit | None = None,
        news: Callable[[ModelRollout], object] | None = None,
        at_once: int = 1,
    ) -> None:
        """`*_for` are asked once for each rollout and again only when its target, registry or traffic changes, or another
        object has taken its name.

        `log` gets one JSON line, at INFO, for each decision that changes something, and WARNING for a part of the world
        that does not answer. Without `audit`, decisions are put on no record. `news` differs from what
        it was when something around a rollout may have changed; without it, one that is under way is looked at on every tick.
        `at_once`: rollouts that are reconciled side by side; above 1, everything that is given here is used by several threads.
        """
        self._store = store
        self._registry = registry
        self._serving_for = serving_for
        self._traffic_for = traffic_for
        self._metrics_for = metrics_for
        self._clock = clock
        self._log = log
        self._listeners = tuple(listeners)
        self._audit = audit
        self._news = news
        self._at_once = at_once
        self._watches: dict[str, tuple[object, Watch]] = {}
        self._visits: dict[str, _Visit] = {}
        self._problems: dict[str, tuple[str, ...]] = {}
        self._unread: dict[str, str] = {}
        """Rollout → why it could not be looked at lately."""
        self._claims = Claims()

    def reconcile(self, name: str) -> Decision:
        """Observe, decide, act: once, for one rollout. Returns what was decided.

        Raises KanaryaError if there is no such rollout, Conflict if somebody wrote its status meanwhile, Unreachable if the
        store does not answer. Every other port that does not answer is a Degraded condition and no exception.
        """
        found = self._store.get(name)
        if found is None:
            raise KanaryaError(f"there is no rollout {name!r}; there are: {', '.join(self._store.names()) or 'none'}")
        rollout, resource_version = found
        watch, news = self._watch(name, rollout), self._heard(rollout)
        self._claims.note(name, rollout, resource_version)
        decision = decide(rollout, watch.look(rollout, self._clock.now(), taken=self._claims.against(name)))
        if decision.alias is not None or decision.tags:
            watch.forget_registry()
        outcome = act(name, rollout, resource_version, decision, watch.world, self._store)
        self._report(name, decision, outcome)
        for listener in self._listeners:
            listener.decided(rollout, decision, wrote=outcome.wrote)
        wait = patience(rollout, decision.status, decision.now, announced=self._news is not None and not outcome.problems)
        rests = wait and (decision.status.current_step_index is not None or not outcome.wrote)
        self._visits[name] = _Visit(
            at=decision.now, resource_version=outcome.resource_version if rests else "", news=news, patience=wait
        )
        return decision

    def run(self, stop: threading.Event, tick: float) -> None:
        """Reconcile every rollout until `stop` is set. `tick`: seconds between looks.

        When a rollout's turn comes, `cadence` says; it comes sooner when its object was written, or there is news of its
        world. Those whose turn it is are reconciled `at_once`, and none of them again before all of them were. What goes wrong
        with one rollout is logged and does not stop the others.
        """
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="pass") as threads:
            while not stop.is_set():
                for _ in threads.map(partial(self._visit, stop), self._due()):
                    pass
                stop.wait(tick)

    def _due(self) -> list[str]:
        """Those whose turn it is. What every rollout claims is known before the first of them is reconciled."""
        due = []
        try:
            names = self._store.names()
        except Unreachable as error:
            self._log.warning("the rollouts cannot be listed: %s", error)
            return []
        self._claims.keep(names)
        for name in names:
            try:
                found = self._store.get(name)
                self._unread.pop(name, None)
                if found is not None:
                    self._claims.note(name, *found)
                    if self._is_due(name, *found):
                        due.append(name)
            except KanaryaError as error:
                why = one_line(error)
                if self._unread.get(name) != why:
                    self._log.warning("%s: %s", name, why)
                self._unread[name] = why
            except Exception:  # noqa: BLE001 (a defect met by one rollout must not stop the others)
                self._log.exception("%s: it could not be looked at", name)
        return due

    def _visit(self, stop: threading.Event, name: str) -> None:
        if stop.is_set():
            return
        try:
            self.reconcile(name)
        except Conflict as error:
            self._log.info("%s: somebody else wrote first, looking again: %s", name, error)
        except KanaryaError as error:
            self._log.warning("%s: %s", name, error)
        except Exception:  # noqa: BLE001 (a defect met by one rollout must not stop the others)
            self._log.exception("%s: this pass failed", name)

    def _is_due(self, name: str, rollout: ModelRollout, resource_version: str) -> bool:
        visit = self._visits.get(name)
        if visit is None:
            return True
        waited = (self._clock.now() - visit.at).total_seconds()
        due = waited >= visit.patience or waited < 0
        return due or resource_version != visit.resource_version or self._heard(rollout) != visit.news

    def _heard(self, rollout: ModelRollout) -> object:
        return self._news(rollout) if self._news is not None else None

    def _watch(self, name: str, rollout: ModelRollout) -> Watch:
        """The ports of this rollout; made anew when what they stand for changes."""
        spec, uid = rollout.spec, (rollout.metadata.model_extra or {}).get("uid")
        meaning = (uid, spec.target_ref, spec.registry, spec.traffic)
        known = self._watches.get(name)
        if known is None or known[0] != meaning:
            world = World(
                registry=self._registry,
                serving=self._serving_for(rollout),
                traffic=self._traffic_for(rollout),
                metrics=self._metrics_for(rollout),
                audit=self._audit,
            )
            known = self._watches[name] = (meaning, Watch(world))
        return known[1]

    def _report(self, name: str, decision: Decision, outcome: Outcome) -> None:
        if outcome.wrote and self._log.isEnabledFor(logging.INFO):
            self._log.info("%s", line(name, decision))
        if outcome.problems != self._problems.get(name, ()):
            for problem in outcome.problems:
                self._log.warning("%s: %s", name, problem)
        self._problems[name] = outcome.problems


def line(name: str, decision: Decision) -> str:
    """A decision as one line of JSON: where it stands, what each gate has seen and says, what people should hear."""
    status = decision.status
    return json.dumps(
        {
            "at": decision.now.isoformat(timespec="milliseconds"),
            "rollout": name,
            "stable": status.stable.version if status.stable else None,
            "candidate": status.candidate.version if status.candidate else None,
            "weight": status.canary_weight,
            "step": status.current_step_index,
            "conditions": {one.type: one.reason for one in status.conditions if one.status == "True"},
            "gates": _numbers(status.evidence),
            **({"rivals": [_beside(one) for one in status.rivals]} if status.rivals else {}),
            "events": [{"type": event.type, "reason": event.reason, "message": event.message} for event in decision.events],
        },
        ensure_ascii=False,
    )


def _beside(rival: Rival) -> dict[str, object]:
    out = rival.out.reason if rival.out is not None else None
    return {
        "candidate": rival.candidate.version,
        "weight": rival.canary_weight,
        "out": out,
        "gates": _numbers(rival.evidence),
    }


def _numbers(rows: Iterable[Evidence]) -> dict[str, object]:
    return {one.metric: one.model_dump(mode="json", by_alias=True, exclude={"metric", "message"}) for one in rows}
