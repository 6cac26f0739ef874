"""Grafana's JSON from plain values: a panel is a title, queries and a unit; place, ids, Grafana's own words follow.

A dashboard has a variable for its datasource and one for each label that it is about, so it fits any Grafana and any namespace.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import documents

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT, _GRID = 8, 24


@dataclass(frozen=True, kw_only=True)
class Query:
    """A PromQL expression, and what its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    says: str
    """What to see in it."""
    queries: Sequence[Query]
    unit: str = "short"
    """As Grafana calls it."""
    kind: Literal["timeseries", "stat", "state-timeline"] = "timeseries"
    width: int = 8
    """Of the 24 columns."""
    stacked: bool = False
    maximum: float | None = None


def panel(*, expr: str, legend: str, **what: Any) -> Panel:
    """A picture of one query."""
    return Panel(queries=[Query(expr=expr, legend=legend)], **what)


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice that a person makes above the panels."""

    name: str
    values: str
    """A query for them, such as `label_values(up, job)`."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page."""

    name: str
    title: str
    variables: Sequence[Variable]
    panels: Sequence[Panel]


def text(dashboard: Dashboard) -> str:
    """The dashboard as Grafana imports it."""
    document = {
        "$comment": documents.GENERATED,
        "uid": f"kanarya-{dashboard.name}",
        "title": f"Kanarya / {dashboard.title}",
        "tags": ["kanarya"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "links": [{"type": "dashboards", "tags": ["kanarya"], "title": "Kanarya", "asDropdown": True, "includeVars": True}],
        "annotations": {"list": []},
        "panels": _placed(dashboard.panels),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": variable.values, "refId": variable.name},
        "definition": variable.values,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """From left to right, a new row where one is full."""
    made, x, y = [], 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _GRID:
            x, y = 0, y + _HEIGHT
        made.append(_panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": _HEIGHT}))
        x += panel.width
    return made


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 20, "stacking": {"mode": "normal" if panel.stacked else "none"}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"tooltip": {"mode": "multi"}} if panel.kind == "timeseries" else {},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend}
            for index, query in enumerate(panel.queries)
        ],
    }
