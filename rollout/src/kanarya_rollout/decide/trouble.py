"""Degraded: what is missing or wrong around the rollout. While there is any, nothing moves on; none of it is a verdict."""

from collections.abc import Mapping
from datetime import timedelta

from kanarya_contracts.names import ConditionType, Reason
from kanarya_rollout.decide.champion import incoming, refusal, serves
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.weights import agree, copies, shares
from kanarya_rollout.observation import Copies, Unread

PATIENCE = timedelta(seconds=30)
"""How long the gateway may take to route as it was told before a person hears of it."""

Trouble = tuple[Reason, str]


def trouble(draft: Draft) -> list[Trouble]:
    """Everything that is wrong, the most basic first. Of a rollout that may touch nothing, only that."""
    return draft.once(_found)


def settle_degraded(draft: Draft) -> None:
    """The condition, with the first reason and all messages. An event when it turns."""
    found = trouble(draft)
    was = draft.before.is_true(ConditionType.DEGRADED)
    if found:
        reason, message = found[0][0], "; ".join(text for _, text in found)
        draft.set(ConditionType.DEGRADED, reason, message)
        if not was:
            draft.tell(reason, message, warning=True)
    else:
        draft.clear(ConditionType.DEGRADED)
        if was:
            draft.tell(Reason.AS_EXPECTED, "everything answers again")


def _found(draft: Draft) -> list[Trouble]:
    if draft.seen.taken is not None:
        return [(Reason.TARGET_TAKEN, draft.seen.taken)]
    found = [
        _target(draft),
        _registry(draft),
        _champion(draft),
        _serving(draft),
        _traffic(draft),
        _metrics(draft),
        _weights(draft),
    ]
    return [one for one in found if one is not None]


def _target(draft: Draft) -> Trouble | None:
    wrong = [one.message for one in (draft.seen.backends, draft.seen.in_force) if isinstance(one, Unread) and one.unsupported]
    return (Reason.TARGET_UNSUPPORTED, "; ".join(wrong)) if wrong else None


def _registry(draft: Draft) -> Trouble | None:
    seen, alias = draft.seen.registry, draft.spec.registry.stable_alias
    if isinstance(seen, Unread):
        return Reason.REGISTRY_UNREACHABLE, seen.message
    if seen.stable is None:
        model = draft.spec.registry.model
        return (
            Reason.CHAMPION_MISSING,
            f"no version of {model} has the alias {alias}; set it, and until then everything stays as it is",
        )
    return None


def _champion(draft: Draft) -> Trouble | None:
    new = incoming(draft)
    wrong = refusal(draft, new) if new is not None else None
    if wrong is None:
        return None
    stays = f"; version {draft.status.stable.version} goes on serving" if draft.status.stable else ""
    return Reason.CHAMPION_REFUSED, f"{wrong}{stays}"


def _serving(draft: Draft) -> Trouble | None:
    seen = draft.seen.backends
    if isinstance(seen, Unread):
        return None if seen.unsupported else (Reason.CHAMPION_NOT_READY, seen.message)
    stable = draft.status.stable
    if stable is None or draft.promoting:
        return None
    if serves(draft):
        return None
    backend = draft.backends.get(stable.version)
    said = "has no server" if backend is None else f"is {backend.state}: {backend.message}"
    return Reason.CHAMPION_NOT_READY, f"version {stable.version} serves and {said}{_meanwhile(draft)}"


def _meanwhile(draft: Draft) -> str:
    """Who answers in the champion's place, and what a person may do about it."""
    if draft.on_its_way and draft.status.canary_weight:
        version = draft.candidate.version
        return (
            f"; a gateway that sees no server of it gives its share to version {version}, which then gets every request and "
            "keeps its weight, because nobody else answers; nothing that is counted now is evidence"
        )
    if draft.status.warm is not None:
        return f"; version {draft.status.warm.version} is warm, and `kanarya rollout undo {draft.name}` goes back to it"
    return ""


def _traffic(draft: Draft) -> Trouble | None:
    seen = draft.seen.in_force
    return (Reason.TRAFFIC_UNREACHABLE, seen.message) if isinstance(seen, Unread) and not seen.unsupported else None


def _metrics(draft: Draft) -> Trouble | None:
    seen = draft.seen.series
    return (Reason.METRICS_UNREACHABLE, seen.message) if isinstance(seen, Unread) else None


def _weights(draft: Draft) -> Trouble | None:
    """Only after PATIENCE since the weights last changed."""
    wanted, got = shares(draft.status), draft.in_force
    if not wanted or got is None or (agree(wanted, got) and copies(draft.status) == draft.seen.copies):
        return None
    progressing = draft.status.condition(ConditionType.PROGRESSING)
    since = draft.status.step_started_at or (progressing.last_transition_time if progressing else draft.now)
    if draft.now - since < PATIENCE:
        return None
    told, does = _written(wanted, copies(draft.status)), _written(got, draft.seen.copies)
    return Reason.WEIGHT_NOT_IN_FORCE, f"the gateway was told {told} and routes {does}"


def _written(weights: Mapping[str, int], copied: Copies | None) -> str:
    parts = [f"version {version}: {share}%" for version, share in sorted(weights.items())]
    if copied is not None:
        parts.append(f"copies of {copied.percent}% to version {copied.version}")
    return ", ".join(parts) or "nothing"
