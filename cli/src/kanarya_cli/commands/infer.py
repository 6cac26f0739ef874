"""`kanarya infer`: ask the model behind the endpoint, without writing a V2 document by hand."""

import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from kanarya_cli.local import stack
from kanarya_cli.options import DEFAULT_STATE, Format, Output, State, emit
from kanarya_cli.v2 import Answer, Client, Input, Value, typed_rows
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem, problem


def infer(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    row: Annotated[
        list[str] | None,
        typer.Option("--row", "-r", help="Values in the model's order, such as 5.1,3.5,1.4,0.2 or name=value,…; repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="CSV with a header; columns the model does not want are left out.")
    ] = None,
    url: Annotated[str | None, typer.Option(envvar="KANARYA_URL", help="The gateway. Default: local mode's.")] = None,
    host: Annotated[str | None, typer.Option(help="Host header, where the gateway routes by name.")] = None,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Predict rows through the gateway and say which version answered."""
    if bool(row) == bool(file):
        raise KanaryaError("give rows with --row 5.1,3.5,1.4,0.2 (repeatable) or --file rows.csv, one of the two")
    from_file = _from_file(file) if file else []
    client = Client(url or stack.addresses(state).gateway, model, host=host)
    inputs = client.inputs()
    texts = from_file or [_from_text(one, inputs) for one in row or []]
    rows = typed_rows(inputs, texts)
    answer = client.infer(inputs, rows)
    emit(output, lambda: _data(model, answer), lambda: _table(inputs, texts, answer))


def _from_text(text: str, inputs: tuple[Input, ...]) -> dict[str, str]:
    values = next(csv.reader([text]), [])
    if values and all("=" in value for value in values):
        return dict(value.split("=", 1) for value in values)
    if len(values) != len(inputs):
        wanted = ", ".join(one.name for one in inputs)
        msg = f"--row {text}: got {len(values)} values, the model wants {len(inputs)}: {wanted}"
        raise KanaryaError(msg)
    return {one.name: value for one, value in zip(inputs, values, strict=True)}


def _from_file(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            header, rows = next(lines, []), [(lines.line_num, row) for row in lines if row]
    except OSError as error:
        raise InvalidInput(str(path), [problem(f"cannot be read: {error.strerror}")]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(str(path), [problem(f"is no CSV in UTF-8: {error}")]) from None
    if not rows:
        raise InvalidInput(str(path), [problem("has no rows; expected a header and at least one row")])
    wrong = [(line, len(row)) for line, row in rows if len(row) != len(header)]
    if wrong:
        expected = f"expected {len(header)} as the header has"
        raise InvalidInput(
            str(path), [Problem(path=(), message=f"has {n} values, {expected}", line=at) for at, n in wrong[:20]]
        )
    return [dict(zip(header, row, strict=True)) for _, row in rows]


def _data(model: str, answer: Answer) -> object:
    said = {name: one.data if one.width == 1 else one.rows for name, one in answer.outputs.items()}
    return {"model": model, "version": answer.version, "outputs": said}


def _table(inputs: tuple[Input, ...], rows: list[dict[str, str]], answer: Answer) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", caption=f"answered by version {answer.version}"
    )
    table.caption_justify = "left"
    for one in inputs:
        table.add_column(one.name, justify="right")
    for name in answer.outputs:
        table.add_column(name, justify="right", style="bold")
    for index, row in enumerate(rows):
        said = (" ".join(map(_shown, one.rows[index])) for one in answer.outputs.values())
        table.add_row(*(row[one.name] for one in inputs), *said)
    return table


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
