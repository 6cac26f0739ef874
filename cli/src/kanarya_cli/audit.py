"""The record of a rollout's decisions, as it lies on its shelf: read, verified, shown. Used by `kanarya audit`.

Pure: names and contents in; chains, faults and something rich can print out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from kanarya_cli import view
from kanarya_contracts import audit
from kanarya_contracts.audit import Fault, Head, Record
from kanarya_contracts.rollout import Audit

_NAME = re.compile(r"(?P<chain>[0-9a-f]{16})/(?P<number>[0-9]{8})\.json")

_INDENT = 6 * " "


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The records of one ModelRollout object."""

    name: str
    stored: Mapping[int, bytes]
    """Number → content, as it lies there; those that wait in the status included."""
    waiting: frozenset[int] = frozenset()
    """Numbers of records that lie nowhere but in the status."""
    heads: tuple[Head, ...] = ()
    """What others know of its end."""
    strangers: tuple[str, ...] = ()
    """Names of what lies among the records and is none."""

    def documents(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Those that can be read, in order."""
        for number in sorted(self.stored):
            document = audit.parsed(self.stored[number])
            if document is not None:
                yield number, document

    def faults(self) -> list[Fault]:
        """Where it is not what was written."""
        lost = [Fault(record=0, problem=f"{name} lies among the records and is none") for name in self.strangers]
        return [*lost, *audit.faults(self.name, self.stored, self.heads)]


def chains(folder: str, contents: Mapping[str, bytes], heads: Mapping[str, Head], status: Audit | None = None) -> list[Chain]:
    """Everything that lies in a rollout's folder, a chain each, the one of the present object last.

    `heads`: chain → what the registry knows of its end; one of which nothing lies there is a chain with nothing in it.
    """
    found: dict[str, dict[int, bytes]] = {name: {} for name in heads}
    strangers: dict[str, list[str]] = {}
    for name, content in contents.items():
        short = name.removeprefix(folder)
        match = _NAME.fullmatch(short)
        if match is None:
            strangers.setdefault(short.partition("/")[0], []).append(short)
        else:
            found.setdefault(match["chain"], {})[int(match["number"])] = content
    names = sorted(found.keys() | strangers.keys(), key=lambda name: _began(found.get(name, {})))
    if status is not None:
        names = [*(name for name in names if name != status.chain), status.chain]
    return [_chain(name, found.get(name, {}), heads.get(name), strangers.get(name, []), status) for name in names]


def _chain(name: str, stored: Mapping[int, bytes], head: Head | None, strangers: Sequence[str], status: Audit | None) -> Chain:
    known = [head] if head is not None else []
    if status is None or status.chain != name:
        return Chain(name=name, stored=stored, heads=tuple(known), strangers=tuple(strangers))
    first = status.sequence - len(status.pending) + 1
    pending = {first + index: text.encode() for index, text in enumerate(status.pending)}
    if status.hash is not None:
        known.insert(0, Head(sequence=status.sequence, hash=status.hash, known_to="the status"))
    waiting = frozenset(pending.keys() - stored.keys())
    return Chain(name=name, stored={**pending, **stored}, waiting=waiting, heads=tuple(known), strangers=tuple(strangers))


def _began(stored: Mapping[int, bytes]) -> str:
    document = audit.parsed(stored[min(stored)]) if stored else None
    return str((document or {}).get("at", ""))


def shown(found: Sequence[Chain]) -> RenderableType:
    """Every record of every chain."""
    parts: list[RenderableType] = []
    for chain in found:
        if len(found) > 1:
            parts.append(Text(f"chain {chain.name}", style="bold"))
        for number in sorted(chain.stored):
            parts += _entry(number, chain.stored[number], waits=number in chain.waiting)
    return Group(*parts)


def _entry(number: int, content: bytes, *, waits: bool) -> Iterator[RenderableType]:
    try:
        record = audit.opened(content)
    except ValueError:
        yield Text(f"{number:>4}  cannot be read", style="bold red")
        return
    title = Text.assemble((f"{number:>4}", "bold"), f"  {record.at:%Y-%m-%d %H:%M:%S}Z  ", (_who(record), "cyan"))
    title.append(f"  {_weights(record)}")
    if waits:
        title.append("  waits in the status to be kept", style="yellow")
    yield title
    for one in record.decided:
        style = "red" if one.type == "Warning" else "green"
        yield Text.assemble(_INDENT, (one.reason, style), f"  {one.message}")
    if record.missed:
        yield Text(f"{_INDENT}{record.missed} decisions before this one are on no record", style="yellow")
    counted = [one for one in record.gates if one.candidate.n or one.stable.n]
    if counted:
        yield Padding(view.evidence(counted), (0, 0, 0, len(_INDENT)))
    for rival in record.rivals:
        if seen := [one for one in rival.gates if one.candidate.n or one.stable.n]:
            yield Text(f"{_INDENT}v{rival.version}")
            yield Padding(view.evidence(seen), (0, 0, 0, len(_INDENT)))


def _who(record: Record) -> str:
    if record.request is None:
        return record.controller
    return f"{record.request.by or 'somebody'} ({record.request.verb or 'a request that cannot be read'})"


def _weights(record: Record) -> str:
    """Versions and shares, and what they were."""
    after = record.after
    if after.stable is None:
        return "nothing serves"
    beside = [one for one in after.rivals if one.out is None]
    split = f"v{after.stable.version} {100 - after.weight - sum(one.weight for one in beside)} %"
    if after.candidate is not None and after.candidate.version != after.stable.version:
        was = f" (was {record.before.weight} %)" if record.before.weight != after.weight else ""
        split += f", v{after.candidate.version} {after.weight} %{was}"
        split += f", copies of {after.mirror} %" if after.mirror else ""
    return split + "".join(f", v{one.candidate.version} {one.weight} %" for one in beside)


def conclusion(chain: Chain) -> str:
    """What a chain without faults is, in a sentence."""
    count, heads = len(chain.stored), chain.heads
    whole = f"{count} record{'s' if count != 1 else ''}, each as it was written"
    known = " and ".join(head.known_to for head in heads)
    return f"{whole}, up to what {known} know{'s' if len(heads) == 1 else ''}" if heads else whole
