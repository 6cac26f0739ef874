"""What it costs to write requests down: kanarya-model with access log, request log and traces, each beside one without.

    make bench-records            or   .venv/bin/python -m bench.serving.records [--rounds 5] [--seconds 4] [--connections 16]

One row of Iris as V2 JSON. Rounds alternate between the servers, all pinned to one core. Requests per second of processor time
count, threads that write included: a busy neighbour hardly moves them. The collector of traces throws away what it gets, on the
other core. Writes bench/results/records.json.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.figures import CONSOLE, Run, table
from bench.serving.load import require_tools, wrk
from bench.serving.peers import Peer, kanarya
from bench.serving.works import as_json
from kanarya_model.testing import build

INFER = "/v2/models/iris/infer"
ROW = as_json([[5.1, 3.5, 1.4, 0.2]])
WARM_SECONDS = 2


class Discards(BaseHTTPRequestHandler):
    """A collector."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def collector() -> Iterator[None]:
    """Where every server's spans go."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Discards)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def servers(scratch: Path) -> list[Peer]:
    artifact, log = build(scratch / "artifact", "numeric"), str(scratch / "requests")
    return [
        kanarya("nothing", artifact),
        kanarya("access log", artifact, "--access-log"),
        kanarya("request log, a tenth", artifact, "--request-log", log, "--request-log-share", "0.1"),
        kanarya("request log, all", artifact, "--request-log", log, "--request-log-rows", "65536"),
        kanarya("traces, none", artifact, "--traces", OTEL_TRACES_SAMPLER="always_off"),
        kanarya("traces, all", artifact, "--traces"),
    ]


def measure(peers: list[Peer], options: argparse.Namespace, scratch: Path) -> dict[str, list[float]]:
    """Requests per second of processor time, a round each."""
    found: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for number in range(options.rounds + 1):
        for peer in peers:
            before = peer.cpu_seconds()
            seconds = options.seconds if number else WARM_SECONDS
            result = wrk(peer.url + INFER, ROW, seconds=seconds, connections=options.connections, scratch=scratch)
            if result["failed"]:
                sys.exit(f"bench: with {peer.name}: {result['failed']:.0f} of {result['requests']:.0f} requests failed")
            if number:
                found[peer.name].append(result["requests"] / (peer.cpu_seconds() - before))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.serving.records", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each round")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    require_tools()
    run = Run("records", options)
    with tempfile.TemporaryDirectory(prefix="kanarya-bench-") as scratch, collector():
        peers = servers(Path(scratch))
        try:
            for index, peer in enumerate(peers):
                peer.start(Path(scratch) / f"{index}.log")
            found = measure(peers, options, Path(scratch))
        finally:
            for peer in peers:
                peer.stop()
    medians = {name: statistics.median(rounds) for name, rounds in found.items()}
    shown = table("Requests a second of processor time", "with", "median", "beside nothing", "µs a request")
    for name, median in medians.items():
        extra = 1e6 / median - 1e6 / medians["nothing"]
        shown.add_row(name, f"{median:,.0f}", f"{median / medians['nothing']:.1%}", f"{extra:+.1f}")
    CONSOLE.print(shown)
    run.write(medians=medians, rounds=found)


if __name__ == "__main__":
    main()
