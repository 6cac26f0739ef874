"""`kanarya rollout …`: look at rollouts and ask things of the controller.

Reads and writes the ModelRollout object alone, as kubectl would; the controller does the rest. A request is answered when
the controller has recorded its id, and that is what the verbs wait for.
"""

import getpass
import time
import uuid
from collections.abc import Callable
from typing import Annotated

import typer
from rich.live import Live

from kanarya_cli import explain as explanation
from kanarya_cli import view
from kanarya_cli.local.store import FileStore
from kanarya_cli.options import DEFAULT_STATE, Format, Output, State, console, emit, state_for_completion
from kanarya_contracts.names import ConditionType, Verb
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout, Request

app = typer.Typer(help="Look at rollouts and steer them.", no_args_is_help=True)

ANSWER_SECONDS = 10.0
"""How long a verb waits for the controller. It looks several times a second; longer means that it does not run."""


def _names(incomplete: str) -> list[str]:
    try:
        return [name for name in FileStore(state_for_completion()).names() if name.startswith(incomplete)]
    except KanaryaError:
        return []


Name = Annotated[str, typer.Argument(help="The rollout's name.", autocompletion=_names)]


def _read(store: FileStore, name: str) -> ModelRollout:
    found = store.get(name)
    if found is None:
        there = ", ".join(store.names()) or "none"
        msg = (
            f"there is no rollout {name!r} here; there are: {there}. Start local mode with: kanarya local up -f manifests/iris"
        )
        raise KanaryaError(msg)
    return found[0]


def _as_data(rollout: ModelRollout) -> object:
    return rollout.model_dump(mode="json", by_alias=True, exclude_none=True)


@app.command()
def get(
    name: Annotated[str | None, typer.Argument(help="One rollout; all of them without it.", autocompletion=_names)] = None,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """List rollouts, a line each."""
    store = FileStore(state)
    rollouts = [_read(store, one) for one in ([name] if name else store.names())]
    emit(output, lambda: [_as_data(one) for one in rollouts], lambda: view.listing(rollouts))


@app.command()
def status(
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Draw again whenever something changes, until Ctrl-C.")] = False,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Show weights, evidence and conditions of a rollout."""
    store = FileStore(state)
    if not watch:
        one = _read(store, name)
        emit(output, lambda: _as_data(one), lambda: view.rollout(one))
        return
    if output is Format.JSON:
        _stream(lambda: _read(store, name))
        return
    with Live(view.rollout(_read(store, name)), console=console(), auto_refresh=False) as live:
        while True:
            time.sleep(0.25)
            live.update(view.rollout(_read(store, name)), refresh=True)


def _stream(read: Callable[[], ModelRollout]) -> None:
    last = None
    while True:
        line = read().model_dump_json(by_alias=True, exclude_none=True)
        if line != last:
            typer.echo(line)
            last = line
        time.sleep(0.25)


@app.command()
def explain(name: Name, state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Say why a rollout is where it is, gate by gate, and what would move it."""
    lines = explanation.sentences(_read(FileStore(state), name))
    emit(output, lambda: {"rollout": name, "sentences": lines}, lambda: "\n".join(lines))


def _ask(name: str, verb: Verb, state: State, output: Format, *, full: bool = False) -> None:
    store = FileStore(state)
    _read(store, name)
    request = Request(id=uuid.uuid4().hex, verb=verb, by=getpass.getuser(), full=full)
    store.request(name, request)
    deadline = time.monotonic() + ANSWER_SECONDS
    while (one := _read(store, name)).status.last_request_id != request.id:
        if time.monotonic() > deadline:
            msg = (
                f"{verb} was asked of {name}, but the controller has not answered in {ANSWER_SECONDS:g} s. "
                "It answers when it runs again; see: kanarya local status, kanarya local logs controller"
            )
            raise KanaryaError(msg)
        time.sleep(0.1)
    emit(output, lambda: _as_data(one), lambda: view.rollout(one))


@app.command()
def promote(
    name: Name,
    full: Annotated[bool, typer.Option("--full", help="Skip every step that is left and promote now, gates or not.")] = False,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """End the pause at hand and go on; with --full, promote the challenger now."""
    _ask(name, Verb.PROMOTE, state, output, full=full)


@app.command()
def abort(name: Name, state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Take all traffic away from the challenger and refuse it."""
    _ask(name, Verb.ABORT, state, output)


@app.command()
def retry(name: Name, state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Start a refused or aborted challenger anew, with no evidence kept."""
    _ask(name, Verb.RETRY, state, output)


@app.command()
def pause(name: Name, state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Hold the rollout at its weight. A gate that refuses still rolls back."""
    _ask(name, Verb.PAUSE, state, output)


@app.command()
def resume(name: Name, state: State = DEFAULT_STATE, output: Output = Format.TEXT) -> None:
    """Go on after `pause`."""
    _ask(name, Verb.RESUME, state, output)


@app.command()
def wait(
    name: Name,
    condition: Annotated[ConditionType, typer.Option("--for", help="The condition to wait for.")] = ConditionType.PROMOTED,
    timeout: Annotated[float, typer.Option(help="Seconds; exit status 1 when they are over.")] = 300.0,
    state: State = DEFAULT_STATE,
    output: Output = Format.TEXT,
) -> None:
    """Wait until a condition is True, as `kubectl wait` does."""
    store = FileStore(state)
    deadline = time.monotonic() + timeout
    while not (one := _read(store, name)).status.is_true(condition):
        if time.monotonic() > deadline:
            emit(output, lambda: _as_data(one), lambda: view.rollout(one))
            raise typer.Exit(1)
        time.sleep(0.25)
    emit(output, lambda: _as_data(one), lambda: view.rollout(one))
