"""The stable version: the first one, and one that a person set in the registry while nothing was on its way.

What the registry calls champion and does not serve yet is the incoming one. It is started beside the present one, verified,
asked its example; then it has all traffic and the old one retires. Until then the old one serves. The one before the last
promotion may be warm still (see `undo`): then it is ready at once.
"""

from datetime import timedelta

from kanarya_contracts.names import TAG_DIGEST, ConditionType, Reason
from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.decide import quarantine, rivals
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.weights import agree, shares
from kanarya_rollout.observation import RegisteredVersion, Unread

LINGER = timedelta(seconds=2)
"""How long a backend outlives the gateway's last weight on it: a few of the loop's ticks, for requests on their way."""


def pinned(version: RegisteredVersion) -> VersionRef:
    """A registry version as it is now, for the status."""
    return VersionRef(version=version.version, digest=version.digest, uri=version.uri)


def incoming(draft: Draft) -> VersionRef | None:
    """The version that the registry calls champion and that does not serve yet. None while a candidate is on its way, and
    in the pass that moves the alias, whose view of the registry is the one before. None, too, while it is the undone one."""
    view = draft.registry
    if view is None or view.stable is None or draft.on_its_way or draft.alias is not None:
        return None
    if draft.undoing and view.stable.version == draft.candidate.version:
        return None
    if draft.status.stable is not None and draft.status.stable.version == view.stable.version:
        return None
    return pinned(view.stable)


def refusal(draft: Draft, ref: VersionRef) -> str | None:
    """Why this version may not serve; None if nothing speaks against it so far."""
    if ref.digest is None:
        return (
            f"version {ref.version} has no tag {TAG_DIGEST} in the registry, so nobody vouches for its files; register it again"
        )
    backend = draft.backends.get(ref.version)
    if backend is None:
        return None
    if backend.state == "Refused":
        return f"version {ref.version}: {backend.message}"
    if backend.example_problems:
        return f"version {ref.version} does not reproduce its own example: {'; '.join(backend.example_problems)}"
    return None


def proven(draft: Draft, ref: VersionRef) -> bool:
    """Whether its server is Ready and has answered its example right."""
    backend = draft.backends.get(ref.version)
    return backend is not None and backend.state == "Ready" and backend.example_problems == ()


def serves(draft: Draft) -> bool | None:
    """Whether the stable version has a ready server; None while nobody knows, or nothing is stable."""
    if isinstance(draft.seen.backends, Unread) or draft.status.stable is None:
        return None
    backend = draft.backends.get(draft.status.stable.version)
    return backend is not None and backend.state == "Ready"


def adopt(draft: Draft) -> None:
    """Serve the incoming champion once it is proven and nobody else is still leaving."""
    new, old, leaving = incoming(draft), draft.status.stable, draft.status.retiring
    if new is None or refusal(draft, new) or not proven(draft, new):
        return
    if leaving is not None and leaving.version != new.version:
        return
    if draft.in_force is None and not draft.take_route_back:
        return  # unreadable or someone else's: nothing moves
    draft.change(stable=new, retiring=old, warm=None, warm_since=None)
    draft.note(let_go_at=None)
    quarantine.release(draft, new)
    alias = draft.spec.registry.stable_alias
    word = "serves" if old is None else f"takes over from version {old.version}"
    draft.tell(Reason.DEPLOYING_CHAMPION, f"version {new.version} {word}: the registry calls it {alias}")


def retire(draft: Draft) -> None:
    """Let go of the version that is leaving, when the gateway has, and has for LINGER. What is warm is watched in the same
    way, so that it can leave at once when its window ends."""
    rivals.retire(draft, LINGER)
    leaving, stable = draft.status.retiring or draft.status.warm, draft.status.stable
    if leaving is None or stable is None:
        return
    in_force, copied = draft.in_force, draft.seen.copies
    mirrored = copied is not None and copied.version == leaving.version
    if in_force is None or in_force.get(leaving.version, 0) or mirrored or not in_force.get(stable.version, 0):
        draft.note(let_go_at=None)
        return
    since = draft.status.ledger.let_go_at
    if since is None:
        draft.note(let_go_at=draft.now)
    elif draft.status.retiring is not None and draft.now - since >= LINGER:
        draft.change(retiring=None)
        draft.note(let_go_at=None)


def settle_progress(draft: Draft) -> None:
    """Progressing, while no candidate is on its way."""
    new = incoming(draft)
    if draft.undoing:
        return
    if new is not None and not refusal(draft, new):
        backend = draft.backends.get(new.version)
        said = f": {backend.message}" if backend is not None and backend.message else ""
        draft.set(ConditionType.PROGRESSING, Reason.DEPLOYING_CHAMPION, f"version {new.version} is verified and started{said}")
    else:
        quarantine.heed(draft)


def settle_first(draft: Draft) -> None:
    """Promoted, for a champion that no rollout brought: once the gateway has it, who waits for the condition may ask it."""
    stable, alias = draft.status.stable, draft.spec.registry.stable_alias
    if stable is None or draft.status.condition(ConditionType.PROMOTED) is not None or not draft.in_force:
        return
    if agree(shares(draft.status), draft.in_force):
        message = f"version {stable.version} serves: the registry calls it {alias}"
        draft.set(ConditionType.PROMOTED, Reason.PROMOTED_IN_REGISTRY, message)
