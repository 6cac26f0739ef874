"""A million good and bad requests to a real server whose memory must stay flat. Called by `make soak`.

    .venv/bin/python -m bench.soak [--requests 1000000] [--seconds 3600] [--connections 16]

The server has everything on: gRPC, access log, request log. Every answer is held to what it must be (`mix.py`); the server's
resident size, descriptors and threads are read all along. It fails for a wrong answer, a 5xx, a count at /metrics that is not
the clients' own, a series more than at the start, or a resident size that in the last quarter is above that of the second by
more than `FLAT_MB`. Writes bench/results/soak.json. SECONDS end it early, and are then said to have.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import httpx

from bench.figures import CONSOLE, Run, table
from bench.soak.mix import WIDTH, request
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.testing import build

FLAT_MB = 3.0
"""Three bytes a request: less than anything that is kept for one."""
GRPC_EVERY = 50
"""One call by gRPC for so many requests over HTTP."""
SAMPLES = 200
ANSWER_SECONDS = 60


class Server:
    """The process, and what can be read of it from outside."""

    def __init__(self, scratch: Path) -> None:
        artifact, ports = build(scratch / "artifact"), [scratch / "port", scratch / "grpc"]
        log = ["--access-log", "--request-log", scratch / "log", "--request-log-share", "0.05"]
        log += ["--request-log-rows", "4096", "--request-log-seconds", "5", "--most-remembered", "1000"]
        at = ["--port", "0", "--port-file", ports[0], "--grpc-port", "0", "--grpc-port-file", ports[1]]
        command = [sys.executable, "-m", "kanarya_model", "serve", artifact, "--version", "7", *at, *log]
        self.errors = scratch / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=errors)
        while not ports[0].exists():
            if self.process.poll() is not None:
                sys.exit(f"soak: the server did not start:\n{self.errors.read_text()}")
            time.sleep(0.02)
        self.port, self.grpc_port = (int(path.read_text()) for path in ports)

    def sample(self) -> dict[str, float]:
        """Resident megabytes, descriptors, threads."""
        proc = Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        resident = int(status["VmRSS"].split()[0]) / 1024
        return {"resident_mb": resident, "descriptors": len(list((proc / "fd").iterdir())), "threads": int(status["Threads"])}

    def series(self) -> dict[str, float]:
        """What is at /metrics but about the process."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith(("#", "process_"))]
        return {name: float(value) for name, _, value in lines}


class Clients:
    """All of them, and what they saw."""

    def __init__(self, server: Server, requests: int, deadline: float) -> None:
        self.server = server
        self.deadline = deadline
        self.sent = 0
        self.infers = 0
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.samples: list[dict[str, float]] = []
        self.early: dict[str, float] = {}
        """The series that were there after a tenth."""
        self._numbers = iter(range(requests))
        self._requests = requests

    async def run(self, connections: int) -> None:
        """Send everything."""
        await asyncio.gather(*(self._client() for _ in range(connections)))

    async def _client(self) -> None:
        streams = None
        for number in self._numbers:
            if time.monotonic() > self.deadline:
                break
            sent = request(number)
            streams = streams or await asyncio.open_connection("127.0.0.1", self.server.port)
            streams[1].write(sent.raw)
            if sent.statuses:
                status = await asyncio.wait_for(_status(streams[0]), ANSWER_SECONDS)
                self.answers[status] += 1
                if status not in sent.statuses:
                    self.wrong.append(f"request {number}: answered {status}, expected {sorted(sent.statuses)}")
            self.infers += sent.infers
            if sent.closes:
                streams[1].close()
                streams = None
            self._count()
        if streams:
            streams[1].close()

    def _count(self) -> None:
        self.sent += 1
        if self.sent % max(self._requests // SAMPLES, 1) == 0:
            self.samples.append({"sent": self.sent, **self.server.sample()})
        if self.sent == self._requests // 10:
            self.early = self.server.series()


async def _status(reader: asyncio.StreamReader) -> int:
    """Of the next answer, which is read whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head[9:12])


class Calls(threading.Thread):
    """Calls by gRPC, one for every so many requests of the clients, until there are no more of those."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(daemon=True)
        self.codes: Counter[str] = Counter()
        self.over = threading.Event()
        self._clients = clients

    def run(self) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{self._clients.server.grpc_port}") as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while not self.over.wait(0.01):
                while self.codes.total() * GRPC_EVERY < self._clients.sent:
                    self._call(infer, self.codes.total())

    def _call(self, infer: grpc.UnaryUnaryMultiCallable, number: int) -> None:
        message, right = _message(number)
        try:
            infer(message.SerializeToString(), timeout=ANSWER_SECONDS)
            code = "OK"
        except grpc.RpcError as refused:
            code = refused.code().name
        self.codes[code] += 1
        if code != right:
            self._clients.wrong.append(f"call {number}: answered {code}, expected {right}")


def _message(number: int) -> tuple[pb.ModelInferRequest, str]:
    """Call NUMBER and the code that it gets."""
    tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP64", shape=[1, WIDTH])
    tensor.contents.fp64_contents.extend([5.1, 3.5, 1.4, 0.2])
    return (
        (pb.ModelInferRequest(model_name="iris", id=f"call-{number}", inputs=[tensor]), "OK"),
        (pb.ModelInferRequest(model_name=f"model-{number}", inputs=[tensor]), "NOT_FOUND"),
        (pb.ModelInferRequest(model_name="iris", id=f"call-{number}", inputs=[tensor]), "OK"),
        (pb.ModelInferRequest(model_name="iris", inputs=[tensor, tensor]), "INVALID_ARGUMENT"),
    )[number % 4]


def problems(clients: Clients, calls: Calls, late: dict[str, float]) -> list[str]:
    """What is wrong with what was seen; `late` are the series at the end."""
    wrong = clients.wrong[:20]
    requests = {name: value for name, value in late.items() if name.startswith("kanarya_model_requests_total")}
    by_grpc = sum(value for name, value in requests.items() if 'edge="v2-grpc"' in name)
    counted = {"over HTTP": sum(requests.values()) - by_grpc, "by gRPC": by_grpc}
    seen = {"over HTTP": clients.infers, "by gRPC": calls.codes.total() - calls.codes["NOT_FOUND"]}
    if counted != seen:
        wrong.append(f"/metrics has counted {counted}, expected {seen}")
    if failed := {name: value for name, value in requests.items() if 'code="5' in name and value}:
        wrong.append(f"the server has failed: {failed}")
    if new := sorted(late.keys() - clients.early.keys()):
        wrong.append(f"{len(new)} series more than after a tenth, such as {new[0]}")
    first, last = (statistics.median(one["resident_mb"] for one in part) for part in _quarters(clients.samples))
    if last - first > FLAT_MB:
        wrong.append(f"resident size grew from {first:.1f} to {last:.1f} MB, expected {FLAT_MB:g} MB more at most")
    return wrong


def _quarters(samples: list[dict[str, float]]) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The second, when what is made once has been made, and the last."""
    quarter = len(samples) // 4
    return samples[quarter : 2 * quarter], samples[-quarter:]


def _grown(samples: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    """Requests, and bytes beside them, from the second quarter on."""
    late = samples[len(samples) // 4 :]
    return [one["sent"] for one in late], [one["resident_mb"] * (1 << 20) for one in late]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=3600, help="at most")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    run, began = Run("soak", options), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kanarya-soak-") as scratch:
        server = Server(Path(scratch))
        clients = Clients(server, options.requests, began + options.seconds)
        calls = Calls(clients)
        calls.start()
        try:
            asyncio.run(clients.run(options.connections))
            calls.over.set()
            calls.join(ANSWER_SECONDS)
            late = server.series()
        finally:
            server.process.terminate()
            status = server.process.wait(60)
        wrong = problems(clients, calls, late)
        if status != 0:
            wrong.append(f"the server ended with {status}")
        if "Traceback" in server.errors.read_text():
            wrong.append(f"the server's log has a traceback:\n{server.errors.read_text()[-2000:]}")
    report(clients, calls, time.monotonic() - began, wrong, run)
    sys.exit(1 if wrong else 0)


def report(clients: Clients, calls: Calls, seconds: float, wrong: list[str], run: Run) -> None:
    size = f"{clients.sent:,} requests of {run.options['requests']:,} and {calls.codes.total():,} calls by gRPC"
    CONSOLE.print(f"{size} in {seconds:,.0f} s")
    CONSOLE.print("answers: " + ", ".join(f"{status}: {number:,}" for status, number in sorted(clients.answers.items())))
    CONSOLE.print("calls: " + ", ".join(f"{code}: {number:,}" for code, number in sorted(calls.codes.items())))
    shown = table("The server", "after requests", "resident MB", "descriptors", "threads")
    for one in clients.samples[:: max(len(clients.samples) // 10, 1)]:
        shown.add_row(f"{one['sent']:,}", f"{one['resident_mb']:.1f}", f"{one['descriptors']}", f"{one['threads']}")
    CONSOLE.print(shown)
    slope = statistics.linear_regression(*_grown(clients.samples)).slope
    CONSOLE.print(f"from the second quarter on, {slope:+.1f} bytes a request")
    CONSOLE.print("\n".join(wrong) or "every answer right, every count the clients' own, memory flat", markup=False)
    run.write(seconds=seconds, answers=clients.answers, calls=calls.codes, wrong=wrong, samples=clients.samples)


if __name__ == "__main__":
    main()
