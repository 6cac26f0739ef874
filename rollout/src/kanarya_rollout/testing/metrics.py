"""The `metrics` port in memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime

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
        self.every = 0.0
        """Seconds between two scrapes; whoever asks in between gets the last one's counts."""
        self._at: datetime | None = None
        self._scraped: tuple[Series, ...] = ()

    def read(self, versions: Iterable[str], *, fresh: bool = True) -> tuple[Series, ...]:  # noqa: ARG002 (the port's)
        """As the port says."""
        if not self.reachable:
            raise Unreachable("no process answers a scrape")
        now = self._serving.clock.now()
        if self._at is None or not 0 <= (now - self._at).total_seconds() < self.every:
            self._at, self._scraped = now, tuple(self._scrape(now))
        wanted = set(versions)
        return tuple([one for one in self._scraped if one.version in wanted])

    def _scrape(self, now: datetime) -> Iterator[Series]:
        for process in self._serving.processes.values():
            if process.version not in self.hidden:
                for (version, kind, bound, of), value in process.counts.items():
                    yield Series(process.source, version, kind, value, bound, of, started=process.started, at=now)

    def drifting(self, version: str) -> tuple[str, ...]:
        """As the port says."""
        if not self.reachable:
            raise Unreachable("no process answers a scrape")
        return self.drift.get(version, ())
