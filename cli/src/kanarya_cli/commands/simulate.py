"""`kanarya simulate`: before choosing margins, what they will do on one's own traffic, beside what other tools document."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.progress import Progress
from rich.text import Text

from kanarya_cli import rollout_file
from kanarya_cli.options import Format, Output, console, emit
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem, problem
from kanarya_contracts.quantities import format_duration

_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|sec|min|m|h|d)")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)")


def simulate(
    rollout: Annotated[Path, typer.Argument(help="The file with the ModelRollout.")],
    rate: Annotated[str, typer.Option(help="Requests, both versions together: 12/min, 2/s, 500/h.")] = "2/s",
    error_rate: Annotated[str, typer.Option(help="The champion's share of errors: 0.5% or 0.005.")] = "0.5%",
    slow: Annotated[str, typer.Option(help="Its share of slow answers.")] = "5%",
    accuracy: Annotated[str, typer.Option(help="Its accuracy.")] = "90%",
    labels: Annotated[str, typer.Option(help="Share of the requests whose label comes back.")] = "0%",
    label_delay: Annotated[int, typer.Option(min=0, help="Minutes until it does.")] = 0,
    rollouts: Annotated[int, typer.Option(min=10, max=20_000, help="Simulated rollouts of each kind.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Write a picture here: .png, .svg or .pdf.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show how often a rollout would be wrong, how long it would take, and how many requests a bad challenger would answer.

    Also for the rules that Flagger, Argo Rollouts and others document, on the same traffic. A look is taken every minute.
    """
    spec = rollout_file.read(rollout)
    if spec.spec.strategy.ab_test is not None:
        text = "is not simulated; kanarya replay takes windows of an A/B test, and simulate takes a canary"
        raise InvalidInput(str(rollout), [problem(text, "spec", "strategy", "abTest")])
    traffic = _traffic(rate=rate, errors=error_rate, slow=slow, accuracy=accuracy, labels=labels)
    try:
        from kanarya_cli.simulation import picture  # noqa: PLC0415 (numpy is an extra)
        from kanarya_cli.simulation.study import Study  # noqa: PLC0415
        from kanarya_cli.simulation.traffic import Scenario, Version  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = f"simulate needs {error.name}; install it with: pip install 'kanarya-cli[simulate]'"
        raise KanaryaError(msg) from None
    version = Version(errors=traffic["errors"], slow=traffic["slow"], accuracy=traffic["accuracy"])
    scenario = Scenario(
        rate=traffic["rate"], stable=version, candidate=version, labels=traffic["labels"], label_delay=label_delay
    )
    study = Study(rollout=spec, traffic=scenario, rollouts=rollouts, seed=seed)
    rows = []
    with Progress(console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=len(study.fates()) * len(study.rules()))
        for row in study.rows():
            rows.append(row)
            progress.advance(task)
    notes = [f"{name}: not simulated, taken as satisfied" for name in study.left_out]
    notes.append(
        f"{rollouts:,} rollouts of each kind, seed {seed}, a look a minute, until {format_duration(spec.spec.deadline)}"
    )
    emit(
        output,
        lambda: {"rollout": spec.metadata.name, "seed": seed, "rollouts": rollouts, "rows": [row.as_data() for row in rows]},
        lambda: Group(picture.table(rows), Text(), picture.curves(rows), *(Text(note, style="dim") for note in notes)),
    )
    if plot is not None:  # last: a picture that cannot be written takes no figures with it
        _draw(lambda: picture.draw(rows, plot), plot)


def _traffic(*, rate: str, **shares: str) -> dict[str, float]:
    """The options as numbers. Raises InvalidInput with every one that is none."""
    wrong: list[Problem] = []
    found = {}
    match = _RATE.fullmatch(rate.strip())
    found["rate"] = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if found["rate"] == 0:
        wrong.append(problem(f"got {rate!r}, expected a rate such as 12/min, 2/s or 500/h", "--rate"))
    for name, text in shares.items():
        match = _SHARE.fullmatch(text.strip())
        value = float(match[1]) / (100 if match[2] else 1) if match else 2.0
        if not 0 <= value <= 1:
            option = "--error-rate" if name == "errors" else f"--{name}"
            wrong.append(problem(f"got {text!r}, expected a share such as 0.5% or 0.005", option))
        found[name] = value
    if wrong:
        raise InvalidInput("kanarya simulate", wrong)
    return found


def _draw(draw: Callable[[], None], path: Path) -> None:
    try:
        draw()
    except ModuleNotFoundError as error:
        msg = f"--plot needs {error.name}; install it with: pip install 'kanarya-cli[simulate]'"
        raise KanaryaError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"--plot {path}: {error}"
        raise KanaryaError(msg) from None
