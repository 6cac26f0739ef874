"""A rollout as something to look at: weights as bars, evidence per gate. Used by `rollout status`, `rollout get`, `demo`.

Pure: a ModelRollout in, something rich can print out. Decides nothing and reads nothing.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kanarya_cli.sooner import sooner
from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.quantities import format_duration
from kanarya_contracts.rollout import Condition, Evidence, ModelRollout, Step, Tally
from kanarya_rollout.decide import sides

BAR = 40
"""Width of a full weight bar in characters."""

_STYLE = {"Successful": "green", "Failed": "bold red", "Inconclusive": "yellow", "NoData": "dim", "NoDifference": "cyan"}


_NEXT_GATE = re.compile(r"; (?=(?:version \S+ )?[a-z0-9-]+: )")
"""A gate may use the same semicolon in its sentence."""


def weights(rollout: ModelRollout) -> dict[str, int]:
    """Version → percent of the requests, champion first."""
    status = rollout.status
    if status.stable is None:
        return {}
    challengers = {
        side.candidate.version: side.canary_weight
        for side in (one.status for one in sides(rollout))
        if side.candidate is not None and side.candidate.version != status.stable.version
    }
    return {status.stable.version: 100 - sum(challengers.values()), **challengers}


def mirror(rollout: ModelRollout) -> str:
    """Who gets copies of how many requests; empty while nobody does."""
    status = rollout.status
    if not status.canary_mirror or status.candidate is None:
        return ""
    return f"v{status.candidate.version} gets copies of {status.canary_mirror} % of them, and its answers reach nobody"


def headline(rollout: ModelRollout) -> str:
    """The condition that matters now: `Progressing: ShiftingTraffic`."""
    status = rollout.status
    for kind in (ConditionType.DEGRADED, ConditionType.PAUSED, ConditionType.FROZEN, ConditionType.PROGRESSING):
        condition = status.condition(kind)
        if condition is not None and condition.status == "True":
            return f"{kind}: {condition.reason}"
    ended = [condition for condition in status.conditions if condition.status == "True"]
    latest = max(ended, key=lambda condition: condition.last_transition_time, default=None)
    return f"{latest.type}: {latest.reason}" if latest else "Idle"


def step(one: Step) -> str:
    """A step as it is written: `setWeight 25`."""
    if one.set_weight is not None:
        return f"setWeight {one.set_weight}"
    if one.pause is not None:
        return f"pause {format_duration(one.pause.duration)}" if one.pause.duration else "pause until promoted"
    if one.analysis is not None:
        return f"analysis until {', '.join(one.analysis.until)}"
    return f"setMirror {one.set_mirror.percentage}" if one.set_mirror else ""


def position(rollout: ModelRollout) -> str:
    """Where in the steps it is: `step 2 of 3: setWeight 25`; empty when nothing is on its way."""
    index, steps = rollout.status.current_step_index, rollout.spec.strategy.steps
    if index is None or not rollout.status.is_true(ConditionType.PROGRESSING):
        return ""
    if rollout.spec.strategy.ab_test is not None:
        return f"A/B test on {rollout.spec.strategy.ab_test.goal.name}"
    return "all steps done" if index >= len(steps) else f"step {index + 1} of {len(steps)}: {step(steps[index])}"


def bars(split: dict[str, int], *, width: int = BAR) -> RenderableType:
    """A bar a version."""
    table = Table.grid(padding=(0, 1))
    for index, (version, percent) in enumerate(split.items()):
        full = round(width * percent / 100)
        bar = Text("█" * full, style="cyan" if index == 0 else "yellow") + Text("░" * (width - full), style="dim")
        table.add_row(f"v{version}", bar, f"{percent:3d} %")
    return table


_SAYS = ("", "", "", "of needed", "of needed", "")


def evidence(rows: Iterable[Evidence]) -> Table:
    """A row a gate: bad of all, or a mean, for both versions; evidence beside the threshold it has to reach; verdict."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, says in zip(("gate", "challenger", "champion", "against", "for", "verdict"), _SAYS, strict=True):
        justify: Literal["left", "right"] = "left" if name in ("gate", "verdict") else "right"
        table.add_column(f"{name}\n{says}", justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(
            row.metric,
            _counted(row.candidate),
            _counted(row.stable) if row.stable.n else "",
            _against(row.log_e, row.threshold),
            _against(row.log_e_good, row.threshold_good),
            Text(row.verdict, style=_STYLE[row.verdict]),
        )
    return table


def _counted(tally: Tally) -> str:
    return f"{tally.bad:,} bad of {tally.n:,}" if tally.mean is None else f"mean {tally.mean:.4g} of {tally.n:,}"


def _against(value: Decimal | None, threshold: Decimal | None) -> str:
    return "" if value is None or threshold is None else f"{value:.1f} / {threshold:.1f}"


def rollout(one: ModelRollout) -> RenderableType:
    """Everything about one rollout."""
    status = one.status
    parts: list[RenderableType] = []
    title = Text.assemble((one.metadata.name, "bold"), "  ", headline(one))
    if position(one):
        title.append(f"  ·  {position(one)}", style="dim")
    parts.append(title)
    parts.append(bars(weights(one)) if status.stable else Text("no champion serves yet", style="dim"))
    if mirror(one):
        parts.append(Text(mirror(one), style="yellow"))
    if status.is_true(ConditionType.PROGRESSING) or any(row.candidate.n for row in status.evidence):
        for heading, rows in _judged(one):
            parts += [Text(), *([Text(heading, style="bold")] if heading else []), evidence(rows)]
            parts += [Text(f"{row.metric}: {row.message}") for row in rows if row.interval is not None]
    notes = [note for condition in status.conditions if condition.status == "True" for note in sentences(condition)]
    notes += [*waiting(one), *lacking(one), *way_back(one), *quarantine(one)]
    if notes:
        parts += [Text(), *(Text(note, style="dim") for note in notes)]
    return Group(*parts)


def _judged(one: ModelRollout) -> Iterator[tuple[str, tuple[Evidence, ...]]]:
    """Heading and evidence of every challenger, none over the only one. Of those who are out, what was seen until then."""
    if not one.status.rivals:
        yield "", one.status.evidence
        return
    for side in sides(one):
        yield name_of(side), side.status.evidence
    for rival in one.status.rivals:
        if rival.out is not None:
            yield f"v{rival.candidate.version} is out of the test: {rival.out.reason}", rival.evidence


def name_of(side: ModelRollout) -> str:
    """A challenger among several: `v3`; empty where it is the only one."""
    return f"v{side.status.candidate.version}" if side.status.rivals and side.status.candidate is not None else ""


def waiting(one: ModelRollout) -> list[str]:
    """What keeps a test of several from beginning; empty where nothing is expected to begin."""
    progressing = one.status.condition(ConditionType.PROGRESSING)
    idle = progressing is not None and progressing.reason == Reason.IDLE and progressing.message
    return [f"{idle[:1].upper()}{idle[1:]}"] if idle else []


def lacking(one: ModelRollout) -> list[str]:
    """For each gate that cannot tell yet: what is missing, how long that takes, what would bring it sooner. Of several
    challengers that last thing would be the same for each, and is left to `explain`."""
    if not one.status.is_true(ConditionType.PROGRESSING):
        return []
    undecided = [
        (f"{name_of(side)} {gate.name}: {row.message}".lstrip(), help_for)
        for side in sides(one)
        for gate in one.spec.analysis.metrics
        for row in side.status.evidence
        if row.metric == gate.name and (help_for := sooner(side, gate)) is not None
    ]
    if not one.status.rivals:
        return [f"{line}; {help_for}" for line, help_for in undecided]
    more = f"`kanarya rollout explain {one.metadata.name}` says what would bring a verdict sooner"
    return [*(line for line, _ in undecided), *([more] if undecided else [])]


def way_back(one: ModelRollout) -> list[str]:
    """Which version stays warm, until when by this machine's clock, and how to go back to it; empty without one."""
    status = one.status
    if status.warm is None or status.warm_since is None:
        return []
    until, undo = (status.warm_since + one.spec.rollback_window).astimezone(), f"kanarya rollout undo {one.metadata.name}"
    return [f"Version {status.warm.version} stays warm until {until:%H:%M}; `{undo}` goes back to it"]


def quarantine(one: ModelRollout) -> list[str]:
    """Which versions are not tried again, the newest first; empty without any."""
    kept = [f"{entry.version} ({entry.reason})" for entry in reversed(one.status.quarantine)]
    return [f"In quarantine until `kanarya rollout retry {one.metadata.name}`: {', '.join(kept)}"] if kept else []


def sentences(condition: Condition) -> list[str]:
    """A condition in lines: its reason and message, or, where every gate speaks in it, a line each."""
    parts = sayings(condition.message)
    if len(parts) < 2:
        return [f"{condition.type}: {condition.reason}" + (f", {parts[0]}" if parts else "")]
    return [f"{condition.type}: {condition.reason}", *(f"  {part}" for part in parts)]


def sayings(message: str) -> list[str]:
    """What each gate says in a message that joins what they say, each with its name before it: `error-rate: …; accuracy: …`."""
    return _NEXT_GATE.split(message) if message else []


def listing(rollouts: Iterable[ModelRollout]) -> Table:
    """A row a rollout, as the CRD's printer columns have it."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("NAME", "MODEL", "CHAMPION", "CHALLENGER", "WEIGHT", "STATE"):
        table.add_column(name, no_wrap=True)
    for one in rollouts:
        status = one.status
        table.add_row(
            one.metadata.name,
            one.spec.registry.model,
            status.stable.version if status.stable else "-",
            ", ".join(side.status.candidate.version for side in sides(one) if side.status.candidate) or "-",
            ", ".join(f"{side.status.canary_weight} %" for side in sides(one))
            + (f", copies {status.canary_mirror} %" if status.canary_mirror else ""),
            headline(one),
        )
    return table
