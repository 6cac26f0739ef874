"""Carries a Decision out, in the order that is safe at any crash. Called by the controller, once a pass. Decides nothing.

    candidate gets less      route → status → servers → tags      the gateway never gives more than the status says
    candidate gets more      status → route → servers → tags
    promotion                alias → status → route → servers → tags

Last, whatever the order, the archive is told what it is to keep. It does so in its own time.

The alias stands before the status because a status that names a champion the registry does not know would look like a
champion moved by hand. Everything can be done twice. What must come before the status and fails leaves the status as it
was, but Degraded: the next pass decides the same again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kanarya_contracts.names import Reason
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus
from kanarya_rollout.decide import Decision, degraded, falls
from kanarya_rollout.observe import World
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.store import Store


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it."""

    wrote: bool
    """Whether the decided status is the stored one, and differs from the one before."""
    resource_version: str
    """Of the object as it is now."""
    problems: tuple[str, ...] = ()
    """What did not answer. The next pass does it again."""


class _Halt(Exception):
    """Something that must come before the status did not happen."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def act(name: str, rollout: ModelRollout, resource_version: str, decision: Decision, world: World, store: Store) -> Outcome:
    """Do it. `name`: the store's for this rollout.

    Raises Conflict if somebody wrote the object meanwhile, Unreachable if the store does not answer.
    """
    falling = falls(rollout.status, decision.status)
    try:
        if falling:
            _route(world, decision)
        _move_alias(rollout, decision, world)
    except _Halt as halt:
        held = degraded(rollout.status, halt.reason, str(halt), decision.now)
        now = _written(store, name, rollout.status, held, resource_version)
        return Outcome(wrote=False, resource_version=now, problems=(str(halt),))
    now = _written(store, name, rollout.status, decision.status, resource_version)
    wrote, problems = decision.status != rollout.status, _follow(rollout, decision, world, routed=falling)
    return Outcome(wrote=wrote, resource_version=now, problems=problems)


def _written(store: Store, name: str, before: ModelRolloutStatus, after: ModelRolloutStatus, resource_version: str) -> str:
    """The object's version once the status stands."""
    return resource_version if after == before else store.write_status(name, after, resource_version=resource_version)


def _route(world: World, decision: Decision) -> None:
    if decision.weights is None:
        return
    try:
        world.traffic.route(decision.weights, decision.copies, decision.sticky)
    except (Unreachable, Conflict) as error:
        raise _Halt(Reason.TRAFFIC_UNREACHABLE, str(error)) from error


def _move_alias(rollout: ModelRollout, decision: Decision, world: World) -> None:
    move = decision.alias
    if move is None:
        return
    try:
        world.registry.move_alias(rollout.spec.registry.model, move.alias, to=move.to, expected=move.expected)
    except (Unreachable, Conflict) as error:
        raise _Halt(Reason.REGISTRY_UNREACHABLE, str(error)) from error


def _follow(rollout: ModelRollout, decision: Decision, world: World, *, routed: bool) -> tuple[str, ...]:
    """What comes after the status; one that fails does not keep the others waiting."""
    todo: list[Callable[[], None]] = []
    if decision.weights is not None and not routed:
        todo.append(partial(world.traffic.route, decision.weights, decision.copies, decision.sticky))
    if decision.backends is not None:
        todo.append(partial(world.serving.ensure, decision.backends.stable, decision.backends.others))
    for version, tags in decision.tags.items():
        todo.append(partial(world.registry.annotate, rollout.spec.registry.model, version, tags))
    audit = decision.status.audit
    if world.audit is not None and audit is not None and audit.pending:
        todo.append(partial(world.audit.keep, audit.pending))
    return tuple(problem for problem in map(_attempt, todo) if problem is not None)


def _attempt(action: Callable[[], None]) -> str | None:
    try:
        action()
    except (Unreachable, Conflict) as error:
        return str(error)
    return None
