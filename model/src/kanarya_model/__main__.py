"""`kanarya-model`: serve an artifact, or check that it could be served.

Exit status: 0 stopped as asked, or checked and right; 2 bad usage, or the artifact is refused (the last line on standard error
says why); 3 the port is in use.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem, one_line
from kanarya_model import VERSION
from kanarya_model.settings import arguments, settings

if TYPE_CHECKING:
    from kanarya_model.core.model import Model

REFUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parsed = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("kanarya_model").setLevel(logging.INFO)
    # A client that speaks no HTTP is told so; the log is not for strangers to fill.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        return _check(parsed) if parsed.verb == "check" else _serve(parsed)
    except KanaryaError as error:
        _say(f"kanarya-model: {one_line(error)}", sys.stderr)
        return getattr(error, "exit_status", REFUSED)


def _serve(parsed: argparse.Namespace) -> int:
    # The settings are checked before anything heavy is imported: a mistyped flag is answered at once.
    chosen = settings(vars(parsed), os.environ)
    from kanarya_model.server import serve, write_port  # noqa: PLC0415

    def ready(models: "Sequence[Model]", port: int, grpc_port: int | None) -> None:
        where = f"http://{chosen.host}:{port}" + (f" and grpc://{chosen.host}:{grpc_port}" if grpc_port else "")
        # Where standard output is a log of JSON, there is nothing else in it.
        stream = sys.stderr if chosen.access_log else sys.stdout
        said = ", ".join(f"{model.name} version {model.version} ({model.digest})" for model in models)
        _say(f"serving {said or 'no model yet'} at {where}", stream)
        if chosen.grpc_port_file and grpc_port:
            write_port(chosen.grpc_port_file, grpc_port)
        if chosen.port_file:
            write_port(chosen.port_file, port)

    serve(chosen, ready)
    return 0


def _check(parsed: argparse.Namespace) -> int:
    chosen = settings(vars(parsed), os.environ)
    if chosen.repository:
        raise InvalidInput(
            "settings", [Problem(path=(), message="DIR: is missing; one artifact is checked, and no repository")]
        )
    from kanarya_model.server import load  # noqa: PLC0415

    model = load(chosen)
    rows = model.contract.example.rows
    about = f"{model.name} ({model.contract.runtime.format}, {model.digest})"
    _say(f"{about} gives the right answers to its {rows} example rows", sys.stdout)
    return 0


def _say(text: str, stream: TextIO) -> None:
    print(text, file=stream, flush=True)


def _parser() -> argparse.ArgumentParser:
    epilog = (__doc__ or "").partition("\n\n")[2]
    parser = argparse.ArgumentParser(
        prog="kanarya-model", description="Serve a model version that carries its own contract.", epilog=epilog
    )
    parser.add_argument("--release", action="version", version=VERSION, help="print this software's version")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    serve = verbs.add_parser("serve", help="serve the artifact over the V2 protocol", epilog=epilog)
    arguments(serve)
    check = verbs.add_parser("check", help="verify the artifact and ask it its example, without serving", epilog=epilog)
    arguments(check, only=("dir", "digest", "onnx_threads"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
