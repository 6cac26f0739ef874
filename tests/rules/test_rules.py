"""Rules and their cases hold together: promtool runs each case, every alert has one of either kind, and a runbook."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted(ROOT.glob("helm/monitoring/files/rules/*.yaml"))
CASES = sorted(ROOT.glob("tests/rules/*.yaml"))
RUNBOOKS = ROOT / "helm/monitoring/RUNBOOKS.md"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alerts() -> dict[str, dict[str, Any]]:
    rules = (rule for path in RULES for group in load(path)["groups"] for rule in group["rules"])
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


def expectations(name: str) -> Iterator[bool]:
    """For each case about an alert, whether it is to fire."""
    for path in CASES:
        for case in load(path)["tests"]:
            for check in case.get("alert_rule_test", []):
                if check["alertname"] == name:
                    yield bool(check["exp_alerts"])


@pytest.mark.parametrize("name", alerts())
def test_every_alert_has_a_case_where_it_fires_and_one_where_it_stays_quiet(name: str) -> None:
    assert set(expectations(name)) == {True, False}


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_what_is_wrong_how_bad_it_is_and_what_to_do(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
    assert alert["annotations"]["runbook_url"].endswith(f"/runbooks.md#{name.lower()}")
    headings = re.findall(r"^## (.*)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert name in headings


def test_no_runbook_is_about_an_alert_that_there_is_not() -> None:
    assert set(re.findall(r"^## (.*)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)) == set(alerts())


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_promtool_agrees_with_every_case(promtool: str, path: Path) -> None:
    run = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
