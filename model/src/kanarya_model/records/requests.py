"""The request log: requests drawn at random, with their answers, as Parquet files. Made by `recorders`, told by the edges.

    model=iris/version=7/date=2026-11-24/231502-9f3c2a1b-0.parquet

The path of a request pays for a draw, and if it is drawn for a tuple in a queue. A thread makes columns of what waits, twice a
second, and a file of the columns when there are enough rows or when the first of them has waited long enough. Both are bounded
by `rows`: what does not fit is dropped and counted, and so is a file that cannot be written. Nothing is ever waited for but at
the end, when the last file is written.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from kanarya_contracts import metrics
from kanarya_contracts.metrics import Edge
from kanarya_contracts.problems import KanaryaError
from kanarya_model.core.model import Model
from kanarya_model.core.request import Answered
from kanarya_model.records import table
from kanarya_model.records.place import Write
from kanarya_model.records.table import Kept

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.5
"""Between two looks at what waits."""
_LAST_SECONDS = 4.0
"""For the last file when the server stops: less than what Kubernetes gives beyond the server's own limits."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is kept, and when a file ends."""

    share: float
    """Of the requests, 0 to 1."""
    rows: int
    """Of a file; and as many may wait."""
    seconds: float
    """From a file's first row to its end."""


class RequestLog(Collector):
    """The log of one model version. `key` is for columns that its contract has hashed. For any thread."""

    def __init__(
        self,
        model: Model,
        write: Write,
        *,
        bounds: Bounds,
        key: bytes | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Raises KanaryaError where a column is to be hashed and there is no key."""
        hashed = [column.name for column in model.contract.inputs if column.personal == "hash"]
        if hashed and key is None:
            message = f"the contract has {', '.join(hashed)} hashed in a request log; give the key with --request-log-key-file"
            raise KanaryaError(f"--request-log: {message}")
        self._model = model
        self._write = write
        self._bounds = bounds
        self._key = key
        self._draw = draw
        self._waiting: list[Kept] = []
        self._waiting_rows = 0
        self._batches: list[table.Batch] = []
        self._gathered = 0
        self._begun = 0.0
        self._rows = {"written": 0, "dropped": 0, "failed": 0}
        self._process, self._files = secrets.token_hex(4), 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def take(self, answered: Answered, edge: Edge, seconds: float, request_id: bytes | None, *, copy: bool) -> None:
        """As `Sampled` says."""
        if self._draw() >= self._bounds.share:
            return
        count = answered.rows.count
        with self._lock:
            if self._waiting_rows + count > self._bounds.rows:
                self._rows["dropped"] += count
                return
            self._waiting_rows += count
            self._waiting.append(Kept(time.time(), edge, copy, seconds, request_id, answered))

    def close(self) -> None:
        """Write what is left, unless that takes long."""
        self._stop.set()
        self._thread.join(_LAST_SECONDS)
        if self._thread.is_alive():
            log.warning("the last file of the request log was not written in %g s", _LAST_SECONDS)

    def collect(self) -> Iterable[Metric]:
        """For `/metrics`."""
        labels = (metrics.MODEL, metrics.VERSION, metrics.FATE)
        family = CounterMetricFamily(
            metrics.REQUEST_LOG_ROWS, "Rows for the request log, by what became of them.", labels=labels
        )
        for fate, count in self._rows.items():
            family.add_metric((self._model.name, self._model.version, fate), count)
        yield family

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.wait(min(GATHER_SECONDS, self._bounds.seconds)):
            self._gather()
            old = time.monotonic() - self._begun >= self._bounds.seconds
            if self._gathered and (old or self._gathered >= self._bounds.rows):
                self._end_file()
        self._gather()
        if self._gathered:
            self._end_file()

    def _gather(self) -> None:
        with self._lock:
            kept, self._waiting, self._waiting_rows = self._waiting, [], 0
        if not kept:
            return
        if not self._batches:
            self._begun = time.monotonic()
        rows = sum(one.answered.rows.count for one in kept)
        try:
            self._batches.append(table.batch(self._model.contract, kept, self._key))
        except Exception:
            log.exception("the request log lost %d rows", rows)
            self._rows["failed"] += rows
        else:
            self._gathered += rows

    def _end_file(self) -> None:
        batches, count = self._batches, self._gathered
        self._batches, self._gathered = [], 0
        self._files += 1
        name = _name(self._model, datetime.now(UTC), f"{self._process}-{self._files}")
        try:
            self._write(name, table.parquet(batches, table.about(self._model)))
        except KanaryaError as error:
            log.warning("the request log lost %d rows: %s", count, error)
            fate = "failed"
        else:
            fate = "written"
        self._rows[fate] += count


def _name(model: Model, now: datetime, unique: str) -> str:
    """A file's name, its folders as Hive and those after it read them."""
    parts = [f"{metrics.MODEL}={quote(model.name, safe='')}", f"{metrics.VERSION}={model.version}", f"date={now:%Y-%m-%d}"]
    return "/".join([*parts, f"{now:%H%M%S}-{unique}.parquet"])
