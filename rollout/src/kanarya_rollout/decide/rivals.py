"""An A/B test of several challengers: each has its turn as *the* candidate, so what holds for one holds for each of them.

Used by everything in `decide`. `status.candidate` is whoever leads; the others stand in `status.rivals`, with the same fields.
`each` lets one after the other lead: evidence is folded, the registry heeded and gates asked for whoever leads, by code that
knows of one candidate alone. Who is taken out while others stay leaves the lead to the next (`step_aside`); the last one ends
the rollout as the only one of an ordinary test does. Without rivals nothing here does anything.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from kanarya_contracts.names import Reason
from kanarya_contracts.rollout import Evidence, Ledger, ModelRollout, ModelRolloutStatus, Out, Rival, VersionRef
from kanarya_rollout.decide import quarantine
from kanarya_rollout.decide.draft import Draft


def alias_of(draft: Draft) -> str:
    """What points to the candidate in the registry."""
    return draft.status.candidate_alias or draft.spec.registry.candidate_alias


def others(status: ModelRolloutStatus) -> tuple[Rival, ...]:
    """Rivals that are in the test."""
    return tuple([one for one in status.rivals if one.out is None])


def several(draft: Draft) -> bool:
    """Whether more than one challenger is in the test now."""
    return any(one.out is None for one in draft.status.rivals)


def challengers(draft: Draft) -> dict[str, VersionRef]:
    """Alias → version of everyone in the test, in the order of their buckets; whom the spec has no more comes last."""
    found = {alias_of(draft): draft.candidate, **{one.alias: one.candidate for one in others(draft.status)}}
    order = [*draft.spec.splits, *sorted(found)]
    return {alias: found[alias] for alias in dict.fromkeys(order) if alias in found}


def each(draft: Draft, do: Callable[[Draft], None]) -> None:
    """Do it for everyone who is in the test, while that one leads. Whoever led before leads afterwards, if still in it."""
    if not several(draft):
        do(draft)
        return
    leader = alias_of(draft)
    for alias in challengers(draft):
        if lead(draft, alias):
            do(draft)
    if draft.on_its_way:
        lead(draft, leader)


def sides(rollout: ModelRollout) -> tuple[ModelRollout, ...]:
    """The rollout as everyone in its test sees it, as the candidate, in the order of the spec; only itself without rivals."""
    status, registry = rollout.status, rollout.spec.registry
    leader = status.candidate_alias or registry.candidate_alias
    found = {leader: status} | {one.alias: _led(status, one.alias, leader) or status for one in others(status)}
    order = dict.fromkeys((*rollout.spec.splits, *sorted(found)))
    return tuple([rollout.model_copy(update={"status": found[alias]}) for alias in order if alias in found])


def lead(draft: Draft, alias: str) -> bool:
    """Make that challenger the candidate, in what was as in what is to be. False if it is not in the test any more."""
    if not draft.on_its_way:
        return False
    if alias == alias_of(draft):
        return True
    led = _led(draft.status, alias, alias_of(draft))
    if led is None:
        return False
    was = draft.before.candidate_alias or draft.spec.registry.candidate_alias
    draft.status, draft.before = led, _led(draft.before, alias, was) or draft.before
    return True


def _led(status: ModelRolloutStatus, alias: str, leader: str) -> ModelRolloutStatus | None:
    """The same test, told from another challenger's side."""
    next_one = next((one for one in others(status) if one.alias == alias), None)
    if next_one is None or status.candidate is None:
        return None
    behind = Rival(
        alias=leader,
        candidate=status.candidate,
        canary_weight=status.canary_weight,
        first_bucket=status.first_bucket,
        evidence=status.evidence,
        ledger=status.ledger,
    )
    rivals = [behind if one is next_one else one for one in status.rivals]
    return status.model_copy(
        update={
            "candidate": next_one.candidate,
            "candidate_alias": alias,
            "canary_weight": next_one.canary_weight,
            "first_bucket": next_one.first_bucket,
            "evidence": next_one.evidence,
            "ledger": next_one.ledger,
            "rivals": tuple(sorted(rivals, key=lambda one: one.alias)),
        }
    )


def step_aside(draft: Draft, reason: Reason, message: str) -> bool:
    """The candidate leaves the test, and the next one leads. False if it is the last: then the rollout itself ends."""
    if not several(draft):
        return False
    alias, started = alias_of(draft), not draft.verifying
    following = next(one for one in challengers(draft) if one != alias)
    lead(draft, following)
    _leave(draft, alias, reason, message, gone=not started)
    return True


def dismiss(draft: Draft, reason: Reason, message: Callable[[Rival], str]) -> tuple[VersionRef, ...]:
    """All but the candidate leave the test. Returns who left."""
    gone, leaving = draft.verifying, others(draft.status)
    for one in leaving:
        _leave(draft, one.alias, reason, message(one), gone=gone)
    return tuple([one.candidate for one in leaving])


def _leave(draft: Draft, alias: str, reason: Reason, message: str, *, gone: bool) -> None:
    out = Out(reason=reason, message=message, since=draft.now)

    def left(one: Rival) -> Rival:
        ledger = one.ledger.model_copy(update={"let_go_at": None})
        return one.model_copy(update={"canary_weight": 0, "out": out, "gone": gone, "ledger": ledger})

    draft.change(rivals=tuple([left(one) if one.alias == alias else one for one in draft.status.rivals]))


class Share(NamedTuple):
    """Of the users."""

    first_bucket: int = 0
    percent: int = 0


def has(status: ModelRolloutStatus, leader: str) -> dict[str, Share]:
    """Alias → the share that everyone in the test has."""
    found = {leader: Share(status.first_bucket, status.canary_weight)}
    return found | {one.alias: Share(one.first_bucket, one.canary_weight) for one in others(status)}


def share_out(draft: Draft, shares: Mapping[str, Share]) -> None:
    """Give everyone in the test the share that stands for its alias; nothing to whom none does."""

    def given(alias: str) -> dict[str, int]:
        share = shares.get(alias, Share())
        return {"first_bucket": share.first_bucket, "canary_weight": share.percent}

    shared = [one if one.out is not None else one.model_copy(update=given(one.alias)) for one in draft.status.rivals]
    draft.change(**given(alias_of(draft)), canary_mirror=0, rivals=tuple(shared))


def note_all(draft: Draft, **values: object) -> None:
    """Replace fields of everyone's ledger."""
    draft.note(**values)
    if draft.status.rivals:
        noted = [one.model_copy(update={"ledger": one.ledger.model_copy(update=values)}) for one in draft.status.rivals]
        draft.change(rivals=tuple(noted))


def asked(status: ModelRolloutStatus) -> tuple[Ledger, ...]:
    """The ledgers of everyone who gets requests: of the candidate, too, where there is nobody else."""
    rest = others(status)
    first = () if rest and not status.canary_weight else (status.ledger,)
    return (*first, *(one.ledger for one in rest if one.canary_weight))


def summary(draft: Draft) -> str:
    """What each gate last said, of everyone in the test."""
    if not several(draft):
        return "; ".join(sayings(draft.status.evidence))
    said = {draft.candidate.version: draft.status.evidence}
    said |= {one.candidate.version: one.evidence for one in others(draft.status)}
    return "; ".join(f"version {version} {one}" for version, found in said.items() for one in sayings(found))


def sayings(found: Iterable[Evidence]) -> list[str]:
    """What each gate last said of one version."""
    return [f"{one.metric}: {one.message}" for one in found]


def running(status: ModelRolloutStatus) -> tuple[VersionRef, ...]:
    """Rivals whose servers are to run: those in the test, and those that the gateway may still send something."""
    return tuple([one.candidate for one in status.rivals if not one.gone])


def retire(draft: Draft, linger: timedelta) -> None:
    """Let go of those who are out, once the gateway has, and has for `linger`."""
    if all(one.gone or one.out is None for one in draft.status.rivals):
        return
    draft.change(rivals=tuple([_retired(draft, one, linger) for one in draft.status.rivals]))


def _retired(draft: Draft, one: Rival, linger: timedelta) -> Rival:
    if one.out is None or one.gone:
        return one
    since, in_force = one.ledger.let_go_at, draft.in_force
    let_go = bool(in_force) and not (in_force or {}).get(one.candidate.version, 0)
    if let_go and since is not None and draft.now - since >= linger:
        return one.model_copy(update={"gone": True})
    noted = (since or draft.now) if let_go else None
    return one if noted == since else one.model_copy(update={"ledger": one.ledger.model_copy(update={"let_go_at": noted})})


def wanted(draft: Draft) -> dict[str, VersionRef] | None:
    """Alias → version of every rival that the spec asks for; None while one of them is missing (`missing` says which)."""
    view, found = draft.registry, dict[str, VersionRef]()
    if view is None or missing(draft):
        return None
    for alias in _aliases(draft):
        named = view.rivals[alias]
        assert named is not None  # noqa: S101 (or it would be missing)
        found[alias] = VersionRef(version=named.version, digest=named.digest, uri=named.uri)
    return found


def missing(draft: Draft) -> list[str]:
    """What keeps a test of several from beginning, for people. [] where nothing does, or the registry cannot be read."""
    view, stable = draft.registry, draft.status.stable
    if view is None or stable is None or not _aliases(draft):
        return []
    named = {
        draft.spec.registry.candidate_alias: view.candidate,
        **{alias: view.rivals.get(alias) for alias in _aliases(draft)},
    }
    found: list[str] = []
    seen: dict[str, str] = {}
    for alias, one in named.items():
        if one is None:
            found.append(f"no version has the alias {alias}")
        elif one.version == stable.version:
            found.append(f"{alias} is version {one.version}, which is the champion")
        elif one.version in seen:
            found.append(f"{alias} is version {one.version}, as {seen[one.version]} is")
        elif (kept := quarantine.found(draft.status, VersionRef(version=one.version, digest=one.digest))) is not None:
            found.append(f"{alias} is version {one.version}, which is in quarantine ({kept.reason})")
        seen |= {one.version: alias} if one is not None else {}
    return found


def _aliases(draft: Draft) -> list[str]:
    test = draft.spec.strategy.ab_test
    return [one.alias for one in test.rivals] if test is not None else []
