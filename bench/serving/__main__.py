"""One row of Iris as V2 JSON, 16 connections: kanarya-model beside KServe's ModelServer, on one core, in one run.

    make bench-serving            or   .venv/bin/python bench/serving [--rounds 5] [--seconds 5] [--connections 16]

Both answer every row of Iris first and must agree with scikit-learn. Then rounds alternate between them, so that whatever else
the machine does falls on both; medians and their ratio are what counts. Writes bench/results/serving.json.
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
            result = wrk(
                f"{peer.url}/v2/models/iris/infer", body(row), seconds=options.seconds, connections=options.connections
            )
            if result["not_2xx"] or result["broken"]:
                sys.exit(f"bench: {peer.name} had answers that were not 2xx, or broken connections: {result}")
            result["per_second"] = result["requests"] / result["seconds"]
            rounds[peer.name].append(result)
            console.print(
                f"round {number + 1}: {peer.name}: {result['per_second']:,.0f} a second, p99 {result['p99_ms']:.2f} ms"
            )
    return rounds


def summary(peer: Peer, rounds: list[dict[str, float]]) -> dict[str, object]:
    medians = {name: statistics.median(one[name] for one in rounds) for name in ("per_second", "p50_ms", "p99_ms")}
    about = {"start_seconds": peer.start_seconds, "resident_mb": peer.resident_mb(), "versions": peer.versions()}
    return {**medians, **about, "rounds": rounds}


def report(results: dict[str, dict[str, object]], ratio: float, console: Console) -> None:
    table = Table(title="One row of Iris, logistic regression, V2 JSON, one core; medians")
    for column in ("server", "requests a second", "p50 ms", "p99 ms", "start s", "resident MB"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for name, one in results.items():
        figures = (f"{one['per_second']:,.0f}", f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}")
        table.add_row(name, *figures, f"{one['start_seconds']:.2f}", f"{one['resident_mb']:.0f}")
    console.print(table)
    console.print(f"ratio {ratio:.1f} (goal {GOAL:g}): {'reached' if ratio >= GOAL else 'missed'}")


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
    theirs, ours = (statistics.median(one["per_second"] for one in rounds[peer.name]) for peer in peers)
    report(results, ours / theirs, console)
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = {"at": at, "machine": where, "options": vars(options), "goal": GOAL, "ratio": ours / theirs, "servers": results}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
