"""`kanarya register`: an artifact that `kanarya contract` wrote becomes a version, and so may start a rollout."""

from pathlib import Path
from typing import Annotated

import typer

from kanarya_cli.local import stack
from kanarya_cli.options import DEFAULT_STATE, Format, Output, State, emit
from kanarya_contracts.problems import KanaryaError


def register(
    directory: Annotated[Path, typer.Argument(help="The artifact.")],
    alias: Annotated[
        str | None, typer.Option(help="Alias to set on the version: champion for the first, challenger to start a rollout.")
    ] = None,
    registry: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow's address. Default: local mode's.")
    ] = None,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Register an artifact that was made elsewhere. Nothing compares it offline: the rollout's gates are what judges it."""
    try:
        import kanarya_training_job as job  # noqa: PLC0415 (half a gigabyte that the other commands do without)
    except ModuleNotFoundError as error:
        msg = f"registering is not installed here ({error.name} is missing). Install it: pip install 'kanarya-cli[local]'"
        raise KanaryaError(msg) from None
    made = job.adopt(directory, registry_uri=registry or stack.addresses(state).registry, alias=alias)
    emit(
        output,
        lambda: {"model": made.model, "version": made.version, "digest": made.digest, "alias": made.alias},
        lambda: f"{made.model} version {made.version} registered{f', alias {made.alias}' if made.alias else ', no alias set'}",
    )
