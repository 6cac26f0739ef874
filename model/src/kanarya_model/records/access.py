"""A line of JSON a request, on standard output. Made by `server`, told by `edges.logged`.

The path of a request pays for a tuple in a queue; a few times a second a thread of its own makes lines of what is there and
writes them in one piece. The queue is bounded: where nobody reads standard output, lines are lost and counted, and no request
waits. A line holds nothing that a client wrote but the request's id: no body, no header, no path that the server does not have.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from kanarya_contracts import metrics, records
from kanarya_contracts.metrics import Edge

log = logging.getLogger(__name__)

MOST_WAITING = 65_536
"""Lines that wait to be written."""

_STDOUT = 1
_EVERY_SECONDS = 0.25
_AT_ONCE = 1024
"""Lines in one write."""
_LAST_SECONDS = 2.0
"""For what is left when the server stops."""


class Door(NamedTuple):
    """What a request met."""

    model: str | None
    version: str | None
    edge: Edge | None


NOWHERE = Door(None, None, None)
"""No model."""


class Visit(NamedTuple):
    """What there is to say of a request. A tuple, for every request makes one."""

    at: float
    """Seconds since the epoch, when its answer went out."""
    request_id: bytes
    door: Door
    method: str
    path: str | None
    """None for one that is not the server's."""
    copy: bool
    """Nobody got the answer."""
    status: int
    seconds: float
    bytes_in: int | None
    """None where the client did not say."""
    bytes_out: int


class AccessLog(Collector):
    """The log. `write` takes lines, as many at once as there are, and may block. For any thread."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._waiting: deque[Visit] = deque()
        self._lost = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def add(self, visit: Visit) -> None:
        """Take note."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(visit)
        else:
            self._lost += 1

    def close(self) -> None:
        """Write what is left, unless nobody takes it."""
        self._stop.set()
        self._thread.join(_LAST_SECONDS)

    def collect(self) -> Iterable[Metric]:
        """For `/metrics`."""
        yield CounterMetricFamily(metrics.ACCESS_LOG_LOST, "Requests without a line in the access log.", value=self._lost)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        while self._waiting:
            visits = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                self._write(b"".join(map(line, visits)))
            except OSError as error:
                self._lost += len(visits)
                log.warning("the access log cannot be written: %s", error.strerror)
                return


def line(visit: Visit) -> bytes:
    """The visit as a line of JSON."""
    members = {
        records.TIME: datetime.fromtimestamp(visit.at, UTC),
        records.REQUEST_ID: visit.request_id.decode(),
        records.MODEL: visit.door.model,
        records.VERSION: visit.door.version,
        records.EDGE: visit.door.edge and visit.door.edge.value,
        records.METHOD: visit.method,
        records.PATH: visit.path,
        records.COPY: visit.copy,
        records.STATUS: visit.status,
        records.SECONDS: round(visit.seconds, 6),
        records.BYTES_IN: visit.bytes_in,
        records.BYTES_OUT: visit.bytes_out,
    }
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def standard_output(content: bytes) -> None:
    """Write it all, past Python's own buffer: a thread that waited in there would hold up the process's end."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(_STDOUT, rest) :]
