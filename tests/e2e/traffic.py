"""Clients of a model, as a process of their own: rows of Iris through the gateway at a steady rate, the true labels back with
the ids of their requests.

Nothing is retried: a request that fails is a lost request, and is written down with the moment it was sent. The tests read
what was written through `Traffic`; the process itself is `python traffic.py MODEL HOST RATE FILE`, and ends when its standard
input closes.
"""

import csv
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

GATEWAY = ("127.0.0.1", 8080)
ROWS = Path(__file__).parents[2] / "data/iris.csv"
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
CONNECTIONS = 6
LABELS_AT_ONCE = 8
TIMEOUT_SECONDS = 10.0


class Answer(NamedTuple):
    """What became of one request."""

    sent: float
    """Unix seconds."""
    took: float
    """Seconds."""
    status: int
    """0 without an answer."""
    version: str
    """That answered; empty where it is not known."""
    right: bool
    """Whether the prediction was."""
    error: str
    """What was wrong, for people."""

    @property
    def lost(self) -> bool:
        """Anything but 200."""
        return self.status != 200


class Traffic:
    """Clients that run for as long as the block does."""

    def __init__(self, directory: Path, *, model: str = "iris", host: str = "iris.example.com", rate: float = 150.0) -> None:
        self._file = directory / f"{model}-{time.time_ns()}.jsonl"
        self._command = [sys.executable, __file__, model, host, str(rate), str(self._file)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Traffic":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let requests on their way end."""
        if self._process is not None and self._process.poll() is None:
            self._process.stdin.close()
            self._process.wait(timeout=3 * TIMEOUT_SECONDS)

    def answers(self, *, since: float = 0.0, until: float = float("inf")) -> list[Answer]:
        """Those sent in that time, as far as they are over, in the order in which they were sent."""
        with suppress(FileNotFoundError), self._file.open(encoding="utf-8") as file:
            found = [Answer(*json.loads(line)) for line in file if line.endswith("\n")]
            return sorted(one for one in found if since <= one.sent < until)
        return []

    def lost(self, *, since: float = 0.0, until: float = float("inf")) -> list[Answer]:
        """Requests that got no 200."""
        return [one for one in self.answers(since=since, until=until) if one.lost]


def by_version(answers: Sequence[Answer]) -> dict[str, int]:
    """Version → requests it answered."""
    return dict(Counter(one.version for one in answers if not one.lost))


# --- the process ---------------------------------------------------------------------------------------------------------


class _Client(threading.Thread):
    def __init__(self, model: str, host: str, bodies: Sequence[tuple[bytes, str]], *, first: int, every: float,
                 written: "list[Answer]", stop: threading.Event) -> None:  # fmt: skip
        super().__init__(daemon=True)
        self._path, self._headers = f"/v2/models/{model}", {"Host": host, "Content-Type": "application/json"}
        self._bodies, self._next, self._every = bodies, first, every
        self._written, self._stopped = written, stop
        self._http = http.client.HTTPConnection(*GATEWAY, timeout=TIMEOUT_SECONDS)
        self._owed: dict[str, list[tuple[str, str, str]]] = {}

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

    def _one(self) -> None:
        body, truth = self._bodies[self._next % len(self._bodies)]
        identity = f"{os.getpid()}-{self._next}"
        self._next += CONNECTIONS
        body = body[:-1] + f', "id": "{identity}"}}'.encode()
        sent, began = time.time(), time.perf_counter()
        status, content = self._post("/infer", body)
        took = time.perf_counter() - began
        if status != 200:
            self._written.append(Answer(sent, took, status, "", False, content[:300].decode(errors="replace")))
            return
        document = json.loads(content)
        version, label = document["model_version"], document["outputs"][0]["data"][0]
        self._written.append(Answer(sent, took, status, version, label == truth, ""))
        owed = self._owed.setdefault(version, [])
        owed.append((label, truth, identity))
        if len(owed) >= LABELS_AT_ONCE:
            del self._owed[version]
            predictions, labels, ids = zip(*owed, strict=True)
            feedback = {"model_version": version, "predictions": predictions, "labels": labels, "ids": ids}
            self._post("/feedback", json.dumps(feedback).encode())

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        try:
            self._http.request("POST", self._path + path, body, self._headers)
            response = self._http.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            return 0, f"{type(error).__name__}: {error}".encode()


def _bodies() -> Iterator[tuple[bytes, str]]:
    with ROWS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            data = [float(row[column]) for column in COLUMNS]
            body = {"inputs": [{"name": "X", "shape": [1, len(data)], "datatype": "FP64", "data": data}]}
            yield json.dumps(body).encode(), row["species"]


def _send(model: str, host: str, rate: float, path: Path) -> None:
    bodies, written, stop = list(_bodies()), [], threading.Event()
    clients = [
        _Client(model, host, bodies, first=number, every=CONNECTIONS / rate, written=written, stop=stop)
        for number in range(CONNECTIONS)
    ]
    for client in clients:
        client.start()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    with path.open("w", encoding="utf-8") as file:
        done = 0
        while not stop.wait(0.1):
            done = _write(file, written, done)
        for client in clients:
            client.join()
        _write(file, written, done)


def _write(file, written: "list[Answer]", done: int) -> int:
    news = written[done:]
    file.writelines(json.dumps(one) + "\n" for one in news)
    file.flush()
    return done + len(news)


if __name__ == "__main__":
    _send(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4]))
