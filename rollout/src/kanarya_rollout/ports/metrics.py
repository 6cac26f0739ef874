"""Counters: the evidence. Called by `observe`. Local adapter: scraping each server. On Kubernetes: Prometheus."""

from collections.abc import Iterable
from typing import Protocol

from kanarya_rollout.observation import Kind, Series

__all__ = ["Kind", "Metrics", "Series"]


class Metrics(Protocol):
    """Counters of one model, over every process that serves it."""

    query: str
    """What is asked for them, for the record: a Prometheus expression, or `scrape`."""

    def read(self, versions: Iterable[str], *, fresh: bool = True) -> tuple[Series, ...]:
        """The series about these versions, as they are now; without `fresh`, an answer that others got lately will do, which is
        never older than the one before. A process that cannot be read is left out: its counts arrive with a later window.
        One that can be read has the counters of its own version from the start, at 0: a process without any is unknown, and
        what it did before it was known is not counted. Raises Unreachable when none can be read."""
        ...

    def drifting(self, version: str) -> tuple[str, ...]:
        """Columns of the requests that are judged unlike what this version was trained on; () where nobody judges. Raises
        Unreachable."""
        ...
