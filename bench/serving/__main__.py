"""One row of Iris as V2 JSON: kanarya-model beside KServe's ModelServer, on one core, in one run.

    make bench-serving            or   .venv/bin/python bench/serving [--work forest] [--rounds 5] [--seconds 5]

    regression   logistic regression, as ONNX here; 16 connections
    forest       a hundred trees, scikit-learn's own in both; 64 connections; and once more without batching

All answer every row of Iris first and must agree with scikit-learn. Then rounds alternate between them, so that whatever else
the machine does falls on all; medians and their ratio are what counts. On a machine that is not quiet, the ratio of requests
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
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from load import require_tools, wrk
from peers import ROOT, Peer, kanarya, kserve
from rich.console import Console
from rich.table import Table

from kanarya_model.testing import Kind, build, estimator

RESULTS = ROOT / "bench/results/serving.json"
WARM_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is asked."""

    title: str
    kind: Kind
    """Of model, as `kanarya_model.testing` has them."""
    connections: int
    goal: float
    """Times KServe."""
    variants: dict[str, list[str]] = field(default_factory=dict)
    """Our server with other flags, by name."""


WORKS = {
    "regression": Work(title="logistic regression, ONNX", kind="numeric", connections=16, goal=5.0),
    "forest": Work(
        title="100 trees, scikit-learn",
        kind="forest",
        connections=64,
        goal=20.0,
        variants={"  one by one": ["--batching", "off"]},
    ),
}
"""Issue C raises the goal of the first to 15."""


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
    peers: list[Peer], row: list[float], connections: int, options: argparse.Namespace, console: Console
) -> dict[str, list[dict[str, float]]]:
    rounds: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}

    def load(peer: Peer, seconds: int) -> dict[str, float]:
        return wrk(f"{peer.url}/v2/models/iris/infer", body(row), seconds=seconds, connections=connections)

    for peer in peers:
        load(peer, WARM_SECONDS)
    for number in range(options.rounds):
        for peer in peers:
            before = peer.cpu_seconds()
            result = load(peer, options.seconds)
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


def report(work: Work, results: dict[str, dict[str, object]], ratio: dict[str, float], console: Console) -> None:
    table = Table(title=f"One row of Iris, {work.title}, V2 JSON, {work.connections} connections, one core; medians")
    table.add_column("server", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in results.items():
        table.add_row(name, *(format(one[key], spec) for key, spec in COLUMNS.values()))
    console.print(table)
    reached = "reached" if ratio["per_second"] >= work.goal else "missed"
    console.print(
        f"ratio {ratio['per_second']:.1f}, by processor time {ratio['per_cpu_second']:.1f} (goal {work.goal:g}): {reached}"
    )


def run(work: Work, options: argparse.Namespace, console: Console) -> dict[str, object]:
    """Start the peers, load them, stop them; everything measured."""
    model, table = estimator(work.kind)
    rows, labels = table.tolist(), model.predict(table).tolist()
    with tempfile.TemporaryDirectory(prefix="kanarya-bench-") as scratch:
        artifact = build(Path(scratch) / "artifact", work.kind)
        peers = [kserve(work.kind), kanarya(artifact)]
        peers += [kanarya(artifact, *flags, name=name) for name, flags in work.variants.items()]
        try:
            for index, peer in enumerate(peers):
                peer.start(Path(scratch) / f"{index}.log")
                check_answers(peer, rows, labels)
            rounds = measure(peers, rows[0], work.connections, options, console)
            results = {peer.name: summary(peer, rounds[peer.name]) for peer in peers}
        finally:
            for peer in peers:
                peer.stop()
    theirs, ours = (results[peer.name] for peer in peers[:2])
    ratio = {name: ours[name] / theirs[name] for name in ("per_second", "per_cpu_second")}
    report(work, results, ratio, console)
    return {"goal": work.goal, "connections": work.connections, "ratio": ratio, "servers": results}


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
    parser.add_argument("--work", choices=WORKS, action="append", help="that alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    options = parser.parse_args()
    require_tools()
    console, where = Console(), machine()
    works = {name: run(WORKS[name], options, console) for name in options.work or WORKS}
    if where["load_before"][0] > 0.5:
        console.print(f"the machine was not quiet before the run: load {where['load_before'][0]:.1f}")
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = {"at": at, "machine": where, "options": vars(options), "works": works}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
