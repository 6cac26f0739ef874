"""The dashboards' pages: what is looked at together. `grafana` makes their JSON."""

from collections.abc import Callable
from typing import Any

import grafana
from grafana import Dashboard, Panel, Query, Variable, panel


def files() -> dict[str, Callable[[], str]]:
    """What is made."""
    return {f"helm/monitoring/files/dashboards/{one.name}.json": lambda page=one: grafana.text(page) for one in DASHBOARDS}


_NAMESPACE = Variable(name="namespace", values="label_values(kanarya_model_info, namespace)")
_MODEL = Variable(name="model", values='label_values(kanarya_model_info{namespace=~"$namespace"}, model)')
_ROLLOUTS = Variable(name="namespace", values="label_values(kanarya_rollout_step, namespace)")
_ROLLOUT = Variable(name="rollout", values='label_values(kanarya_rollout_step{namespace=~"$namespace"}, rollout)')

_OF_MODEL = 'namespace=~"$namespace", model=~"$model"'
_OF_ROLLOUT = 'namespace=~"$namespace", rollout=~"$rollout"'
_PER_VERSION = "namespace_model_version:kanarya_model_"
_A_VERSION = "{{model}} v{{version}}"


def _by(label: str, counter: str, **what: Any) -> Panel:
    """A counter's rate, for each version and value of a label."""
    rate = f"sum by (model, version, {label}) (rate({counter}{{{_OF_MODEL}}}[$__rate_interval]))"
    return panel(expr=rate, legend=f"{_A_VERSION} {{{{{label}}}}}", **what)


def _taken(selector: str, who: str) -> tuple[Panel, Panel]:
    """What processes take of their machines."""
    rate = f"rate(process_cpu_seconds_total{{{selector}}}[$__rate_interval])"
    return (
        panel(
            title="Memory",
            says=f"Resident, of each {who}.",
            expr=f"process_resident_memory_bytes{{{selector}}}",
            legend="{{pod}}",
            unit="bytes",
        ),
        panel(title="Processor", says=f"Cores, of each {who}.", expr=rate, legend="{{pod}}"),
    )


_EVIDENCE = (
    panel(
        title="Requests per second",
        says="What each version is sent.",
        expr=f"{_PER_VERSION}requests:rate5m{{{_OF_MODEL}}}",
        legend=_A_VERSION,
        unit="reqps",
        stacked=True,
    ),
    panel(
        title="Errors",
        says="Share of answers with 5xx: the model's or the server's fault, never the client's.",
        expr=f"{_PER_VERSION}errors:ratio_rate5m{{{_OF_MODEL}}}",
        legend=_A_VERSION,
        unit="percentunit",
    ),
    panel(
        title="p95 of durations",
        says="Interpolated between the histogram's bounds; the gates count slow answers instead.",
        expr=f"{_PER_VERSION}request_duration_seconds:p95_5m{{{_OF_MODEL}}}",
        legend=_A_VERSION,
        unit="s",
    ),
    panel(
        title="Labels that were right",
        says="Share of the labels that came back within an hour, by the version that made the prediction.",
        expr=f"{_PER_VERSION}labels_right:ratio_rate1h{{{_OF_MODEL}}}",
        legend=_A_VERSION,
        unit="percentunit",
        maximum=1,
    ),
)

DASHBOARDS = (
    Dashboard(
        name="rollout",
        title="Rollout",
        variables=(_ROLLOUTS, _ROLLOUT, _MODEL),
        panels=(
            panel(
                title="Weight",
                says="Percent of requests that each version is to get.",
                expr=f"kanarya_rollout_weight{{{_OF_ROLLOUT}}}",
                legend="{{rollout}} v{{version}} ({{role}})",
                unit="percent",
                stacked=True,
                maximum=100,
            ),
            panel(
                title="Conditions",
                says="1 while a condition is True; `kubectl describe mro` says why.",
                expr=f"max by (rollout, type) (kanarya_rollout_condition{{{_OF_ROLLOUT}}})",
                legend="{{rollout}} {{type}}",
                kind="state-timeline",
            ),
            panel(
                title="Step",
                says="Index of the present step, from 0; below 0 without a candidate.",
                expr=f"max by (rollout) (kanarya_rollout_step{{{_OF_ROLLOUT}}})",
                legend="{{rollout}}",
            ),
            *_EVIDENCE,
            panel(
                title="What people were told",
                says="Events an hour, by reason.",
                expr=f"sum by (rollout, reason) (increase(kanarya_rollout_events_total{{{_OF_ROLLOUT}}}[1h]))",
                legend="{{rollout}} {{reason}}",
            ),
        ),
    ),
    Dashboard(
        name="serving",
        title="Serving per version",
        variables=(_NAMESPACE, _MODEL),
        panels=(
            *_EVIDENCE,
            _by(
                "code",
                "kanarya_model_requests_total",
                title="Answers by status",
                says="4xx are clients' mistakes.",
                unit="reqps",
            ),
            _by(
                "edge",
                "kanarya_model_requests_total",
                title="Answers by door",
                says="REST of V2 and V1, and gRPC: by which of them clients come.",
                unit="reqps",
                stacked=True,
            ),
            Panel(
                title="Quantiles of durations",
                says="Half, and all but one in a hundred, are answered within this.",
                queries=[
                    Query(
                        expr=f"histogram_quantile({q}, sum by (model, version, le) "
                        f"(rate(kanarya_model_request_duration_seconds_bucket{{{_OF_MODEL}}}[$__rate_interval])))",
                        legend=f"{_A_VERSION} p{round(q * 100)}",
                    )
                    for q in (0.5, 0.99)
                ],
                unit="s",
            ),
            panel(
                title="In flight",
                says="Read and not yet answered.",
                expr=f"sum by (model, version) (kanarya_model_requests_in_flight{{{_OF_MODEL}}})",
                legend=_A_VERSION,
            ),
            _by(
                "reason",
                "kanarya_model_rejected_total",
                title="Rejected requests",
                says="By what was wrong with them.",
                unit="reqps",
            ),
            _by(
                "class",
                "kanarya_model_predictions_total",
                title="Predictions by class",
                says="Rows answered with each class. A shift between versions is worth a look.",
                stacked=True,
            ),
            *_taken('job="kanarya-model", namespace=~"$namespace"', "server"),
            panel(
                title="What serves",
                says="Servers of each version and format.",
                expr=f"count by (model, version, format) (kanarya_model_info{{{_OF_MODEL}}})",
                legend=f"{_A_VERSION} {{{{format}}}}",
                kind="stat",
            ),
        ),
    ),
    Dashboard(
        name="training",
        title="Training and registry",
        variables=(Variable(name="namespace", values='label_values(kube_job_info{job_name=~".*training-job.*"}, namespace)'),),
        panels=(
            Panel(
                title="Trainings",
                says="Jobs that are there, by how they ended. From kube-state-metrics.",
                queries=[
                    Query(
                        expr=f'sum(kube_job_{end}{{namespace=~"$namespace", job_name=~".*training-job.*", condition="true"}})',
                        legend=end,
                    )
                    for end in ("complete", "failed")
                ],
                kind="stat",
            ),
            panel(
                title="How long they took",
                says="From start to end of those that ended well.",
                expr='kube_job_status_completion_time{namespace=~"$namespace", job_name=~".*training-job.*"} '
                '- kube_job_status_start_time{namespace=~"$namespace", job_name=~".*training-job.*"}',
                legend="{{job_name}}",
                unit="s",
            ),
            panel(
                title="Registry",
                says="1 while MLflow answers Prometheus.",
                expr='up{job="kanarya-mlflow"}',
                legend="{{pod}}",
                kind="state-timeline",
            ),
            panel(
                title="Requests to MLflow",
                says="By status.",
                expr='sum by (status) (rate(mlflow_http_request_total{job="kanarya-mlflow"}[$__rate_interval]))',
                legend="{{status}}",
                unit="reqps",
                width=12,
            ),
            panel(
                title="Versions that serve",
                says="As the servers themselves say.",
                expr='count by (namespace, model, version) (kanarya_model_info{namespace=~"$namespace"})',
                legend=_A_VERSION,
                width=12,
            ),
        ),
    ),
    Dashboard(
        name="controller",
        title="Controller",
        variables=(),
        panels=(
            panel(
                title="Who decides",
                says="1 on the process that leads; never two.",
                expr="kanarya_rollout_leader",
                legend="{{pod}}",
                kind="state-timeline",
            ),
            panel(
                title="Passes per second",
                says="Looks at a rollout: often while one is under way, else every pollInterval.",
                expr="sum by (namespace, rollout) (rate(kanarya_rollout_passes_total[$__rate_interval]))",
                legend="{{namespace}}/{{rollout}}",
                unit="ops",
            ),
            panel(
                title="Writes per second",
                says="Passes that changed a status.",
                expr="sum by (namespace, rollout) (rate(kanarya_rollout_writes_total[$__rate_interval]))",
                legend="{{namespace}}/{{rollout}}",
                unit="ops",
            ),
            panel(
                title="Rollouts by condition",
                says="How many are in each.",
                expr="sum by (type) (max by (namespace, rollout, type) (kanarya_rollout_condition))",
                legend="{{type}}",
            ),
            *_taken('job="kanarya-rollout"', "process"),
        ),
    ),
)
