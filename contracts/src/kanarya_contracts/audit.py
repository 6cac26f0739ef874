"""The record of decisions: what one says, how records hang together, and what is wrong where they do not.

Written by `rollout` (made in `decide`, kept by its `audit` port), read by `kanarya audit`. A record is canonical JSON: keys
sorted, no spaces, ASCII, no number but whole ones. Its `hash` is the SHA-256 of that text without the hash, and `previous` is
the hash of the record before, so that whoever changes one has to change every later one. The last hash stands in the status
and in the registry as well: who cuts the end off has to change those too. It is no signature: who may write all three may
write history.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from kanarya_contracts.names import Verb
from kanarya_contracts.rollout.base import Percent, Strict
from kanarya_contracts.rollout.status import Evidence, VersionRef

_HASH = "hash"


class Beside(Strict):
    """A challenger beside the candidate, in an A/B test of several."""

    candidate: VersionRef
    """The version."""
    weight: Percent = 0
    """Percent of users that are asked for it."""
    out: str | None = None
    """Why it is in the test no more, as a `Reason`."""


class Standing(Strict):
    """Who serves, and with which share."""

    stable: VersionRef | None = None
    """The champion."""
    candidate: VersionRef | None = None
    """The challenger, or the last one."""
    weight: Percent = 0
    """Percent of the requests that are asked for the candidate."""
    mirror: Percent = 0
    """Percent of the requests of which it is to get copies."""
    step: int | None = None
    """Index into the steps; None when no candidate is on its way."""
    rivals: tuple[Beside, ...] = ()
    """Who else is in the test."""


class Decided(Strict):
    """What was decided, as the Event of it says."""

    type: Literal["Normal", "Warning"]
    """As in Kubernetes."""
    reason: str
    """For programs."""
    message: str
    """For people."""


class Asked(Strict):
    """A person's request that was answered with this decision."""

    id: str
    """Of the request."""
    verb: Verb | None = None
    """What was asked; None if it could not be read."""
    by: str = ""
    """Who asked, by their own word."""


class Witness(Strict):
    """What the gates had counted of one rival, and said."""

    version: str
    """The rival's."""
    gates: tuple[Evidence, ...]
    """Its."""


class Record(Strict):
    """One decision. The hash is added when it is sealed."""

    form: Literal["kanarya.dev/audit/v1"] = "kanarya.dev/audit/v1"
    """The form of this document."""
    chain: str
    """Which chain it belongs to: one for the life of a ModelRollout object."""
    sequence: int = Field(ge=1)
    """Its number in the chain, from 1."""
    previous: str | None = None
    """Hash of the record before; None in the first."""
    at: datetime
    """When it was decided, UTC."""
    namespace: str
    """Of the rollout."""
    rollout: str
    """Its name."""
    model: str
    """The registered model's name."""
    controller: str
    """Which controller decided."""
    request: Asked | None = None
    """Which person, if one asked for it."""
    decided: tuple[Decided, ...]
    """In order."""
    before: Standing
    """How it was."""
    after: Standing
    """How it is to be from now on."""
    gates: tuple[Evidence, ...] = ()
    """While a candidate is on its way, what each gate had counted and said: counts, evidence, threshold, verdict."""
    rivals: tuple[Witness, ...] = ()
    """The same of every other challenger in the test."""
    query: str = ""
    """What was asked for the counts: a Prometheus expression, or `scrape`."""
    missed: int = 0
    """Decisions before this one that no record was made of, because too many were waiting to be kept."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last record of a chain, as somebody knows it."""

    sequence: int
    hash: str
    known_to: str
    """For people: `the registry`."""

    @classmethod
    def of(cls, document: Mapping[str, object] | None, known_to: str) -> "Head | None":
        """What a record, or a tag, says of a chain's end; None if it says nothing of the kind."""
        sequence, digest = (document or {}).get("sequence"), (document or {}).get(_HASH)
        if not isinstance(sequence, int) or not isinstance(digest, str):
            return None
        return cls(sequence=sequence, hash=digest, known_to=known_to)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Where a chain is not what was written."""

    record: int
    """Its number."""
    problem: str
    """What is wrong there."""


def sealed(record: Record) -> tuple[str, str]:
    """The text to keep, and its hash."""
    document = record.model_dump(mode="json", by_alias=True, exclude_none=True)
    digest = _digest(document)
    return _canonical({**document, _HASH: digest}), digest


def opened(content: str | bytes) -> Record:
    """What a kept text says. What a later version added is left out. Raises ValueError for one that is no record."""
    return Record.model_validate_json(content, extra="ignore")


def faults(chain: str, stored: Mapping[int, bytes], heads: tuple[Head, ...] = ()) -> list[Fault]:
    """Everything that is wrong with a chain: records changed, missing, exchanged, cut off. [] if it is as it was written.

    `stored`: number → content, as it lies there. `heads`: what others know of its end.
    """
    found: list[Fault] = []
    before: frozenset[object] | None = frozenset({None})
    end = max([*stored, *(head.sequence for head in heads)], default=0)
    for number in range(1, end + 1):
        if number not in stored:
            found.append(Fault(record=number, problem=_missing(number, stored, heads)))
            before = None
            continue
        document = parsed(stored[number])
        if document is None:
            found.append(Fault(record=number, problem="is no JSON object; it was changed after it was written"))
            before = None
            continue
        found += [Fault(record=number, problem=one) for one in _wrong(chain, number, stored[number], document, before, heads)]
        before = frozenset({_digest(_body(document)), document.get(_HASH)})
    return found


def parsed(content: bytes) -> dict[str, object] | None:
    """A kept record as a document; None if it is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _wrong(
    chain: str,
    number: int,
    content: bytes,
    document: dict[str, object],
    before: frozenset[object] | None,
    heads: tuple[Head, ...],
) -> Iterator[str]:
    digest, stated = _digest(_body(document)), document.get(_HASH)
    if digest != stated or _canonical(document).encode() != content:
        yield "was changed after it was written: its content does not give its hash"
    elif document.get("chain") != chain:
        yield f"belongs to another chain, {document.get('chain')!r}"
    elif document.get("sequence") != number:
        yield f"says that it is record {document.get('sequence')}: records were exchanged or renamed"
    elif before is not None and document.get("previous") not in before:
        yield f"was written after another record {number - 1} than the one that is there: that one was replaced"
    for head in heads:
        if head.sequence == number and head.hash not in {digest, stated}:
            yield f"is not the one that {head.known_to} knows: it was replaced"


def _missing(number: int, stored: Mapping[int, bytes], heads: tuple[Head, ...]) -> str:
    if number < max(stored, default=0):
        return "is missing"
    known = " and ".join(head.known_to for head in heads if head.sequence >= number)
    return f"is missing at the end, and {known} knows of it: the end was cut off"


def _body(document: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if key != _HASH}


def _digest(document: Mapping[str, object]) -> str:
    return f"sha256:{hashlib.sha256(_canonical(document).encode()).hexdigest()}"


def _canonical(document: Mapping[str, object]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
