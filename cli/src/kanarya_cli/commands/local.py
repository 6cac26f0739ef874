"""`kanarya local …`: bring local mode up and down, see what runs, read logs. What it does is in `kanarya_cli.local`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from kanarya_cli.local import stack
from kanarya_cli.options import DEFAULT_STATE, Format, Output, State, emit
from kanarya_contracts.problems import KanaryaError

app = typer.Typer(help="Run the same manifests as processes on this machine.", no_args_is_help=True)


@app.command()
def up(
    file: Annotated[list[Path], typer.Option("--file", "-f", help="A manifest, or a directory of them; repeatable.")],
    gateway_port: Annotated[int, typer.Option(help="Envoy: where clients send requests; 0 takes any free one.")] = 8080,
    registry_port: Annotated[int, typer.Option(help="MLflow; 0 takes any free one.")] = 5000,
    admin_port: Annotated[int, typer.Option(help="Envoy's admin; 0 takes any free one.")] = 9901,
    registry: Annotated[str | None, typer.Option(help="An MLflow server that runs already, instead of one of ours.")] = None,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Start MLflow, Envoy and the controller, and apply manifests. What runs already is left running."""
    ports = stack.Ports(gateway=gateway_port, registry=registry_port, admin=admin_port)
    at = stack.up(state, file, ports=ports, registry=registry, report=lambda line: typer.echo(line, err=True))
    emit(
        output,
        lambda: {"gateway": at.gateway, "registry": at.registry, "admin": at.admin},
        lambda: (
            f"gateway  {at.gateway}\nMLflow   {at.registry}\nadmin    {at.admin}\n\n"
            "Next: kanarya train examples/iris-baseline.yaml"
        ),
    )


@app.command()
def down(state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Stop everything local mode started. What it wrote stays."""
    stopped = stack.down(state, report=lambda line: typer.echo(line, err=True))
    emit(
        output, lambda: {"stopped": stopped}, lambda: f"{len(stopped)} processes stopped" if stopped else "nothing was running"
    )


@app.command()
def status(state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Show what runs and where; exit status 1 if something that should run does not."""
    found = stack.status(state)
    emit(output, lambda: _data(found), lambda: _table(found))
    if found.addresses is None or not all(process.running for process in found.processes):
        raise typer.Exit(1)


def _data(found: stack.Status) -> object:
    at = found.addresses
    return {
        "state": str(found.state),
        "addresses": {"gateway": at.gateway, "registry": at.registry, "admin": at.admin} if at else None,
        "processes": [
            {
                "name": process.name,
                "running": process.running,
                "pid": process.pid,
                "since": process.since.isoformat() if process.since else None,
                "log": str(process.log),
            }
            for process in found.processes
        ],
    }


def _table(found: stack.Status) -> Table | str:
    if found.addresses is None and not found.processes:
        return "local mode is down. Start it: kanarya local up -f manifests/iris"
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("NAME", "STATE", "PID", "SINCE"):
        table.add_column(name, no_wrap=True)
    table.add_column("ADDRESS", overflow="fold")
    at = found.addresses
    where = {stack.MLFLOW: at.registry, stack.ENVOY: f"{at.gateway}  (admin {at.admin})"} if at else {}
    for process in found.processes:
        table.add_row(
            process.name,
            Text("running", style="green") if process.running else Text("ended", style="red"),
            str(process.pid or "-"),
            process.since.astimezone().strftime("%H:%M:%S") if process.since else "-",
            where.get(process.name, ""),
        )
    return table


def _log_names(line: typer.Context, incomplete: str) -> list[str]:
    return [name for name in stack.logs(Path(line.params.get("state") or DEFAULT_STATE)) if name.startswith(incomplete)]


@app.command()
def logs(
    name: Annotated[
        str | None, typer.Argument(help="Whose log; without it, which there are.", autocompletion=_log_names)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is written, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Print the last lines of a process's log."""
    there = stack.logs(state)
    if name is None:
        emit(
            output, lambda: {one: str(path) for one, path in there.items()}, lambda: "\n".join(there) or "there are no logs yet"
        )
        return
    if name not in there:
        msg = f"there is no log of {name!r}; there are: {', '.join(there) or 'none'}"
        raise KanaryaError(msg)
    with there[name].open(encoding="utf-8", errors="replace") as file:
        last = file.read().splitlines()[-lines:] if lines else []
        emit(output, lambda: {"name": name, "lines": last}, lambda: Text("\n".join(last)))
        while follow:
            typer.echo(file.read(), nl=False)
            time.sleep(0.25)
