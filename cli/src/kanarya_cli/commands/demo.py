"""`kanarya demo`: tell the story, hold every claim against what happened, write `demo.json`."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from kanarya_cli.local import stack
from kanarya_cli.options import console
from kanarya_contracts.problems import KanaryaError

if TYPE_CHECKING:
    from kanarya_cli.demo.claims import Claim
    from kanarya_cli.demo.record import Record

STATE = Path(".kanarya/demo")
REPORT = Path(".kanarya/demo.json")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end, and say where.")] = False,
    root: Annotated[Path, typer.Option(help="The checkout, with manifests/, examples/ and data/.")] = Path(),
) -> None:
    """Run the whole story on this machine: train, serve, promote on evidence, roll back on evidence."""
    from kanarya_cli.demo import claims  # noqa: PLC0415 (training's libraries are heavy; `kanarya --help` is not)
    from kanarya_cli.demo.record import Record  # noqa: PLC0415
    from kanarya_cli.demo.stage import Stage  # noqa: PLC0415
    from kanarya_cli.demo.story import Demo  # noqa: PLC0415

    if not (root / "manifests" / "iris").is_dir():
        msg = f"{root.resolve()} is not a checkout of Kanarya (no manifests/iris); run it there, or name one with --root"
        raise KanaryaError(msg)
    screen = console()
    _fresh(STATE)
    record, stage = Record(), Stage(screen)
    failure: KanaryaError | None = None
    try:
        with stage.open():
            Demo(root=root, state=STATE, ports=stack.Ports.any(), stage=stage, record=record).run()
    except KanaryaError as error:
        failure = error
    finally:
        if not keep:
            with record.phase("stop"):
                stack.down(STATE, report=lambda _: None)
    checked = claims.check(record)
    record.claims = [{"text": claim.text, "held": claim.held, "detail": claim.detail} for claim in checked]
    REPORT.write_text(json.dumps(record.as_data(), indent=2) + "\n", encoding="utf-8")
    screen.print(_table(checked))
    screen.print(_summary(record))
    screen.print(_next(keep=keep))
    if failure is not None:
        raise failure
    if not all(claim.held for claim in checked):
        raise typer.Exit(1)


def _fresh(state: Path) -> None:
    """A demo starts from nothing. What an earlier one left running is stopped; what it left on disk goes."""
    if state.exists():
        stack.down(state, report=lambda _: None)
        shutil.rmtree(state)


def _table(checked: "list[Claim]") -> Table:
    table = Table(
        title="\nWhat was promised, and whether it held",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_header=False,
    )
    for claim in checked:
        mark = Text("held", style="green") if claim.held else Text("BROKEN", style="bold red")
        table.add_row(mark, claim.text, Text(claim.detail, style="dim"))
    return table


def _summary(record: "Record") -> str:
    requests = record.requests
    phases = "  ".join(f"{name} {seconds:.1f}" for name, seconds in record.phases.items())
    return (
        f"\n{requests.get('sent', 0):,} inference requests, {requests.get('labels', 0):,} labels sent back, "
        f"{requests.get('failed', 'unknown')} failed; "
        f"at the client p50 {requests.get('p50_ms')} ms, p99 {requests.get('p99_ms')} ms\n"
        f"seconds: {phases}; {sum(record.phases.values()):.1f} in all. Everything in {REPORT}"
    )


def _next(*, keep: bool) -> str:
    if not keep:
        return (
            "\nNext: make demo KEEP=1 leaves all of it running; docs/tutorial/first-canary.md does it by hand;\n"
            "      kanarya --help (in .venv/bin) is the command."
        )
    at = stack.addresses(STATE)
    return (
        f"\nStill up: gateway {at.gateway}   MLflow {at.registry}   Envoy's admin {at.admin}\n"
        f"Next: export PATH=$PWD/.venv/bin:$PATH KANARYA_STATE={STATE}\n"
        "      kanarya infer iris --row 5.1,3.5,1.4,0.2\n"
        "      kanarya rollout status iris\n"
        "      kanarya local logs controller\n"
        "      make down    # stops it all"
    )
