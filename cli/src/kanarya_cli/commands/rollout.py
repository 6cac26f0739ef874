"""`kanarya rollout …`: look at rollouts and ask things of the controller.

Every verb works on a cluster and in local mode alike; `where` says which of them a command line means. A request is answered
when the controller has recorded its id, and that is what the verbs wait for.
"""

import getpass
import time
import uuid
from typing import Annotated

import typer
from rich.live import Live

from kanarya_cli import explain as explanation
from kanarya_cli import view
from kanarya_cli.options import Format, Output, console, emit
from kanarya_cli.rollouts import Rollouts
from kanarya_cli.where import Where, anywhere
from kanarya_contracts.names import ConditionType, Verb
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout, Request

app = typer.Typer(help="Look at rollouts and steer them.", no_args_is_help=True)

ANSWER_SECONDS = 10.0
"""How long a verb waits for the controller. It looks several times a second; longer means that it does not run."""


def _names(line: typer.Context, incomplete: str) -> list[str]:
    try:
        return [name for name in Where.of(line).rollouts().names() if name.startswith(incomplete)]
    except KanaryaError:
        return []


Name = Annotated[str, typer.Argument(help="The rollout's name.", autocompletion=_names)]


def _as_data(rollout: ModelRollout) -> object:
    return rollout.model_dump(mode="json", by_alias=True, exclude_none=True)


@app.command()
@anywhere
def get(
    where: Where,
    name: Annotated[str | None, typer.Argument(help="One rollout; all of them without it.", autocompletion=_names)] = None,
    output: Output = Format.TEXT,
) -> None:
    """List rollouts, a line each."""
    rollouts = where.rollouts()
    found = [rollouts.get(one) for one in ([name] if name else rollouts.names())]
    emit(
        output,
        lambda: [_as_data(one) for one in found],
        lambda: view.listing(found) if found else f"there are no rollouts in {rollouts.named}",
    )


@app.command()
@anywhere
def status(
    name: Name,
    where: Where,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Draw again whenever something changes, until Ctrl-C.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """Show weights, evidence and conditions of a rollout."""
    rollouts = where.rollouts()
    if not watch:
        one = rollouts.get(name)
        emit(output, lambda: _as_data(one), lambda: view.rollout(one))
        return
    if output is Format.JSON:
        _stream(rollouts, name)
        return
    with Live(view.rollout(rollouts.get(name)), console=console(), auto_refresh=False) as live:
        while True:
            time.sleep(rollouts.every)
            live.update(view.rollout(rollouts.get(name)), refresh=True)


def _stream(rollouts: Rollouts, name: str) -> None:
    last = None
    while True:
        line = rollouts.get(name).model_dump_json(by_alias=True, exclude_none=True)
        if line != last:
            typer.echo(line)
            last = line
        time.sleep(rollouts.every)


@app.command()
@anywhere
def explain(name: Name, where: Where, output: Output = Format.TEXT) -> None:
    """Say why a rollout is where it is, gate by gate, and what would move it."""
    rollouts = where.rollouts()
    lines = explanation.sentences(rollouts.get(name), options=rollouts.options, controller=rollouts.controller)
    emit(output, lambda: {"rollout": name, "sentences": lines}, lambda: "\n".join(lines))


def _ask(name: str, verb: Verb, where: Where, output: Format, *, full: bool = False) -> None:
    rollouts = where.rollouts()
    rollouts.get(name)
    request = Request(id=uuid.uuid4().hex, verb=verb, by=getpass.getuser(), full=full)
    rollouts.request(name, request)
    deadline = time.monotonic() + ANSWER_SECONDS
    while (one := rollouts.get(name)).status.last_request_id != request.id:
        if time.monotonic() > deadline:
            msg = (
                f"{verb} was asked of {name}, but the controller has not answered in {ANSWER_SECONDS:g} s. "
                f"It answers when it runs again; see: {rollouts.controller()}"
            )
            raise KanaryaError(msg)
        time.sleep(0.1)
    if one.status.last_request_refusal is not None:
        raise KanaryaError(one.status.last_request_refusal)
    emit(output, lambda: _as_data(one), lambda: view.rollout(one))


@app.command()
@anywhere
def promote(
    name: Name,
    where: Where,
    full: Annotated[bool, typer.Option("--full", help="Skip every step that is left and promote now, gates or not.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """End the pause at hand and go on; with --full, promote the challenger now."""
    _ask(name, Verb.PROMOTE, where, output, full=full)


@app.command()
@anywhere
def abort(name: Name, where: Where, output: Output = Format.TEXT) -> None:
    """Take all traffic away from the challenger and refuse it."""
    _ask(name, Verb.ABORT, where, output)


@app.command()
@anywhere
def retry(name: Name, where: Where, output: Output = Format.TEXT) -> None:
    """Let the challenger out of quarantine and start it anew, with no evidence kept."""
    _ask(name, Verb.RETRY, where, output)


@app.command()
@anywhere
def pause(name: Name, where: Where, output: Output = Format.TEXT) -> None:
    """Hold the rollout at its weight. A gate that refuses still rolls back."""
    _ask(name, Verb.PAUSE, where, output)


@app.command()
@anywhere
def resume(name: Name, where: Where, output: Output = Format.TEXT) -> None:
    """Go on after `pause`."""
    _ask(name, Verb.RESUME, where, output)


@app.command()
@anywhere
def undo(name: Name, where: Where, output: Output = Format.TEXT) -> None:
    """Take the last promotion back: all traffic to the former champion, while `rollbackWindow` keeps it warm."""
    _ask(name, Verb.UNDO, where, output)


@app.command()
@anywhere
def wait(
    name: Name,
    where: Where,
    condition: Annotated[ConditionType, typer.Option("--for", help="The condition to wait for.")] = ConditionType.PROMOTED,
    timeout: Annotated[float, typer.Option(help="Seconds; exit status 1 when they are over.")] = 300.0,
    output: Output = Format.TEXT,
) -> None:
    """Wait until a condition is True, as `kubectl wait` does."""
    rollouts = where.rollouts()
    deadline = time.monotonic() + timeout
    while not (one := rollouts.get(name)).status.is_true(condition):
        if time.monotonic() > deadline:
            emit(output, lambda: _as_data(one), lambda: view.rollout(one))
            raise typer.Exit(1)
        time.sleep(rollouts.every)
    emit(output, lambda: _as_data(one), lambda: view.rollout(one))
