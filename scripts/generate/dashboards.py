"""The dashboards' pages: what is looked at together. `grafana` makes their JSON."""

from collections.abc import Callable

import grafana
from grafana import Dashboard, Panel, Query, Variable


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


def _rates(counter: str, label: str) -> str:
    """A counter's rate, for each version and value of a label."""
    return f"sum by (model, version, {label}) (rate({counter}{{{_OF_MODEL}}}[$__rate_interval]))"


_EVIDENCE = (
    Panel(
        title="Requests per second",
        says="What each version is sent.",
        queries=[Query(expr=f"{_PER_VERSION}requests:rate5m{{{_OF_MODEL}}}", legend=_A_VERSION)],
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="Errors",
        says="Share of answers with 5xx: the model's or the server's fault, never the client's.",
        queries=[Query(expr=f"{_PER_VERSION}errors:ratio_rate5m{{{_OF_MODEL}}}", legend=_A_VERSION)],
        unit="percentunit",
    ),
    Panel(
        title="p95 of durations",
        says="Interpolated between the histogram's bounds; the gates count slow answers instead.",
        queries=[Query(expr=f"{_PER_VERSION}request_duration_seconds:p95_5m{{{_OF_MODEL}}}", legend=_A_VERSION)],
        unit="s",
    ),
    Panel(
        title="Labels that were right",
        says="Share of the labels that came back within an hour, by the version that made the prediction.",
        queries=[Query(expr=f"{_PER_VERSION}labels_right:ratio_rate1h{{{_OF_MODEL}}}", legend=_A_VERSION)],
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
            Panel(
                title="Weight",
                says="Percent of requests that each version is to get.",
                queries=[Query(expr=f"kanarya_rollout_weight{{{_OF_ROLLOUT}}}", legend="{{rollout}} v{{version}} ({{role}})")],
                unit="percent",
                stacked=True,
                maximum=100,
            ),
            Panel(
                title="Conditions",
                says="1 while a condition is True; `kubectl describe mro` says why.",
                queries=[
                    Query(
                        expr=f"max by (rollout, type) (kanarya_rollout_condition{{{_OF_ROLLOUT}}})",
                        legend="{{rollout}} {{type}}",
                    )
                ],
                kind="state-timeline",
            ),
            Panel(
                title="Step",
                says="Index of the present step, from 0; below 0 without a candidate.",
                queries=[Query(expr=f"max by (rollout) (kanarya_rollout_step{{{_OF_ROLLOUT}}})", legend="{{rollout}}")],
            ),
            *_EVIDENCE,
            Panel(
                title="What people were told",
                says="Events an hour, by reason.",
                queries=[
                    Query(
                        expr=f"sum by (rollout, reason) (increase(kanarya_rollout_events_total{{{_OF_ROLLOUT}}}[1h]))",
                        legend="{{rollout}} {{reason}}",
                    )
                ],
            ),
        ),
    ),
    Dashboard(
        name="serving",
        title="Serving per version",
        variables=(_NAMESPACE, _MODEL),
        panels=(
            *_EVIDENCE,
            Panel(
                title="Answers by status",
                says="4xx are clients' mistakes.",
                queries=[
                    Query(
                        expr=_rates("kanarya_model_requests_total", "code"),
                        legend=f"{_A_VERSION} {{{{code}}}}",
                    )
                ],
                unit="reqps",
            ),
            Panel(
                title="Answers by door",
                says="REST of V2 and V1, and gRPC: by which of them clients come.",
                queries=[
                    Query(
                        expr=_rates("kanarya_model_requests_total", "edge"),
                        legend=f"{_A_VERSION} {{{{edge}}}}",
                    )
                ],
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
            Panel(
                title="In flight",
                says="Read and not yet answered.",
                queries=[
                    Query(expr=f"sum by (model, version) (kanarya_model_requests_in_flight{{{_OF_MODEL}}})", legend=_A_VERSION)
                ],
            ),
            Panel(
                title="Rejected requests",
                says="By what was wrong with them.",
                queries=[
                    Query(
                        expr=_rates("kanarya_model_rejected_total", "reason"),
                        legend=f"{_A_VERSION} {{{{reason}}}}",
                    )
                ],
                unit="reqps",
            ),
            Panel(
                title="Predictions by class",
                says="Rows answered with each class. A shift between versions is worth a look.",
                queries=[
                    Query(
                        expr=_rates("kanarya_model_predictions_total", "class"),
                        legend=f"{_A_VERSION} {{{{class}}}}",
                    )
                ],
                stacked=True,
            ),
            Panel(
                title="Memory",
                says="Resident, of each server.",
                queries=[
                    Query(expr='process_resident_memory_bytes{job="kanarya-model", namespace=~"$namespace"}', legend="{{pod}}")
                ],
                unit="bytes",
            ),
            Panel(
                title="Processor",
                says="Cores, of each server.",
                queries=[
                    Query(
                        expr='rate(process_cpu_seconds_total{job="kanarya-model", namespace=~"$namespace"}[$__rate_interval])',
                        legend="{{pod}}",
                    )
                ],
            ),
            Panel(
                title="What serves",
                says="Servers of each version and format.",
                queries=[
                    Query(
                        expr=f"count by (model, version, format) (kanarya_model_info{{{_OF_MODEL}}})",
                        legend=f"{_A_VERSION} {{{{format}}}}",
                    )
                ],
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
            Panel(
                title="How long they took",
                says="From start to end of those that ended well.",
                queries=[
                    Query(
                        expr='kube_job_status_completion_time{namespace=~"$namespace", job_name=~".*training-job.*"} '
                        '- kube_job_status_start_time{namespace=~"$namespace", job_name=~".*training-job.*"}',
                        legend="{{job_name}}",
                    )
                ],
                unit="s",
            ),
            Panel(
                title="Registry",
                says="1 while MLflow answers Prometheus.",
                queries=[Query(expr='up{job="kanarya-mlflow"}', legend="{{pod}}")],
                kind="state-timeline",
            ),
            Panel(
                title="Requests to MLflow",
                says="By status.",
                queries=[
                    Query(
                        expr='sum by (status) (rate(mlflow_http_request_total{job="kanarya-mlflow"}[$__rate_interval]))',
                        legend="{{status}}",
                    )
                ],
                unit="reqps",
                width=12,
            ),
            Panel(
                title="Versions that serve",
                says="As the servers themselves say.",
                queries=[
                    Query(
                        expr='count by (namespace, model, version) (kanarya_model_info{namespace=~"$namespace"})',
                        legend=_A_VERSION,
                    )
                ],
                width=12,
            ),
        ),
    ),
    Dashboard(
        name="controller",
        title="Controller",
        variables=(),
        panels=(
            Panel(
                title="Who decides",
                says="1 on the process that leads; never two.",
                queries=[Query(expr="kanarya_rollout_leader", legend="{{pod}}")],
                kind="state-timeline",
            ),
            Panel(
                title="Passes per second",
                says="Looks at a rollout: often while one is under way, else every pollInterval.",
                queries=[
                    Query(
                        expr="sum by (namespace, rollout) (rate(kanarya_rollout_passes_total[$__rate_interval]))",
                        legend="{{namespace}}/{{rollout}}",
                    )
                ],
                unit="ops",
            ),
            Panel(
                title="Writes per second",
                says="Passes that changed a status.",
                queries=[
                    Query(
                        expr="sum by (namespace, rollout) (rate(kanarya_rollout_writes_total[$__rate_interval]))",
                        legend="{{namespace}}/{{rollout}}",
                    )
                ],
                unit="ops",
            ),
            Panel(
                title="Rollouts by condition",
                says="How many are in each.",
                queries=[
                    Query(
                        expr="sum by (type) (max by (namespace, rollout, type) (kanarya_rollout_condition))",
                        legend="{{type}}",
                    )
                ],
            ),
            Panel(
                title="Memory",
                says="Resident, of each process.",
                queries=[Query(expr='process_resident_memory_bytes{job="kanarya-rollout"}', legend="{{pod}}")],
                unit="bytes",
            ),
            Panel(
                title="Processor",
                says="Cores, of each process.",
                queries=[
                    Query(expr='rate(process_cpu_seconds_total{job="kanarya-rollout"}[$__rate_interval])', legend="{{pod}}")
                ],
            ),
        ),
    ),
)
