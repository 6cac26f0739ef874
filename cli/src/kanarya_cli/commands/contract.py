"""`kanarya contract`: an artifact of a model that was made elsewhere, so that it is served and rolled out as one of ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kanarya_cli.options import Format, Output, emit
from kanarya_contracts.artifact import Task
from kanarya_contracts.problems import KanaryaError

if TYPE_CHECKING:
    from kanarya_model.foreign import Written


def contract(
    file: Annotated[
        Path, typer.Argument(help="The model: .onnx, .skops, LightGBM's .txt, XGBoost's .json or .ubj.", metavar="MODEL")
    ],
    rows: Annotated[
        Path, typer.Option("--rows", "-r", help="CSV with a header: rows like those it was trained on, a thousand or so.")
    ],
    into: Annotated[Path, typer.Option("--into", help="The artifact's directory, which is made.")],
    name: Annotated[str, typer.Option(help="The registered model's name.")],
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="What is predicted, with its classes where the file does not tell: species=setosa,versicolor; repeatable. "
            "A column of that name in the rows is the truth."
        ),
    ] = None,
    task: Annotated[Task | None, typer.Option(help="What the model does, where its file leaves that open.")] = None,
    error_bound: Annotated[
        list[str] | None,
        typer.Option(help="Of a regression: price=50, the error that counts as much as any larger one; repeatable."),
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="The artifact it will be compared with, whose bins and bounds it takes over.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Write a contract for a model from elsewhere: an artifact that the server has loaded and asked its own example."""
    try:
        from kanarya_model import foreign  # noqa: PLC0415 (a server that the other commands do without)
    except ModuleNotFoundError as error:
        msg = f"the model server is not installed here ({error.name} is missing). Install it: pip install 'kanarya-cli[local]'"
        raise KanaryaError(msg) from None
    order = foreign.Order(
        file=file,
        rows=rows,
        model=name,
        targets=_targets(target or []),
        task=task,
        error_bounds=_bounds(error_bound or []),
        like=like,
    )
    written = foreign.write(order, into)
    emit(output, lambda: _data(written), lambda: _summary(written))


def _targets(given: list[str]) -> dict[str, tuple[str, ...] | None]:
    pairs = [text.partition("=") for text in given]
    return {name: tuple(classes.split(",")) if equals else None for name, equals, classes in pairs}


def _bounds(given: list[str]) -> dict[str, float]:
    bounds = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            bounds[name] = float(number)
        except ValueError:
            msg = f"--error-bound: got {text!r}, expected TARGET=NUMBER, such as price=50"
            raise KanaryaError(msg) from None
    return bounds


def _data(written: "Written") -> object:
    made = written.contract
    return {
        "directory": str(written.directory),
        "digest": written.digest,
        "task": made.task,
        "inputs": [column.name for column in made.inputs],
        "outputs": [tensor.name for tensor in made.outputs],
        "metrics": {name: metric.value for name, metric in made.metrics.items()},
    }


def _summary(written: "Written") -> str:
    made = written.contract
    figures = "  ".join(f"{name} {metric.value:.3f}" for name, metric in made.metrics.items())
    inputs, outputs = (", ".join(one.name for one in names) for names in (made.inputs, made.outputs))
    lines = [
        f"{written.directory}: {made.task} as {made.runtime.format}, {written.digest[:19]}…",
        f"takes {inputs}",
        f"answers {outputs}",
        figures,
        f"Serve it: kanarya-model serve {written.directory}",
    ]
    return "\n".join(filter(None, lines))
