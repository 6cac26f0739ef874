"""Dashboards as Grafana would import them: Grafana's own server cannot be had here, so their JSON is held to what it needs."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from kanarya_contracts import metrics
from kanarya_rollout.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = sorted(ROOT.glob("helm/monitoring/files/dashboards/*.json"))
FILLED = {"$__rate_interval": "5m", "$namespace": "shop", "$model": "iris", "$rollout": "iris"}

OTHERS = {
    "up",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "mlflow_http_request_total",
    "kube_job_info",
    "kube_job_complete",
    "kube_job_failed",
    "kube_job_status_start_time",
    "kube_job_status_completion_time",
}
"""Metrics that are not ours: of Prometheus, its client library, MLflow and kube-state-metrics."""


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every query with its variables filled in."""
    for panel in dashboard["panels"]:
        yield from filled(panel, FILLED)


def filled(panel: dict[str, Any], variables: Mapping[str, str]) -> Iterator[str]:
    """A panel's queries as Grafana would send them. `tests/e2e` sends them to a real Prometheus."""
    for target in panel["targets"]:
        text = target["expr"]
        for name, value in variables.items():
            text = text.replace(name, value)
        yield text


def rules() -> list[dict[str, Any]]:
    files = ROOT.glob("helm/monitoring/files/rules/*.yaml")
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def exposed() -> set[str]:
    """Every series' name that our processes expose, and every one that is recorded."""
    ours = {value for value in vars(metrics).values() if isinstance(value, str) and value.startswith("kanarya_model_")}
    buckets = {f"{metrics.DURATION}{end}" for end in ("_bucket", "_sum", "_count")}
    families = list(Telemetry().registry.collect())
    controller = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    return ours | buckets | controller | {rule["record"] for rule in rules() if "record" in rule} | OTHERS


def named(expression: str) -> set[str]:
    """Names of series in an expression: a word that no `(`, `=` or quote follows, outside of label lists and ranges."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", re.sub(r'"[^"]*"', "", expression))
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    words = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\w*\s*\()", bare))
    return {word for word in words if word not in {"or", "and", "unless", "offset", "bool", "by"} and len(word) > 1}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_is_promql(promtool: str, path: Path, tmp_path: Path) -> None:
    made = [{"record": f"panel:query{index}", "expr": text} for index, text in enumerate(expressions(load(path)))]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}), encoding="utf-8")
    run = subprocess.run([promtool, "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_names_what_is_exposed_or_recorded(path: Path) -> None:
    texts = list(expressions(load(path)))
    assert texts
    assert {name for text in texts for name in named(text)} <= exposed()
    assert not any("$" in text for text in texts)


def test_every_rule_names_what_is_exposed_or_recorded() -> None:
    assert {name for rule in rules() for name in named(rule["expr"])} <= exposed()


def test_names_are_told_from_functions_labels_and_words() -> None:
    text = 'sum by (a, b) (rate(one_total{c=~"d"}[5m])) / ignoring (e) group_left () two unless max(three offset 1h) > 0.5'
    assert named(text) == {"one_total", "two", "three"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_and_do_not_overlap(path: Path) -> None:
    panels = load(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_datasource_is_the_readers_choice(path: Path) -> None:
    dashboard = load(path)
    variables = [one["name"] for one in dashboard["templating"]["list"]]
    assert variables[0] == "datasource"
    sources = [panel["datasource"] for panel in dashboard["panels"]]
    sources += [target["datasource"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    used = set(re.findall(r"\$(\w+)", json.dumps(dashboard["panels"]))) - {"datasource"}
    assert used <= {*variables, "__rate_interval"}


def test_dashboards_have_names_of_their_own() -> None:
    pages = [load(path) for path in DASHBOARDS]
    assert len({page["uid"] for page in pages}) == len(pages) == 4
    assert len({page["title"] for page in pages}) == 4
