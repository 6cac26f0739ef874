"""The record of decisions. A decision is what people are told of; it is put on record in the write that makes it so. Used last.

A record stays in the status until it is known to be kept outside. That never holds anything: while the archive is away, records
wait here, `MOST` of them, and of what is decided beyond that the number alone is kept, in the next record.
"""

import hashlib

from kanarya_contracts.audit import Asked, Beside, Decided, Record, Standing, Witness, sealed
from kanarya_contracts.rollout import Audit, ModelRolloutStatus, Request, Rival
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.observation import Archive

MOST = 64
"""Records that wait in the status. One is a few kilobytes, an object in the API server at most a megabyte and a half."""


def record(draft: Draft) -> None:
    """Let go of what is kept by now, and put on record what was decided in this pass."""
    archive = draft.seen.archive
    if archive is None:
        return
    known = draft.status.audit
    if known is not None and known.pending:
        first = known.sequence - len(known.pending) + 1
        known = known.model_copy(update={"pending": known.pending[max(0, archive.kept - first + 1) :]})
    if draft.events:
        known = _recorded(draft, archive, known or Audit(chain=_chain(draft), place=archive.place))
    if known != draft.status.audit:
        draft.change(audit=known)


def _recorded(draft: Draft, archive: Archive, known: Audit) -> Audit:
    if len(known.pending) >= MOST:
        return known.model_copy(update={"missed": known.missed + 1})
    text, digest = sealed(
        Record(
            chain=known.chain,
            sequence=known.sequence + 1,
            previous=known.hash,
            at=draft.now,
            namespace=draft.namespace,
            rollout=draft.name,
            model=draft.spec.registry.model,
            controller=archive.controller,
            request=_asked(draft),
            decided=tuple([Decided(type=one.type, reason=one.reason, message=one.message) for one in draft.events]),
            before=_standing(draft.before),
            after=_standing(draft.status),
            gates=draft.status.evidence if draft.before.current_step_index is not None else (),
            rivals=_witnesses(draft) if draft.before.current_step_index is not None else (),
            query=archive.query,
            missed=known.missed,
        )
    )
    update = {"place": archive.place, "sequence": known.sequence + 1, "hash": digest, "missed": 0}
    return known.model_copy(update={**update, "pending": (*known.pending, text)})


def _asked(draft: Draft) -> Asked | None:
    request = draft.seen.request
    if request is None:
        return None
    return Asked(id=request.id, verb=request.verb, by=request.by) if isinstance(request, Request) else Asked(id=request.id)


def _standing(status: ModelRolloutStatus) -> Standing:
    return Standing(
        stable=status.stable,
        candidate=status.candidate,
        weight=status.canary_weight,
        mirror=status.canary_mirror,
        step=status.current_step_index,
        rivals=tuple([_beside(one) for one in status.rivals]),
    )


def _beside(one: Rival) -> Beside:
    return Beside(candidate=one.candidate, weight=one.canary_weight, out=one.out.reason if one.out is not None else None)


def _witnesses(draft: Draft) -> tuple[Witness, ...]:
    return tuple([Witness(version=one.candidate.version, gates=one.evidence) for one in draft.status.rivals])


def _chain(draft: Draft) -> str:
    """A name that no other object's chain has: an object of the same name that is made anew begins one of its own."""
    named = "\0".join([draft.uid, draft.namespace, draft.name, draft.now.isoformat()])
    return hashlib.sha256(named.encode()).hexdigest()[:16]
