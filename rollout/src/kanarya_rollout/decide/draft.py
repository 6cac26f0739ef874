"""The decision while it is being made: a status that is replaced, and what goes with it. Lives for one call of `decide`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar, cast

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Condition, ModelRollout, ModelRolloutSpec, ModelRolloutStatus, VersionRef
from kanarya_rollout.decide.conditions import looked_at, with_condition
from kanarya_rollout.decide.decision import AliasMove, Event
from kanarya_rollout.freeze import Frozen, frozen
from kanarya_rollout.observation import Backend, Observation, RegistryView, Unread

T = TypeVar("T")

VERIFYING = frozenset({Reason.VERIFYING, Reason.STARTING})
"""Reasons of Progressing while the candidate has no right to any weight yet."""


class Draft:
    """Mutable, and nobody but `decide` ever sees it."""

    def __init__(self, rollout: ModelRollout, seen: Observation) -> None:
        self.name = rollout.metadata.name
        self.namespace = rollout.metadata.namespace
        self.uid = str((rollout.metadata.model_extra or {}).get("uid", ""))
        self.spec: ModelRolloutSpec = rollout.spec
        self.seen = seen
        self.now: datetime = seen.now
        """The time of this pass."""
        self.registry: RegistryView | None = None if isinstance(seen.registry, Unread) else seen.registry
        """The registry's word; None while it cannot be read."""
        self.backends: Mapping[str, Backend] = {} if isinstance(seen.backends, Unread) else seen.backends
        """Servers by version; none while they cannot be read."""
        self.in_force: Mapping[str, int] | None = None if isinstance(seen.in_force, Unread) else seen.in_force
        """The gateway's weights; None while they cannot be read or are someone else's."""
        self.foreign_route = seen.in_force is None
        """Whether someone else has written the route."""
        self.frozen: Frozen | None = frozen(self.spec.freeze, seen.now) if self.spec.freeze else None
        """The freeze that holds now."""
        self.before: ModelRolloutStatus = rollout.status
        self.status = looked_at(rollout.status, rollout.metadata.generation)
        self.events: list[Event] = []
        self.alias: AliasMove | None = None
        self.take_route_back = False
        """Whether to write over a route that someone else has written."""
        self._reasons: tuple[tuple[Condition, ...], Mapping[str, str]] = ((), {})
        """Conditions, and why each of them that is True is."""
        self._found: dict[object, tuple[ModelRolloutStatus, AliasMove | None, object]] = {}
        """Question → what it was asked of, and the answer."""
        self._forget_the_future()

    @property
    def candidate(self) -> VersionRef:
        """The version that is on its way."""
        assert self.status.candidate is not None  # noqa: S101 (pinned before anything asks)
        return self.status.candidate

    @property
    def on_its_way(self) -> bool:
        """Whether a candidate is."""
        return self.status.current_step_index is not None

    @property
    def verifying(self) -> bool:
        """Whether the candidate on its way has not yet shown that it is what was registered."""
        return self.on_its_way and self.reason(ConditionType.PROGRESSING) in VERIFYING

    @property
    def promoting(self) -> bool:
        """Whether the candidate on its way is to have everything, and only the gateway and the registry must follow."""
        return self.on_its_way and self.reason(ConditionType.PROGRESSING) == Reason.PROMOTING

    @property
    def undoing(self) -> bool:
        """Whether a promotion was undone and the registry still has to be told."""
        return not self.on_its_way and self.reason(ConditionType.PROGRESSING) == Reason.UNDOING

    def reason(self, kind: ConditionType) -> str | None:
        """Why a condition is True; None if it is not."""
        conditions = self.status.conditions
        if self._reasons[0] is not conditions:
            self._reasons = (conditions, {one.type: one.reason for one in conditions if one.status == "True"})
        return self._reasons[1].get(kind)

    def once(self, question: Callable[["Draft"], T]) -> T:
        """What `question` finds in this draft: asked once, and again when something has changed."""
        status, alias, found = self._found.get(question, (None, None, None))
        if status is not self.status or alias is not self.alias:
            found = question(self)
            self._found[question] = (self.status, self.alias, found)
        return cast("T", found)

    def change(self, **values: object) -> None:
        """Replace fields of the status."""
        self.status = self.status.model_copy(update=values)

    def note(self, **values: object) -> None:
        """Replace fields of the ledger."""
        self.change(ledger=self.status.ledger.model_copy(update=values))

    def set(self, kind: ConditionType, reason: Reason, message: str) -> None:
        """Make a condition True."""
        self.status = with_condition(self.status, kind, True, reason, message, self.now)

    def clear(self, kind: ConditionType, reason: Reason = Reason.AS_EXPECTED, message: str = "") -> None:
        """Make a condition False."""
        self.status = with_condition(self.status, kind, False, reason, message, self.now)

    def _forget_the_future(self) -> None:
        """A clock that was set back leaves times ahead of it; what waits for them would wait too long."""
        began, ledger = self.status.step_started_at, self.status.ledger
        if began is not None and began > self.now:
            self.change(step_started_at=self.now)
        if self.status.warm_since is not None and self.status.warm_since > self.now:
            self.change(warm_since=self.now)
        if ledger.first_traffic_at is not None and ledger.first_traffic_at > self.now:
            self.note(first_traffic_at=self.now)
        if ledger.let_go_at is not None and ledger.let_go_at > self.now:
            self.note(let_go_at=self.now)
        if ledger.champion_back_at is not None and ledger.champion_back_at > self.now:
            self.note(champion_back_at=self.now)

    def tell(self, reason: Reason, message: str, *, warning: bool = False) -> None:
        """Add an event for people."""
        self.events.append(Event(type="Warning" if warning else "Normal", reason=reason, message=message))
