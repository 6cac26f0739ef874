"""Reads the ports into an Observation. Called by the controller, once a pass. Decides nothing.

A port that does not answer becomes `Unread`. The registry's and the counters' last answers are kept for as long as the spec
says (`pollInterval`, `analysis.interval`); a Watch that is made anew reads everything.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from kanarya_contracts.names import ANNOTATION_REQUEST
from kanarya_contracts.problems import from_validation
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus, Request
from kanarya_rollout.decide.rivals import asked, others
from kanarya_rollout.decide.weights import exposed, routed
from kanarya_rollout.observation import Archive, BadRequest, Copies, Observation, RegistryView, Series, Unread
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.ports.audit import Audit
from kanarya_rollout.ports.metrics import Metrics
from kanarya_rollout.ports.registry import Registry
from kanarya_rollout.ports.serving import Serving
from kanarya_rollout.ports.traffic import Traffic

T = TypeVar("T")

_Counted = tuple[tuple[Series, ...] | Unread, tuple[str, ...], datetime]
"""The counters, which columns drift, and up to when everything is counted."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The ports of one rollout."""

    registry: Registry
    serving: Serving
    traffic: Traffic
    metrics: Metrics
    audit: Audit | None = None
    """None where no record of decisions is kept."""


class Watch:
    """One rollout's world, with the last answers of what is not asked on every pass."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._registry: tuple[datetime, tuple[str, ...], RegistryView | Unread] | None = None
        self._counted: tuple[datetime, _Counted] | None = None

    def forget_registry(self) -> None:
        """Ask it again on the next pass, because it was written to."""
        self._registry = None

    def look(self, rollout: ModelRollout, now: datetime, *, taken: str | None = None) -> Observation:
        """Everything one decision rests on. `taken`: as in Observation."""
        in_force = _answer(self.world.traffic.in_force)
        copied = self.world.traffic.copies() if isinstance(in_force, Mapping) else None
        series, drifting, counted_at = self._counted_now(rollout, now, moving=_moving(rollout, in_force, copied))
        return Observation(
            now=now,
            registry=self._registry_now(rollout, now),
            backends=_answer(self.world.serving.backends),
            in_force=in_force,
            copies=copied,
            lag=self.world.traffic.lag,
            series=series,
            counted_at=counted_at,
            drifting=drifting,
            request=pending(rollout),
            taken=taken,
            archive=self._archive(rollout),
        )

    def _archive(self, rollout: ModelRollout) -> Archive | None:
        audit, known = self.world.audit, rollout.status.audit
        if audit is None:
            return None
        kept = audit.kept(known.chain) if known is not None else 0
        return Archive(place=audit.place, kept=kept, controller=audit.controller, query=self.world.metrics.query)

    def _registry_now(self, rollout: ModelRollout, now: datetime) -> RegistryView | Unread:
        pinned = _pinned(rollout.status) or ((rollout.status.warm.version,) if rollout.status.warm is not None else ())
        known = self._registry
        if (
            known is None
            or known[1] != pinned
            or not _young(known[0], now, rollout.spec.registry.poll_interval.total_seconds())
        ):
            known = self._registry = (now, pinned, _answer(lambda: self._ask_registry(rollout, pinned)))
        return known[2]

    def _ask_registry(self, rollout: ModelRollout, pinned: tuple[str, ...]) -> RegistryView:
        ref, registry = rollout.spec.registry, self.world.registry
        stable = registry.by_alias(ref.model, ref.stable_alias)
        candidate = registry.by_alias(ref.model, ref.candidate_alias)
        test = rollout.spec.strategy.ab_test
        rivals = {one.alias: registry.by_alias(ref.model, one.alias) for one in test.rivals} if test is not None else {}
        named = {view.version for view in (stable, candidate, *rivals.values()) if view is not None}
        gone = [one for one in pinned if one not in named and registry.by_version(ref.model, one) is None]
        return RegistryView(stable=stable, candidate=candidate, rivals=rivals, gone=frozenset(gone))

    def _counted_now(self, rollout: ModelRollout, now: datetime, *, moving: bool) -> "_Counted":
        versions = _followed(rollout.status)
        if not versions:
            self._counted = None
            return (), (), now
        moving = moving and len(versions) > 1
        known = self._counted
        if known is None or moving or not _young(known[0], now, rollout.spec.analysis.interval.total_seconds()):
            series, drifting = (
                _answer(lambda: self.world.metrics.read(versions, fresh=moving)),
                self._drifting(versions[:2][-1]),
            )
            known = self._counted = (now, (series, drifting, _counted_at(series, now)))
        return known[1]

    def _drifting(self, version: str) -> tuple[str, ...]:
        """Who cannot be asked judges nothing: that counters cannot be read is said by them."""
        found = _answer(lambda: self.world.metrics.drifting(version))
        return () if isinstance(found, Unread) else found


def _counted_at(series: tuple[Series, ...] | Unread, now: datetime) -> datetime:
    """When the process that was asked first was."""
    return now if isinstance(series, Unread) else min([now, *{one.at for one in series if one.at is not None}])


def pending(rollout: ModelRollout) -> Request | BadRequest | None:
    """What a person asks and was not answered yet."""
    text = rollout.metadata.annotations.get(ANNOTATION_REQUEST)
    if text is None:
        return None
    try:
        request: Request | BadRequest = Request.model_validate_json(text)
    except ValidationError as error:
        identity = hashlib.sha256(text.encode()).hexdigest()[:16]
        request = BadRequest(id=f"unreadable-{identity}", message=str(from_validation(ANNOTATION_REQUEST, error)))
    return None if request.id == rollout.status.last_request_id else request


def _pinned(status: ModelRolloutStatus) -> tuple[str, ...]:
    """The versions on their way, the candidate first."""
    if status.current_step_index is None or status.candidate is None:
        return ()
    return (status.candidate.version, *(one.candidate.version for one in others(status)))


def _followed(status: ModelRolloutStatus) -> tuple[str, ...]:
    """The versions whose counters matter: both sides of a rollout, or the new champion alone while the former one is warm."""
    if status.stable is None:
        return ()
    pinned = _pinned(status)
    if not pinned:
        return (status.stable.version,) if status.warm is not None else ()
    return (status.stable.version, *pinned)


def _moving(rollout: ModelRollout, in_force: object, copied: Copies | None) -> bool:
    """Whether weight or mirror are about to change or on their way to the gateway, or the champion is just back: windows end
    here."""
    status, steps = rollout.status, rollout.spec.strategy.steps
    if not exposed(status) or not routed(status, in_force, copied):
        return True
    ledgers = asked(status)
    if any(one.champion_back_at is not None for one in ledgers):
        return True
    index = status.current_step_index
    counts = index is not None and index < len(steps) and steps[index].exposes
    return counts and not all(one.step_observations for one in ledgers)


def _young(then: datetime, now: datetime, seconds: float) -> bool:
    return 0 <= (now - then).total_seconds() < seconds


def _answer(ask: Callable[[], T]) -> T | Unread:
    try:
        return ask()
    except Unreachable as error:
        return Unread(message=str(error), unsupported=isinstance(error, Unsupported))
