"""Options that several commands share, and the one way to print. Used by `commands/`."""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType


class Format(StrEnum):
    """How a command prints."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="`text` for people, `json` for programs.")]
State = Annotated[
    Path, typer.Option("--state", envvar="KANARYA_STATE", help="Directory in which local mode keeps everything it makes.")
]
DEFAULT_STATE = Path(".kanarya/local")


InCluster = Annotated[
    bool | None,
    typer.Option(
        "--cluster/--local",
        envvar="KANARYA_CLUSTER",
        show_default=False,
        help="Ask a cluster, or local mode. -n, --context and --kubeconfig mean a cluster by themselves, --state local mode; "
        "without any of them it is local mode.",
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace on the cluster. Default: that of the context."),
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig. Default: its current one.")]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", help="Path of the kubeconfig. Default: KUBECONFIG, or ~/.kube/config.")
]

LOG_WIDTH = 140
"""Columns where nobody watches: a log has no edge to break lines at."""


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that takes a terminal's width, and a wide one elsewhere."""
    made = Console(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = LOG_WIDTH
    return made


def emit(form: Format, data: Callable[[], object], text: Callable[[], RenderableType]) -> None:
    """Print `data` as JSON or `text` for people. Both are called lazily: the other one may be costly."""
    if form is Format.JSON:
        typer.echo(json.dumps(data(), indent=2, default=str))
    else:
        console().print(text())
