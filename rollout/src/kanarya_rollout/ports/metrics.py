"""Counters: the evidence. Called by `observe`. Local adapter: scraping each server. On Kubernetes: Prometheus."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["requests", "errors", "faster", "right", "wrong"]
"""What a series counts: inference requests answered with anything but 4xx; those of them with 5xx; successes at or under a
duration bound (`bound`); labels that proved a prediction right; wrong."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A cumulative counter of one process, as read now."""

    source: str
    """Which process: unique over restarts and ports (it carries the start time), so a reset is a new source."""
    version: str
    kind: Kind
    value: int
    bound: float | None = None
    """For `faster`: the histogram's upper bound in seconds; None is +Inf (every success)."""

    @property
    def key(self) -> str:
        """The series' name in the ledger."""
        return f"{self.source}|{self.version}|{self.kind}" + ("" if self.bound is None else f"|{self.bound:g}")


class Metrics(Protocol):
    """Counters of one model, over every process that serves it."""

    def read(self, versions: Iterable[str]) -> tuple[Series, ...]:
        """The series about these versions. A process that cannot be read is left out: its counts arrive with a later window.
        Raises Unreachable when none can be read."""
        ...
