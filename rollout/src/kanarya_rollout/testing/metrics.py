"""The `metrics` port in memory."""

from collections.abc import Iterable

from kanarya_rollout.observation import Series
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.testing.serving import FakeServing


class FakeMetrics:
    """Scrapes the processes."""

    query = "scrape"

    def __init__(self, serving: FakeServing) -> None:
        self._serving = serving
        self.reachable = True
        self.hidden: set[str] = set()
        """Versions whose processes do not answer the scrape."""
        self.drift: dict[str, tuple[str, ...]] = {}
        """By version: columns that drift."""

    def read(self, versions: Iterable[str], *, fresh: bool = True) -> tuple[Series, ...]:  # noqa: ARG002 (the port's)
        """As the port says."""
        if not self.reachable:
            raise Unreachable("no process answers a scrape")
        wanted = set(versions)
        return tuple(
            Series(source=process.source, version=version, kind=kind, bound=bound, of=of, value=value, started=process.started)
            for process in self._serving.processes.values()
            if process.version not in self.hidden
            for (version, kind, bound, of), value in process.counts.items()
            if version in wanted
        )

    def drifting(self, version: str) -> tuple[str, ...]:
        """As the port says."""
        if not self.reachable:
            raise Unreachable("no process answers a scrape")
        return self.drift.get(version, ())
