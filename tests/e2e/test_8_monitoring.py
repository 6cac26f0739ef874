"""What Prometheus has scraped of the real pods: every target is up, every rule is evaluated, every panel has data."""

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e_kube import GATEWAY, eventually

ROOT = Path(__file__).parents[2]

NOT_HERE = ("kube_job_",)
"""Of kube-state-metrics, which cannot be had on this machine: the panels on trainings are checked by promtool alone."""


@pytest.fixture
def prometheus(kube: Any) -> Any:
    kube.run("wait", "prometheus/monitoring", "--for=condition=Available", "--timeout=120s", namespace="monitoring")
    with (
        kube.reach("prometheus-operated", 9090, namespace="monitoring") as address,
        httpx.Client(base_url=address, timeout=20) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def dashboards() -> Any:
    """The module that knows how Grafana fills a query."""
    spec = importlib.util.spec_from_file_location("e2e_dashboards", ROOT / "tests/rules/test_dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_process_of_ours_is_scraped(kube: Any, prometheus: Any, calm: str) -> None:
    def up() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for one in query(prometheus, 'up{job=~"kanarya-.*"}'):
            found.setdefault(one["metric"]["job"], set()).add(one["value"][1])
        return found

    wanted = {job: {"1"} for job in ("kanarya-model", "kanarya-rollout", "kanarya-mlflow")}
    eventually(lambda: up() == wanted, "every target is up", seconds=60)


def test_every_rule_is_evaluated_without_an_error(prometheus: Any) -> None:
    groups = prometheus.get("/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"] if group["name"].startswith("kanarya")]

    assert {rule["health"] for rule in rules} == {"ok"}, [rule for rule in rules if rule["health"] != "ok"]
    assert {"RolloutDegraded", "ErrorBudgetBurn", "ControllerLeaderless"} <= {rule["name"] for rule in rules}


def test_every_panel_shows_data_of_the_real_pods(
    kube: Any, prometheus: Any, traffic: Any, dashboards: Any, report: Any, calm: str
) -> None:
    host = {"Host": "iris.example.com"}
    assert httpx.post(f"{GATEWAY}/v2/models/iris/infer", json={"inputs": []}, headers=host, timeout=10).status_code == 400
    kube.ask("iris", "promote")  # refused, nothing is on its way; what Prometheus knew of people may have left with its node
    filled = {"$__rate_interval": "1m", "$namespace": kube.namespace, "$model": "iris", "$rollout": "iris"}
    expressions = {
        (path.stem, panel["title"], expression)
        for path in dashboards.DASHBOARDS
        for panel in dashboards.load(path)["panels"]
        for expression in dashboards.filled(panel, filled)
    }
    asked = [one for one in sorted(expressions) if not any(name in one[2] for name in NOT_HERE)]

    def empty() -> list[tuple[str, str, str]]:
        return [one for one in asked if not query(prometheus, one[2])]

    end = time.monotonic() + 60
    while (without := empty()) and time.monotonic() < end:
        time.sleep(2)

    report.add(
        panels={
            "queries": len(asked),
            "without data": len(without),
            "not asked (kube-state-metrics)": len(expressions) - len(asked),
        }
    )
    assert without == []


def query(prometheus: Any, expression: str) -> Any:
    """An instant query's result."""
    answer = prometheus.get("/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    return answer["data"]["result"]
