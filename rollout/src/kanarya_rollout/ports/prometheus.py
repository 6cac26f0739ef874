"""Counters from Prometheus. Adapter of the `metrics` port: one Prometheus for the process, one view of it a rollout.

Owns four instant queries for all rollouts together, asked at most once in `max_age`, and while no weight moves so rarely that
reading the answers takes a twentieth of the time, however many rollouts there are. Counters come raw: deltas are the ledger's.
A series belongs to a process, told by its scrape target and the process's start time, so a pod that begins anew under the same
address is a new source. A target whose scrape fails has no samples (Prometheus marks them stale), so it is left out and its
counts arrive with a later window.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from kanarya_contracts import metrics as names
from kanarya_contracts.names import ALERT_INPUT_DRIFT
from kanarya_rollout.observation import Series
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.counted import ALWAYS, METRICS, Key, counted

Target = tuple[str, str]
"""Job and instance: what is scraped."""

TIMEOUT_SECONDS = 5.0
"""For one query."""

LEISURE = 20
"""An answer is good for this many times as long as it took to read."""

STARTED = "process_start_time_seconds"
"""Gauge: when a process started, as every official client library exposes it."""

_COUNTERS, _DRIFT = "counters", "drift"

_QUERIES: Mapping[str, str] = {
    names.INFO: f"timestamp({names.INFO})",  # asked first: the counters are no older
    STARTED: f"{STARTED} and on (job, instance) {names.INFO}",
    _COUNTERS: f'{{__name__=~"{"|".join(METRICS)}"}}',
    _DRIFT: f'ALERTS{{alertname="{ALERT_INPUT_DRIFT}", alertstate="firing"}}',
}


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One element of an instant vector. There are tens of thousands in an answer, hence no model."""

    metric: dict[str, str]
    """Labels."""
    value: tuple[float, str]
    """Time of evaluation, and the value as Prometheus writes it."""

    @property
    def target(self) -> Target:
        """Which scrape target it comes from."""
        return self.metric.get("job", ""), self.metric.get("instance", "")


class _Data(_Seen):
    result: tuple[Sample, ...] = ()


class _Response(_Seen):
    status: str
    error: str = ""
    data: _Data = _Data()


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What all queries were answered, by what is looked for in it."""

    started: Mapping[Target, float]
    """When its process started, in seconds since the epoch."""
    processes: Mapping[str, Sequence[Sample]]
    """Model → the INFO of each process that serves it, in whatever namespace, with the time of its scrape as the value."""
    counts: Mapping[Target, Mapping[Key, int]]
    """Its counters, summed into series."""
    drift: Sequence[Sample]
    """Alerts."""

    @classmethod
    def of(cls, answers: Mapping[str, Sequence[Sample]]) -> "Samples":
        """`answers`: by the keys of the queries; one that is absent is empty."""
        processes: defaultdict[str, list[Sample]] = defaultdict(list)
        for one in answers.get(names.INFO, ()):
            processes[one.metric.get(names.MODEL, "")].append(one)
        counts: defaultdict[Target, defaultdict[Key, int]] = defaultdict(partial(defaultdict, int))
        keys: dict[Key, Key] = {}  # few, in thousands of targets
        for one in answers.get(_COUNTERS, ()):
            for key, count in counted(one.metric.get("__name__", ""), one.metric, float(one.value[1])):
                counts[one.target][keys.setdefault(key, key)] += count
        started = {one.target: float(one.value[1]) for one in answers.get(STARTED, ())}
        return cls(started=started, processes=processes, counts=counts, drift=answers.get(_DRIFT, ()))


@dataclass(frozen=True, kw_only=True)
class _Last:
    """The last answer."""

    at: float
    rest: float
    """Seconds for which whoever is in no hurry takes it."""
    answer: Samples | Unreachable


class Prometheus:
    """One server, with its last answers. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        *,
        max_age: float,
        monotonic: Callable[[], float] = time.monotonic,
        login: tuple[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`max_age`: seconds for which an answer, a failure included, is good for every rollout at least. `login`: user and
        password."""
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, auth=login, transport=transport)
        self._max_age = max_age
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last: _Last | None = None

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def samples(self, *, fresh: bool = True) -> Samples:
        """A vector a query. Without `fresh`, an answer is good for LEISURE times as long as it took. Raises Unreachable."""
        with self._lock:
            now = self._monotonic()
            if self._last is None or now - self._last.at >= (self._max_age if fresh else max(self._max_age, self._last.rest)):
                found = self._all()
                took = 0.0 if isinstance(found, Unreachable) else self._monotonic() - now
                self._last = _Last(at=now, rest=LEISURE * took, answer=found)
        answer = self._last.answer
        if isinstance(answer, Unreachable):
            raise Unreachable(str(answer))
        return answer

    def _all(self) -> Samples | Unreachable:
        try:
            return Samples.of({name: self._query(query) for name, query in _QUERIES.items()})
        except Unreachable as error:
            return error

    def _query(self, query: str) -> tuple[Sample, ...]:
        try:
            response = self._http.get(f"{self._url}/api/v1/query", params={"query": query})
            answer = _Response.model_validate_json(response.content)
        except httpx.HTTPError as error:
            raise Unreachable(f"Prometheus at {self._url} does not answer: {error or type(error).__name__}") from None
        except ValidationError:
            said = response.text[:200]
            raise Unreachable(f"{self._url} answered {response.status_code} and not as Prometheus does: {said}") from None
        if answer.status != "success":
            raise Unreachable(f"Prometheus at {self._url} refused {query!r}: {answer.error}")
        return answer.data.result


class PrometheusMetrics:
    """The counters of one InferenceService's servers."""

    query = _QUERIES[_COUNTERS]

    def __init__(self, prometheus: Prometheus, *, model: str, namespace: str) -> None:
        """`model`: as its servers are named. `namespace`: as the scrape's label says, where it says so at all."""
        self._prometheus = prometheus
        self._model = model
        self._namespace = namespace

    def read(self, versions: Iterable[str], *, fresh: bool = True) -> tuple[Series, ...]:
        """As the port says."""
        wanted, samples = frozenset(versions), self._prometheus.samples(fresh=fresh)
        servers = tuple(servers_of(samples, self._model, self._namespace))
        if not servers:
            raise Unreachable(f"Prometheus has scraped no server of {self._namespace}/{self._model}; is its PodMonitor there?")
        return tuple(one for server in servers for one in series_of(server, samples) if one.version in wanted)

    def drifting(self, version: str) -> tuple[str, ...]:
        """As the port says: where chart `monitoring` has its alert."""
        here = {names.MODEL: self._model, names.VERSION: version, "namespace": self._namespace}
        alerts = (one.metric for one in self._prometheus.samples(fresh=False).drift)
        return tuple(sorted(one.get(names.FEATURE, "") for one in alerts if here.items() <= one.items()))


@dataclass(frozen=True, kw_only=True)
class Server:
    """A process that was scraped."""

    target: Target
    version: str
    started: float
    """Seconds since the epoch."""
    scraped: float
    """The same, when it was asked for its counters."""

    @property
    def source(self) -> str:
        """As in Series."""
        return f"{self.target[1]}-{self.started:.2f}"


def servers_of(samples: Samples, model: str, namespace: str) -> Iterator[Server]:
    """The processes that serve this model, with what Prometheus knows of them now. One that two jobs scrape is one."""
    known: set[str] = set()
    for one in samples.processes.get(model, ()):
        started = samples.started.get(one.target)
        if one.metric.get("namespace", namespace) == namespace and started is not None:
            version = one.metric.get(names.VERSION, "")
            server = Server(target=one.target, version=version, started=started, scraped=float(one.value[1]))
            if server.source not in known:
                known.add(server.source)
                yield server


def series_of(server: Server, samples: Samples) -> Iterator[Series]:
    """One process's counters. Those of its own version are there from the start, at 0."""
    counts: dict[Key, int] = {(server.version, kind, None, None): 0 for kind in ALWAYS}
    counts.update(samples.counts.get(server.target, {}))
    started, at = (datetime.fromtimestamp(seconds, UTC) for seconds in (server.started, server.scraped))
    for (version, kind, bound, of), count in counts.items():
        yield Series(source=server.source, version=version, kind=kind, value=count, bound=bound, of=of, started=started, at=at)
