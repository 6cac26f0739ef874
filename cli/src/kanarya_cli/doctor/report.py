"""Findings as a table for people and as data for programs. Pure. Used by `commands.doctor`."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kanarya_cli.doctor.finding import Finding, State

MARKS = {State.FINE: ("✓", "green"), State.WRONG: ("✗", "bold red"), State.UNKNOWN: ("?", "yellow")}
"""Sign and style of each state."""


def table(findings: Sequence[Finding]) -> RenderableType:
    """A row a finding, what to do under each that is wrong, and how many there are of each state."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in findings:
        mark, style = MARKS[one.state]
        grid.add_row(Text(mark, style=style), one.subject, Text(one.message))
        if one.advice:
            grid.add_row("", "", Text(f"→ {one.advice}", style="bold" if one.state is State.WRONG else "dim"))
    count = Counter(one.state for one in findings)
    words = {State.FINE: "fine", State.WRONG: "wrong", State.UNKNOWN: "could not be looked at"}
    total = ", ".join(f"{count[state]} {word}" for state, word in words.items() if count[state])
    return Group(grid, Text(), Text(total))


def data(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The same, for programs."""
    return [
        {"subject": one.subject, "state": one.state.value, "message": one.message, "advice": one.advice} for one in findings
    ]
