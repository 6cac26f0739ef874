"""What the end-to-end tests stand on. `tests/e2e/run` makes the cluster and installs; without it there is nothing to collect.

The tests follow a user's day, a file a chapter, and their files are run in that order. Each brings about what it needs (`calm`:
a champion serves and nothing is on its way), so any of them can be run alone with `KEEP=1 tests/e2e/run tests/e2e/test_5….py`.
"""

import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kanarya_contracts.names import ConditionType
from kanarya_contracts.rollout import ModelRolloutStatus

collect_ignore_glob = [] if "KANARYA_E2E_NAMESPACE" in os.environ else ["test_*.py"]
HERE = Path(__file__).parent


def _load(name: str) -> ModuleType:
    """A module beside this file: with --import-mode=importlib, none is found by its name."""
    spec = importlib.util.spec_from_file_location(f"e2e_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"e2e_{name}"] = module
    spec.loader.exec_module(module)
    return module


if not collect_ignore_glob:
    kube_module, traffic_module, versions_module = _load("kube"), _load("traffic"), _load("versions")


@pytest.fixture(scope="session")
def kube() -> Any:
    """The namespace under test."""
    return kube_module.Kube(os.environ["KANARYA_E2E_NAMESPACE"])


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[Any]:
    """Clients of iris, from the beginning of the test to its end."""
    with traffic_module.Traffic(tmp_path) as clients:
        yield clients


@pytest.fixture
def registry(kube: Any) -> Iterator[Any]:
    """The registry's versions of iris."""
    with kube.reach("platform-mlflow", 5000) as address:
        yield versions_module.Versions(address)


@pytest.fixture
def calm(kube: Any) -> str:
    """A champion serves through the gateway, and nothing is on its way. Its version."""
    version: str = kube_module.eventually(
        lambda: resting(kube, "iris"), "a champion serves and nothing is on its way", seconds=180
    )
    return version


@pytest.fixture
def seen(kube: Any) -> Iterator["Seen"]:
    """Every status of iris' ModelRollout during the test."""
    watcher = Seen(kube)
    watcher.start()
    yield watcher
    watcher.over.set()
    watcher.join()


@pytest.fixture(scope="session")
def previous_charts(tmp_path_factory: pytest.TempPathFactory, report: "Report") -> Path:
    """`helm/` as it was before the last commit that changed it: what somebody who upgrades today has installed. A clone without
    that history upgrades from the charts that it has, and the report says so."""
    place, root = tmp_path_factory.mktemp("previous"), HERE.parents[1]
    git = ("git", "-C", str(root))
    revision = kube_module.command(*git, "rev-list", "--max-count=1", "--skip=1", "HEAD", "--", "helm").strip()
    report.add(**{"previous charts": revision[:7] or "today's: this clone has no history of helm/"})
    kube_module.command(*git, "archive", "-o", str(place / "helm.tar"), revision or "HEAD", "helm")
    kube_module.command("tar", "-C", str(place), "-xf", str(place / "helm.tar"))
    return place / "helm"


@pytest.fixture(scope="session")
def petals(kube: Any, previous_charts: Path) -> str:
    """A second model, by the charts alone: trained by a Job, served by two pods of the previous chart. Its name."""
    if "petals" not in kube_module.names(kube.get("inferenceservices")):
        root = HERE.parents[1]
        kube.helm(
            "upgrade", "--install", "petals-1", str(root / "helm/training-job"), "-f", str(HERE / "petals-training.yaml"),
            "--set-file", rf"data.iris\.csv={root / 'data/iris.csv'}", "--wait", "--wait-for-jobs", "--timeout", "300s",
        )  # fmt: skip
        kube.helm("upgrade", "--install", "petals", str(previous_charts / "model"), "-f", str(HERE / "petals.yaml"))
    kube_module.eventually(lambda: resting(kube, "petals"), "petals has a champion", seconds=180)
    kube.available("deployment/petals-v1-predictor")
    return "petals"


def resting(kube: Any, name: str) -> str | None:
    """The champion's version, while it serves and nothing is on its way."""
    status = kube.rollout(name).status
    busy = status.current_step_index is not None or status.retiring is not None or status.is_true(ConditionType.DEGRADED)
    return status.stable.version if status.stable is not None and not busy else None


class Seen(threading.Thread):
    """Looks ten times a second and keeps what changed."""

    def __init__(self, kube: Any) -> None:
        super().__init__(daemon=True)
        self._kube = kube
        self.over = threading.Event()
        self.changes: list[tuple[float, ModelRolloutStatus]] = []
        """Unix seconds at which a status was first seen, and the status."""

    def run(self) -> None:
        while not self.over.wait(0.1):
            try:
                status = self._kube.rollout().status
            except Exception:  # noqa: BLE001, S112 (the API server may be busy; the next look is in a moment)
                continue
            if not self.changes or self.changes[-1][1] != status:
                self.changes.append((time.time(), status))

    def spans(self) -> list[tuple[float, float, int]]:
        """(from, to, the candidate's weight): for as long as one weight was seen."""
        found: list[tuple[float, float, int]] = []
        for at, status in [*self.changes, (time.time(), self.changes[-1][1])]:
            if found and found[-1][2] == status.canary_weight:
                found[-1] = (found[-1][0], at, status.canary_weight)
            else:
                found.append((at, at, status.canary_weight))
        return found

    def reasons(self, kind: ConditionType, version: str) -> list[str]:
        """Why a condition was True while this version was the candidate, each reason once, in the order in which it was."""
        about = [status for _, status in self.changes if status.candidate is not None and status.candidate.version == version]
        conditions = [status.condition(kind) for status in about]
        return list(dict.fromkeys(one.reason for one in conditions if one is not None and one.status == "True"))


class Report:
    """What was measured: tests/e2e/report.json, written after each test, so that a run that fails leaves what it found."""

    def __init__(self, path: Path, seconds: dict[str, float]) -> None:
        self._path = path
        self.figures: dict[str, Any] = {"seconds": seconds}

    def add(self, **figures: Any) -> None:
        self.figures.update(figures)
        self._path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def report() -> Report:
    """Where figures go."""
    lines = Path(os.environ["KANARYA_E2E_SECONDS"]).read_text(encoding="utf-8").splitlines()
    return Report(HERE / "report.json", {name: float(seconds) for name, seconds in (line.split() for line in lines)})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the cluster says goes under a test that failed: a log of CI is all that there is of it afterwards."""
    found = yield
    kube = getattr(item, "funcargs", {}).get("kube")
    if found.failed and kube is not None:
        found.sections.append(("what the cluster says", kube.story()))
    return found


@pytest.fixture(autouse=True)
def _timed(request: pytest.FixtureRequest, report: Report) -> Iterator[None]:
    """Each test's seconds."""
    began = time.monotonic()
    yield
    report.figures["seconds"][request.node.name] = round(time.monotonic() - began, 1)
    report.add()
