"""`kanarya train`: the training job on this machine, as its image runs it in the cluster, with progress."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from kanarya_cli.local import stack
from kanarya_cli.options import DEFAULT_STATE, Format, Output, State, console, emit
from kanarya_contracts.problems import KanaryaError

if TYPE_CHECKING:
    import kanarya_training_job as job


def train(
    config: Annotated[Path, typer.Argument(help="The training configuration, such as examples/iris.yaml.")],
    registry: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow's address. Default: local mode's.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Alias to set on the version; by default what the configuration says.")
    ] = None,
    override: Annotated[
        str | None,
        typer.Option("--override-comparison", metavar="REASON", help="Register even if the champion is better; recorded."),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train even if data, code and configuration are unchanged.")
    ] = False,
    work_dir: Annotated[Path, typer.Option(help="Where artifacts are built before they are registered.")] = Path(
        ".kanarya/training"
    ),
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Train, compare with the champion, register, and set the alias that starts a rollout."""
    try:
        import kanarya_training_job as job  # noqa: PLC0415 (half a gigabyte that the other commands do without)
    except ModuleNotFoundError as error:
        msg = f"training is not installed here ({error.name} is missing). Install it: pip install 'kanarya-cli[local]'"
        raise KanaryaError(msg) from None
    from kanarya_cli.training_progress import TrainingProgress  # noqa: PLC0415 (imports the job)

    settings = job.load_settings(config)
    with Live(console=console(stderr=True, quiet=output is Format.JSON), transient=True) as live:
        progress = TrainingProgress(say=live.console.print, show=live.update)
        try:
            outcome = job.train(
                settings,
                registry_uri=registry or stack.addresses(state).registry,
                work_dir=work_dir,
                alias=alias,
                override=job.Override(reason=override, by=getpass.getuser()) if override else None,
                retrain=retrain,
                report=progress.report,
            )
        except job.ComparisonRefused as refused:
            typer.echo(f"kanarya: {refused} To insist: --override-comparison REASON", err=True)
            raise typer.Exit(1) from None
    emit(
        output,
        lambda: {
            "model": outcome.model,
            "version": outcome.version,
            "digest": outcome.digest,
            "alias": outcome.alias,
            "trained": outcome.trained,
            "metrics": dict(outcome.metrics),
        },
        lambda: _summary(outcome),
    )


def _summary(outcome: "job.Outcome") -> str:
    made = "registered" if outcome.trained else "was there already: data, code and configuration are unchanged;"
    alias = f", alias {outcome.alias}" if outcome.alias else ", no alias set"
    figures = "  ".join(f"{name} {value:.3f}" for name, value in sorted(outcome.metrics.items()))
    return f"{outcome.model} version {outcome.version} {made}{alias}\n{figures}"
