"""`kanarya replay`: recorded or invented windows through the controller's own decisions, a verdict a line."""

import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from kanarya_cli import rollout_file
from kanarya_cli.windows import Conversation
from kanarya_contracts.problems import InvalidInput, Problem, problem


def replay(
    rollout: Annotated[Path, typer.Argument(help="The file with the ModelRollout.")],
    windows: Annotated[Path, typer.Argument(help="The windows, a JSON object a line; - reads standard input.")],
    end_pauses: Annotated[
        bool, typer.Option("--end-pauses", help="End pauses that wait for a person at once, as if somebody had promoted.")
    ] = False,
) -> None:
    """Say what the controller would have decided, window by window.

    Each line is answered before the next is read, so another program can drive it step by step. Time is what the windows say.
    """
    source = "standard input" if str(windows) == "-" else str(windows)
    spec = rollout_file.read(rollout)
    test = spec.spec.strategy.ab_test
    if test is not None and test.rivals:
        text = "a replay has one challenger; take the rivals out and divide each alpha by the number of challengers"
        raise InvalidInput(str(rollout), [problem(text, "spec", "strategy", "abTest", "rivals")])
    conversation = Conversation(spec, source=source, patient=not end_pauses)
    if str(windows) == "-":
        _converse(conversation, sys.stdin.buffer)
        return
    try:
        with windows.open("rb") as lines:
            _converse(conversation, lines)
    except OSError as error:
        raise InvalidInput(source, [Problem(path=(), message=f"cannot be read: {error.strerror}")]) from None


def _converse(conversation: Conversation, lines: BinaryIO) -> None:
    for line in lines:
        answer = conversation.answer(line)
        if answer is not None:
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()
