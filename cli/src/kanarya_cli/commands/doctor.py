"""`kanarya doctor`: look at a cluster and say what is wrong with it and what to do. The checks are in `kanarya_cli.doctor`."""

import typer

from kanarya_cli.options import Context, Format, Kubeconfig, Namespace, Output, emit
from kanarya_contracts.problems import KanaryaError


def doctor(
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: Output = Format.TEXT,
) -> None:
    """Check a cluster, what is installed on it and its rollouts; say what is wrong and what to do. Changes nothing.

    Looks at the rollouts of every namespace, or of that of -n. Exit status 1 if something is wrong.
    """
    from kanarya_cli import cluster  # noqa: PLC0415 (the Kubernetes client takes half a second to import)
    from kanarya_cli.doctor import examination, reading, report  # noqa: PLC0415
    from kanarya_rollout.ports import Unreachable  # noqa: PLC0415

    asked = cluster.connect(namespace=namespace, context=context, kubeconfig=kubeconfig)
    try:
        seen = reading.look(asked, namespace=namespace)
    except Unreachable as error:
        raise KanaryaError(f"{error}\n{cluster.advice(error, asked)}") from None
    findings = tuple(dict.fromkeys(examination.findings(seen)))
    emit(output, lambda: report.data(findings), lambda: report.table(findings))
    if any(one.state == "wrong" for one in findings):
        raise typer.Exit(1)
