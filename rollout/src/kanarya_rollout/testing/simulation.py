"""The whole world of one rollout, with requests that follow the gateway."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, ConditionType, Verb
from kanarya_contracts.rollout import Goal, ModelRollout, ModelRolloutStatus, Request
from kanarya_rollout.archive import Archive
from kanarya_rollout.controller import Controller, Listener
from kanarya_rollout.decide import Decision
from kanarya_rollout.observation import Kind
from kanarya_rollout.testing.audit import FakeShelf
from kanarya_rollout.testing.clock import FakeClock
from kanarya_rollout.testing.documents import a_rollout
from kanarya_rollout.testing.fuse import Fuse, Killed
from kanarya_rollout.testing.metrics import FakeMetrics
from kanarya_rollout.testing.registry import FakeRegistry
from kanarya_rollout.testing.serving import FakeServing, Process
from kanarya_rollout.testing.store import FakeStore
from kanarya_rollout.testing.traffic import FakeTraffic


@dataclass
class Quality:
    """How a version behaves, in shares."""

    errors: float = 0.0
    slow: float = 0.0
    wrong: float = 0.0
    labels: float = 1.0
    """Share of the answers whose label comes back."""
    reached: float = 0.5
    """Share of the users who reach the goal of an A/B test; each request is a user, whose client reports at once. Where the
    goal is a mean, those have the highest score and all others the lowest."""


def promoted(status: ModelRolloutStatus) -> bool:
    """For `until`: the last candidate became the champion. The condition alone is true of the first champion too."""
    return status.candidate is not None and status.candidate == status.stable and status.is_true(ConditionType.PROMOTED)


def _reported(goal: Goal, users: int, reached: int) -> dict[Kind, int]:
    if goal.scores is None:
        return {"users": users, "reached": reached}
    return {"goal-scores": users, "goal-score-sum": reached * 1_000_000, "goal-score-squares": reached * 1_000_000}


class Simulation:
    """The whole world of one rollout, and requests that follow the gateway. Deterministic, no chance."""

    def __init__(self, rollout: ModelRollout | None = None, *, audited: bool = False) -> None:
        """`audited`: decisions are put on record, on `shelf`."""
        self.fuse = Fuse()
        self.clock = FakeClock()
        self.store = FakeStore(self.fuse)
        self.registry = FakeRegistry(self.fuse)
        self.serving = FakeServing(self.fuse, self.clock)
        self.traffic = FakeTraffic(self.fuse)
        self.metrics = FakeMetrics(self.serving)
        self.shelf = FakeShelf(self.fuse)
        self._audited = audited
        self._archive: Archive | None = None
        self.quality: dict[str, Quality] = {}
        """By version; faultless where nothing is said."""
        rollout = rollout or a_rollout()
        self.store.put(rollout)
        self.controller = self.fresh_controller()
        self.drawn: Mapping[str, int] | None = None
        """Shares in which requests really arrive; None: as the gateway says."""
        self.answered: Counter[str] = Counter()
        """Requests by version."""
        test = rollout.spec.strategy.ab_test
        self.goal: Goal | None = test.goal if test is not None else None
        """What clients report of each user, in an A/B test."""
        self._carry: dict[tuple[str, str], float] = {}
        self._requests = 0

    def fresh_controller(self, listeners: Sequence[Listener] = ()) -> Controller:
        """A controller that knows nothing but the store."""
        self._archive = Archive(self.shelf, self.registry, controller="controller") if self._audited else None
        self.controller = Controller(
            store=self.store,
            registry=self.registry,
            serving_for=lambda _: self.serving,
            traffic_for=lambda _: self.traffic,
            metrics_for=lambda _: self.metrics,
            clock=self.clock,
            log=logging.getLogger("kanarya_rollout.testing"),
            listeners=listeners,
            audit=self._archive,
        )
        return self.controller

    @property
    def status(self) -> ModelRolloutStatus:
        """As stored."""
        found = self.store.get("iris")
        if found is None:
            raise AssertionError("there is no rollout named iris")
        return found[0].status

    def tick(self, *, seconds: float = 1.0, requests: int = 0) -> Decision:
        """Some requests, some time, one pass."""
        self.send(requests)
        self.clock.advance(seconds)
        decision = self.controller.reconcile("iris")
        if self._archive is not None:
            self._archive.turn()
        return decision

    def tick_or_die(self, *, seconds: float = 1.0, requests: int = 0) -> bool:
        """Like `tick`; if the fuse ends the controller, a fresh one takes over. Whether it survived."""
        try:
            self.tick(seconds=seconds, requests=requests)
        except Killed:
            self.fresh_controller()
            return False
        return True

    def run(self, *, ticks: int, seconds: float = 1.0, requests: int = 0) -> None:
        """Several of them."""
        for _ in range(ticks):
            self.tick(seconds=seconds, requests=requests)

    def until(
        self, holds: Callable[[ModelRolloutStatus], bool], *, requests: int = 0, seconds: float = 1.0, ticks: int = 200
    ) -> None:
        """Passes until the status is so. AssertionError if it is not after `ticks`."""
        for _ in range(ticks):
            if holds(self.status):
                return
            self.tick(seconds=seconds, requests=requests)
        raise AssertionError(f"not after {ticks} ticks; the status is {self.status.model_dump_json(by_alias=True)}")

    def serve_first(self, version: str = "1") -> None:
        """Bring a champion up."""
        self.registry.register(version, alias=ALIAS_STABLE)
        self.until(lambda status: status.stable is not None and self.traffic.now == {version: 100})

    def challenge(self, version: str = "2", *, alias: str = ALIAS_CANDIDATE) -> None:
        """A version with a candidate's alias."""
        self.registry.register(version, alias=alias)

    def ask(self, verb: Verb, *, full: bool = False) -> None:
        """A person's request."""
        self._requests += 1
        self.store.request("iris", Request(id=f"request-{self._requests}", verb=verb, by="ada", full=full))

    def send(self, count: int) -> None:
        """Requests, split and copied as the gateway does, labels sent back at once."""
        for version, share in (self.drawn or self.traffic.now).items():
            process = self.serving.processes.get(version)
            n = self._whole((version, "requests"), count * share / 100)
            if process is not None and n:
                self.answer(process, n)
        copies = self.traffic.copied
        process = self.serving.processes.get(copies.version) if copies is not None else None
        if copies is not None and process is not None:
            self.answer(process, self._whole((copies.version, "copies"), count * copies.percent / 100), copies=True)

    def answer(self, process: Process, n: int, *, copies: bool = False) -> None:
        """`n` requests answered by a process, as its version's quality has it. No label comes back for copies."""
        quality = self.quality.get(process.version, Quality())
        self.answered[process.version] += n
        errors, slow, wrong = (
            min(n, self._whole((process.version, name), n * getattr(quality, name))) for name in ("errors", "slow", "wrong")
        )
        process.add("requests", n)
        process.add("mirrored", n if copies else 0)
        process.add("errors", errors)
        process.add("faster", n - errors)
        process.add("faster", n - errors - min(slow, n - errors), bound=0.1)
        labels = 0 if copies else self._whole((process.version, "labels"), n * quality.labels)
        process.add("right", labels - min(wrong, labels))
        process.add("wrong", min(wrong, labels))
        if self.goal is not None and n:
            reached = min(n, self._whole((process.version, "reached"), n * quality.reached))
            for kind, count in _reported(self.goal, n, reached).items():
                process.add(kind, count, of=self.goal.counted_as)

    def _whole(self, key: tuple[str, str], amount: float) -> int:
        """Whole units, the rest carried over."""
        total = self._carry.get(key, 0.0) + amount
        self._carry[key] = total - int(total + 1e-9)
        return int(total + 1e-9)
