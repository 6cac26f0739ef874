"""The demo's clients, as a process of their own: `python -m kanarya_cli.demo.clients`.

Sends held-out rows through the gateway at a steady rate over a few kept connections, sends each row's true label back
together with the prediction and the version that made it, and counts. Nothing is retried: a request that fails is a
failed request. Prints a line of cumulative counts as JSON four times a second; ends, with a last line, when standard
input closes. Started and read by `story` through `Clients`.
"""

import csv
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kanarya_cli import v2
from kanarya_cli.local.envoy import VERSION_HEADER

CONNECTIONS = 4
FEEDBACK_ROWS = 8
"""Labels sent back in one request."""
TIMEOUT_SECONDS = 5.0


@dataclass
class Tally:
    """What the clients saw, cumulative. Guarded by its lock while they run."""

    sent: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    """Inference requests answered 200, by the version that answered."""
    right: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """Requests of any kind that were not answered 200, by the version the gateway had chosen; `unknown` without an answer."""
    labels: int = 0
    """Labels sent back and counted by a server."""
    errors: Counter[str] = field(default_factory=Counter)
    """What was wrong with those that failed."""
    milliseconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def line(self) -> str:
        """As one line of JSON."""
        with self.lock:
            ordered = sorted(self.milliseconds)
            return json.dumps(
                {
                    "time": time.time(),
                    "sent": self.sent,
                    "answered": dict(self.answered),
                    "right": dict(self.right),
                    "failed": self.failed.total(),
                    "failed_by_version": dict(self.failed),
                    "labels": self.labels,
                    "errors": dict(self.errors.most_common(5)),
                    "p50_ms": _quantile(ordered, 0.5),
                    "p99_ms": _quantile(ordered, 0.99),
                }
            )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None


class _Connection:
    """One kept connection. A failure is counted once and the next request opens a new one."""

    def __init__(self, url: str, tally: Tally) -> None:
        parts = urlsplit(url)
        self._http = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS)
        self._tally = tally

    def post(self, path: str, body: object) -> dict[str, object] | None:
        """The answer's document, or None after counting a failure."""
        try:
            self._http.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = self._http.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            self._fail("unknown", f"{type(error).__name__}: {error}")
            return None
        if response.status != http.HTTPStatus.OK:
            version = response.headers.get(VERSION_HEADER, "unknown")
            self._fail(version, f"{response.status}: {content[:200].decode(errors='replace')}")
            return None
        document: dict[str, object] = json.loads(content)
        return document

    def _fail(self, version: str, what: str) -> None:
        with self._tally.lock:
            self._tally.failed[version] += 1
            self._tally.errors[what] += 1


class _Sender(threading.Thread):
    """Sends a row, remembers the prediction, sends labels back in small batches."""

    def __init__(self, url: str, model: str, bodies: Sequence[dict[str, object]], labels: Sequence[str],
                 *, first: int, every: float, tally: Tally, stop: threading.Event) -> None:  # fmt: skip
        super().__init__(daemon=True)
        self._connection = _Connection(url, tally)
        self._path = f"/v2/models/{model}"
        self._bodies, self._labels, self._next = bodies, labels, first
        self._every, self._tally, self._stopped = every, tally, stop
        self._owed: dict[str, list[tuple[str, str]]] = {}

    def run(self) -> None:
        due = time.perf_counter()
        while not self._stopped.is_set():
            self._one()
            due += self._every
            ahead = due - time.perf_counter()
            if ahead > 0:
                self._stopped.wait(ahead)
            else:
                due -= ahead  # behind: keep the rate from here on instead of catching up in a burst
        for version in list(self._owed):
            self._send_labels(version)

    def _one(self) -> None:
        index = self._next % len(self._bodies)
        self._next += CONNECTIONS
        started = time.perf_counter()
        document = self._connection.post(f"{self._path}/infer", self._bodies[index])
        took = (time.perf_counter() - started) * 1000
        with self._tally.lock:
            self._tally.sent += 1
        if document is None:
            return
        answer = v2.answer_of(document)
        with self._tally.lock:
            self._tally.milliseconds.append(took)
            self._tally.answered[answer.version] += 1
            self._tally.right[answer.version] += answer.labels[0] == self._labels[index]
        owed = self._owed.setdefault(answer.version, [])
        owed.append((answer.labels[0], self._labels[index]))
        if len(owed) >= FEEDBACK_ROWS:
            self._send_labels(answer.version)

    def _send_labels(self, version: str) -> None:
        owed = self._owed.pop(version, [])
        if not owed:
            return
        predictions, labels = zip(*owed, strict=True)
        body = {"model_version": version, "predictions": predictions, "labels": labels}
        if self._connection.post(f"{self._path}/feedback", body) is not None:
            with self._tally.lock:
                self._tally.labels += len(owed)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def send(url: str, model: str, rows: Sequence[Mapping[str, str]], target: str, rate: float) -> None:
    """Send until standard input closes."""
    inputs = v2.Client(url, model).inputs()
    bodies = [v2.request_body(inputs, [row]) for row in v2.typed_rows(inputs, rows)]
    tally, stop = Tally(), threading.Event()
    senders = [
        _Sender(url, model, bodies, [row[target] for row in rows],
                first=number, every=CONNECTIONS / rate, tally=tally, stop=stop)
        for number in range(CONNECTIONS)
    ]  # fmt: skip
    threading.Thread(target=_stop_at_end_of_input, args=[stop], daemon=True).start()
    for sender in senders:
        sender.start()
    while not stop.wait(0.25):
        print(tally.line(), flush=True)  # noqa: T201 (a program whose output this is)
    for sender in senders:
        sender.join()
    print(tally.line(), flush=True)  # noqa: T201


class Clients:
    """The clients' process, as the story sees it: start, look at the newest counts, stop."""

    def __init__(self, url: str, model: str, rows_file: Path, target: str, *, rate: float) -> None:
        command = [sys.executable, "-m", "kanarya_cli.demo.clients", url, model, str(rows_file), target, str(rate)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.latest: dict[str, object] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            self.latest = json.loads(line)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> dict[str, object]:
        """Let requests in flight end; the final counts."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=4 * TIMEOUT_SECONDS)
        self._reader.join(timeout=TIMEOUT_SECONDS)
        return self.latest


def main() -> None:
    """`clients URL MODEL ROWS.csv TARGET RATE`."""
    url, model, rows_file, target, rate = sys.argv[1:]
    with Path(rows_file).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    send(url, model, rows, target, float(rate))


if __name__ == "__main__":
    main()
