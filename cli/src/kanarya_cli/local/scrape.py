"""Counters of every server of a model, read from each one's `/metrics`. Adapter of the `metrics` port.

Called by the controller's passes. A server's series carry its pid and start time, so that a new process is a new source.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import httpx
from prometheus_client.parser import text_string_to_metric_families

from kanarya_cli.local.ports import HOST
from kanarya_cli.local.serving import Server
from kanarya_rollout.observation import Series
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.counted import ALWAYS, Key, counted

_LOG = logging.getLogger(__name__)


class ScrapedMetrics:
    """Counters of one model. `servers` says which processes there are now."""

    query = "scrape"

    def __init__(self, model: str, servers: Callable[[], Sequence[Server]], *, timeout: float = 1.0) -> None:
        self._model = model
        self._servers = servers
        self._http = httpx.Client(timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Let go of the connections to the servers."""
        self._http.close()

    def read(self, versions: Iterable[str], *, fresh: bool = True) -> tuple[Series, ...]:  # noqa: ARG002 (always)
        """As the port says."""
        wanted = frozenset(versions)
        found = [series for server in self._servers() if (series := self._scrape(server)) is not None]
        if not found:
            msg = f"no server of {self._model} has answered at /metrics"
            raise Unreachable(msg)
        return tuple(one for series in found for one in series if one.version in wanted)

    def drifting(self, version: str) -> tuple[str, ...]:  # noqa: ARG002 (the port's)
        """As the port says: nobody judges here."""
        return ()

    def _scrape(self, server: Server) -> list[Series] | None:
        try:
            response = self._http.get(f"http://{HOST}:{server.port}/metrics").raise_for_status()
            return list(series_of(server, response.text))
        except (httpx.HTTPError, ValueError, KeyError) as error:
            _LOG.warning("metrics of %s version %s: %s", self._model, server.version, error or type(error).__name__)
            return None


def series_of(server: Server, text: str) -> Iterator[Series]:
    """The series in one server's exposition text. Those of its own version are there from the start, at 0."""
    counts: dict[Key, int] = {(server.version, kind, None, None): 0 for kind in ALWAYS}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for key, count in counted(sample.name, sample.labels, sample.value):
                counts[key] = counts.get(key, 0) + count
    source = f"{server.pid}-{server.created:.2f}"
    started = datetime.fromtimestamp(server.created, UTC)
    for (version, kind, bound, of), value in counts.items():
        yield Series(source=source, version=version, kind=kind, value=value, bound=bound, of=of, started=started)
