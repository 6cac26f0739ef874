"""Load with wrk: closed loop, one thread, pinned to a core of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("request.lua")


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


def wrk(url: str, body: bytes, *, seconds: int, connections: int) -> dict[str, float]:
    """One round: requests, seconds, p50_ms, p99_ms, not_2xx, broken."""
    command = ["taskset", "-c", str(cores()[1]), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    environment = {**os.environ, "BENCH_BODY": body.decode()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=seconds + 30)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return result
