"""What the end-to-end tests ask the cluster with. `tests/e2e/run` makes the cluster; without it there is nothing to collect."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

collect_ignore_glob = [] if "KANARYA_E2E_NAMESPACE" in os.environ else ["test_*.py"]

Get = Callable[..., Any]


@pytest.fixture(scope="session")
def get() -> Get:
    """`kubectl get …` in the namespace under test, as the object or the list's items."""

    def asked(*arguments: str) -> Any:
        command = ["kubectl", "-n", os.environ["KANARYA_E2E_NAMESPACE"], "get", *arguments, "-o", "json"]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return answer["items"] if answer["kind"] == "List" else answer

    return asked


@pytest.fixture(scope="session")
def report() -> Iterator[dict[str, Any]]:
    """What was measured; ends up in tests/e2e/report.json."""
    lines = Path(os.environ["KANARYA_E2E_SECONDS"]).read_text(encoding="utf-8").splitlines()
    figures: dict[str, Any] = {"seconds": {name: float(seconds) for name, seconds in (line.split() for line in lines)}}
    yield figures
    Path(__file__).with_name("report.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
