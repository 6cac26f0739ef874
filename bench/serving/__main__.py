"""One row of Iris as V2 JSON, 16 connections: kanarya-model beside KServe's ModelServer, on one core, in one run.

    make bench-serving            or   .venv/bin/python bench/serving [--rounds 5] [--seconds 5] [--connections 16]

Both answer every row of Iris first and must agree with scikit-learn. Then rounds alternate between them, so that whatever else
the machine does falls on both; medians and their ratio are what counts. On a machine that is not quiet, the ratio of requests
per second of processor time, which a busy neighbour hardly moves, says more. Writes bench/results/serving.json.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

import httpx
from load import require_tools, wrk
from peers import ROOT, Peer, kanarya, kserve
from rich.console import Console
from rich.table import Table

from kanarya_model.testing import build, estimator

RESULTS = ROOT / "bench/results/serving.json"
GOAL = 5.0
"""Times KServe; issue C raises it to 15."""
WARM_SECONDS = 2


def body(row: list[float]) -> bytes:
    return json.dumps({"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": row}]}).encode()


def check_answers(peer: Peer, rows: list[list[float]], labels: list[str]) -> None:
    """Every row, one at a time, as the load will send it."""
    with httpx.Client(base_url=peer.url, headers={"content-type": "application/json"}) as client:
        for row, label in zip(rows, labels, strict=True):
            answer = client.post("/v2/models/iris/infer", content=body(row))
            got = answer.json()["outputs"][0]["data"] if answer.status_code == 200 else answer.text
            if got != [label]:
                sys.exit(f"bench: {peer.name} answered {got} for {row}, expected {[label]}")


def measure(
    peers: list[Peer], row: list[float], options: argparse.Namespace, console: Console
) -> dict[str, list[dict[str, float]]]:
    rounds: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    for peer in peers:
        wrk(f"{peer.url}/v2/models/iris/infer", body(row), seconds=WARM_SECONDS, connections=options.connections)
    for number in range(options.rounds):
        for peer in peers:
            before = peer.cpu_seconds()
            result = wrk(
                f"{peer.url}/v2/models/iris/infer", body(row), seconds=options.seconds, connections=options.connections
            )
            if result["not_2xx"] or result["broken"]:
                sys.exit(f"bench: {peer.name} had answers that were not 2xx, or broken connections: {result}")
            result["per_second"] = result["requests"] / result["seconds"]
            result["per_cpu_second"] = result["requests"] / (peer.cpu_seconds() - before)
            rounds[peer.name].append(result)
            console.print(
                f"round {number + 1}: {peer.name}: {result['per_second']:,.0f} a second, p99 {result['p99_ms']:.2f} ms"
            )
    return rounds


def summary(peer: Peer, rounds: list[dict[str, float]]) -> dict[str, object]:
    names = ("per_second", "per_cpu_second", "p50_ms", "p99_ms")
    medians = {name: statistics.median(one[name] for one in rounds) for name in names}
    about = {"start_seconds": peer.start_seconds, "resident_mb": peer.resident_mb(), "versions": peer.versions()}
    return {**medians, **about, "rounds": rounds}


COLUMNS = {
    "req/s": ("per_second", ",.0f"),
    "req/CPU s": ("per_cpu_second", ",.0f"),
    "p50 ms": ("p50_ms", ".2f"),
    "p99 ms": ("p99_ms", ".2f"),
    "start s": ("start_seconds", ".2f"),
    "MB": ("resident_mb", ".0f"),
}


def report(results: dict[str, dict[str, object]], ratio: dict[str, float], load: float, console: Console) -> None:
    table = Table(title="One row of Iris, logistic regression, V2 JSON, one core; medians")
    table.add_column("server", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in results.items():
        table.add_row(name, *(format(one[key], spec) for key, spec in COLUMNS.values()))
    console.print(table)
    if load > 0.5:
        console.print(f"the machine was not quiet before the run: load {load:.1f}")
    reached = "reached" if ratio["per_second"] >= GOAL else "missed"
    console.print(
        f"ratio {ratio['per_second']:.1f}, by processor time {ratio['per_cpu_second']:.1f} (goal {GOAL:g}): {reached}"
    )


def machine() -> dict[str, object]:
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/serving", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    require_tools()
    console, where = Console(), machine()
    model, table = estimator("numeric")
    rows, labels = table.tolist(), model.predict(table).tolist()
    with tempfile.TemporaryDirectory(prefix="kanarya-bench-") as scratch:
        peers = [kserve(), kanarya(build(Path(scratch) / "artifact", "numeric"))]
        try:
            for index, peer in enumerate(peers):
                peer.start(Path(scratch) / f"{index}.log")
                check_answers(peer, rows, labels)
            rounds = measure(peers, rows[0], options, console)
            results = {peer.name: summary(peer, rounds[peer.name]) for peer in peers}
        finally:
            for peer in peers:
                peer.stop()
    theirs, ours = (results[peer.name] for peer in peers)
    ratio = {name: ours[name] / theirs[name] for name in ("per_second", "per_cpu_second")}
    report(results, ratio, where["load_before"][0], console)
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = {"at": at, "machine": where, "options": vars(options), "goal": GOAL, "ratio": ratio, "servers": results}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
