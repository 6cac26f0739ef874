"""Load from a core of its own: wrk over HTTP and ghz over gRPC as fast as answers come, vegeta at a rate that waits for nobody.

Every round gives requests, seconds, p50_ms, p99_ms and how many failed (not 2xx, not OK, or broken).
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.figures import ROOT
from bench.serving.works import Message

SCRIPT = Path(__file__).with_name("request.lua")
PROTOCOL = ROOT / "model/proto/open_inference.proto"
Round = dict[str, float]


def require_tools() -> None:
    missing = [tool for tool in ("wrk", "taskset") if shutil.which(tool) is None]
    if missing:
        packages = " ".join({"wrk": "wrk", "taskset": "util-linux"}[tool] for tool in missing)
        sys.exit(f"bench: {' and '.join(missing)} not found. On Debian and Ubuntu: apt-get install {packages}")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench: one core only; a server and its load need one each, or they measure each other")


def cores() -> tuple[int, int]:
    """The server's core and the load's."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return first, second


def wrk(url: str, message: Message, *, seconds: int, connections: int, scratch: Path) -> Round:
    """A closed loop: each connection asks again when it has its answer."""
    body = scratch / "body"
    body.write_bytes(message.body)
    headers = "".join(f"{name}: {value}\n" for name, value in message.headers.items())
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    printed = _run(command, seconds, BENCH_BODY=str(body), BENCH_HEADERS=headers)
    line = next(line for line in printed.splitlines() if line.startswith("RESULT "))
    result: Round = json.loads(line.removeprefix("RESULT "))
    return result


def ghz(address: str, row: list[float], *, seconds: int, calls: int, scratch: Path) -> Round:
    """The same over gRPC: so many calls at a time on one connection."""
    tensor = {"name": "input-0", "datatype": "FP64", "shape": [1, 4], "contents": {"fp64_contents": row}}
    data = scratch / "call.json"
    data.write_text(json.dumps({"model_name": "iris", "inputs": [tensor]}))
    command = [
        _tool("ghz"), "--insecure", "--proto", str(PROTOCOL), "--call", "inference.GRPCInferenceService/ModelInfer",
        "--data-file", str(data), "--duration", f"{seconds}s", "--duration-stop", "wait", "--concurrency", str(calls),
        "--format", "json", address,
    ]  # fmt: skip
    document = json.loads(_run(command, seconds))
    at = {one["percentage"]: one["latency"] / 1e6 for one in document["latencyDistribution"]}
    answered = document["statusCodeDistribution"].get("OK", 0)
    return {
        "requests": answered,
        "seconds": document["total"] / 1e9,
        "p50_ms": at[50],
        "p99_ms": at[99],
        "failed": document["count"] - answered,
    }


def paced(url: str, message: Message, *, seconds: int, rate: float, scratch: Path) -> Round:
    """An open loop: a request is due when it is due, and its time counts from its sending."""
    target = {
        "method": "POST",
        "url": url,
        "header": {name: [value] for name, value in message.headers.items()},
        "body": base64.b64encode(message.body).decode(),
    }
    targets = scratch / "targets.json"
    targets.write_text(json.dumps(target) + "\n")
    results = scratch / "results.bin"
    attack = [
        _tool("vegeta"), "attack", "-format=json", f"-targets={targets}", f"-duration={seconds}s", f"-rate={rate:.0f}/1s",
        "-workers=16", "-max-workers=64", f"-output={results}",
    ]  # fmt: skip
    _run(attack, seconds)
    document = json.loads(_run([_tool("vegeta"), "report", "-type=json", str(results)], 0))
    latency = document["latencies"]
    return {
        "requests": document["requests"],
        "seconds": document["duration"] / 1e9,
        "p50_ms": latency["50th"] / 1e6,
        "p99_ms": latency["99th"] / 1e6,
        "failed": round(document["requests"] * (1 - document["success"])),
    }


def _tool(name: str) -> str:
    """A Go program of bench/tools, as `make bench-serving` builds it."""
    return str(ROOT / ".tools/bin" / name)


def _run(command: list[str], seconds: int, **environment: str) -> str:
    command = ["taskset", "-c", str(cores()[1]), *command]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    if done.returncode:
        sys.exit(f"bench: {command[3]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
