"""kanarya-model beside KServe, MLServer, a hand-written FastAPI and a bare ASGI function: the same requests, one core, one run.

    make bench-serving            or   .venv/bin/python -m bench.serving [WORK …] [--rounds 3] [--seconds 5]

Every server answers Iris first and must agree with scikit-learn. Then rounds alternate between the servers of a work, so that
whatever else the machine does falls on all of them; medians and their ratio are what counts. On a machine that is not quiet,
the ratio of requests per second of processor time, which a busy neighbour moves less, says more. What was found is written to
bench/results/serving.json.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import httpx

from bench.figures import Run
from bench.serving.load import Round, ghz, paced, require_tools, wrk
from bench.serving.page import progress, show
from bench.serving.peers import Peer, roster
from bench.serving.works import WORKS, Rows, Work, as_json
from kanarya_model.testing import estimator

WARM_SECONDS = 2
STARTS = 3
"""Of each server whose start is compared."""

Rounds = dict[str, list[Round]]


def check_answers(peer: Peer, rows: Rows, labels: list[str]) -> None:
    """Every row, one at a time."""
    with httpx.Client(base_url=peer.url, timeout=20) as client:
        for row, label in zip(rows, labels, strict=True):
            message = as_json([row])
            answer = client.post("/v2/models/iris/infer", content=message.body, headers=message.headers)
            got = answer.json()["outputs"][0]["data"] if answer.status_code == 200 else answer.text
            if got != [label]:
                sys.exit(f"bench: {peer.name} answered {got} for {row}, expected {[label]}")


class Bench:
    """The servers that are up, and what is measured of them."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options = options
        self.scratch = scratch
        self.peers = roster(scratch)
        _, table = estimator("numeric")
        self.rows: Rows = table.tolist()

    def start(self, names: list[str]) -> None:
        for name in names:
            peer = self.peers[name]
            peer.start(self.scratch / f"{name}.log")
            check_answers(
                peer, self.rows, estimator("forest" if "forest" in name else "numeric")[0].predict(self.rows).tolist()
            )

    def stop(self) -> None:
        for peer in self.peers.values():
            peer.stop()

    def measure(self, work: Work) -> Rounds:
        """The work's rounds, with what each cost in processor time."""
        try:
            self.start(work.peers)
            rate = self._half_of_theirs(work) if work.load == "paced" else 0.0
            for name in work.peers:
                self._round(work, name, WARM_SECONDS, rate)
            rounds: Rounds = {name: [] for name in work.peers}
            for number in range(self.options.rounds):
                for name in work.peers:
                    before = self.peers[name].cpu_seconds()
                    found = self._round(work, name, self.options.seconds, rate)
                    if found["failed"]:
                        sys.exit(f"bench: {work.name}: {name} failed {found['failed']:.0f} of {found['requests']:.0f} requests")
                    found["per_second"] = found["requests"] / found["seconds"]
                    found["per_cpu_second"] = found["requests"] / (self.peers[name].cpu_seconds() - before)
                    found["resident_mb"] = self.peers[name].resident_mb()
                    rounds[name].append(found)
                    progress(work, number, name, found)
            return rounds
        finally:
            self.stop()

    def _round(self, work: Work, name: str, seconds: int, rate: float) -> Round:
        peer, message = self.peers[name], work.message(name, self.rows)
        url = f"{peer.url}/v2/models/iris/infer"
        if work.load == "ghz":
            return ghz(peer.grpc_address, self.rows[0], seconds=seconds, calls=work.connections, scratch=self.scratch)
        if work.load == "paced":
            return paced(url, message, seconds=seconds, rate=rate, scratch=self.scratch)
        return wrk(url, message, seconds=seconds, connections=work.connections, scratch=self.scratch)

    def _half_of_theirs(self, work: Work) -> float:
        """Half of the requests a second that the first peer answers when it is asked as fast as it can."""
        theirs = self.peers[work.peers[0]]
        found = wrk(
            f"{theirs.url}/v2/models/iris/infer",
            work.message(theirs.name, self.rows),
            seconds=self.options.seconds,
            connections=work.connections,
            scratch=self.scratch,
        )
        return found["requests"] / found["seconds"] / 2

    def starts(self, names: list[str]) -> dict[str, dict[str, float]]:
        """Seconds from a process's start to its first readiness, and what is resident then."""
        resident: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(STARTS):
            for name in names:
                self.peers[name].start(self.scratch / f"{name}.log")
                resident[name].append(self.peers[name].resident_mb())
                self.peers[name].stop()
        return {
            name: {
                "seconds": statistics.median(self.peers[name].starts[-STARTS:]),
                "resident_mb": statistics.median(resident[name]),
            }
            for name in names
        }


def medians(rounds: list[Round]) -> Round:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def ratios(work: Work, found: dict[str, Round]) -> dict[str, dict[str, float]]:
    """Peer → how often ours does what it does: by requests a second, by processor time, and by its p99."""
    ours = found[work.ours]
    return {
        peer: {
            "per_second": ours["per_second"] / found[peer]["per_second"],
            "per_cpu_second": ours["per_cpu_second"] / found[peer]["per_cpu_second"],
            "p99": found[peer]["p99_ms"] / ours["p99_ms"],
            "goal": goal,
        }
        for peer, goal in work.goals.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.serving", description=__doc__.splitlines()[0])
    parser.add_argument(
        "works", nargs="*", metavar="WORK", help=f"of {', '.join(work.name for work in WORKS)}, start; all by default"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    options = parser.parse_args()
    unknown = set(options.works) - {work.name for work in WORKS} - {"start"}
    if unknown:
        parser.error(f"no work is called {', '.join(sorted(unknown))}")
    require_tools()
    run = Run("serving", options)
    works: dict[str, object] = {}
    start: dict[str, dict[str, float]] | None = None
    with tempfile.TemporaryDirectory(prefix="kanarya-bench-") as scratch:
        bench = Bench(options, Path(scratch))
        servers = {name: peer.versions() for name, peer in bench.peers.items()}
        try:
            for work in WORKS:
                if not options.works or work.name in options.works:
                    rounds = bench.measure(work)
                    found = {name: medians(one) for name, one in rounds.items()}
                    works[work.name] = {"medians": found, "ratios": ratios(work, found), "rounds": rounds}
            if not options.works or "start" in options.works:
                start = bench.starts(["KServe", "kanarya"])
        finally:
            bench.stop()
    show(works, start, run)
    run.write(servers=servers, works=works, start=start)


if __name__ == "__main__":
    main()
