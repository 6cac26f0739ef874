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
from kanarya_contracts.rollout import ABTest, ModelRollout

_ROLLOUTS, _TESTS = 1000, 200
"""Of each kind, unless told otherwise."""
_CANARY = "a canary or blue/green"
_GOES_WITH = {
    **dict.fromkeys(("rate", "error_rate", "slow", "accuracy", "labels", "label_delay"), _CANARY),
    "users": "an A/B test",
    "reached": "an A/B test on a share",
    **dict.fromkeys(("mean", "spread"), "an A/B test on a mean"),
}
"""Option → strategies in which it has a meaning."""
_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|sec|min|m|h|d)")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)")


def simulate(
    line: typer.Context,
    rollout: Annotated[Path, typer.Argument(help="The file with the ModelRollout.")],
    rate: Annotated[str, typer.Option(help="Requests, both versions together: 12/min, 2/s, 500/h.")] = "2/s",
    error_rate: Annotated[str, typer.Option(help="The champion's share of errors: 0.5% or 0.005.")] = "0.5%",
    slow: Annotated[str, typer.Option(help="Its share of slow answers.")] = "5%",
    accuracy: Annotated[str, typer.Option(help="Its accuracy.")] = "90%",
    labels: Annotated[str, typer.Option(help="Share of the requests whose label comes back.")] = "0%",
    label_delay: Annotated[int, typer.Option(min=0, help="Minutes until it does.")] = 0,
    users: Annotated[str, typer.Option(help="A/B test: users of whom is reported, all versions together.")] = "1000/d",
    reached: Annotated[str, typer.Option(help="A/B test on a share: how many of the champion's users reach the goal.")] = "10%",
    mean: Annotated[float | None, typer.Option(help="A/B test on a mean: the champion's, in the unit of the scores.")] = None,
    spread: Annotated[float | None, typer.Option(help="And the standard deviation of one user's score.")] = None,
    rollouts: Annotated[
        int | None, typer.Option(min=10, max=20_000, help="Simulated rollouts of each kind; by default 1000, or 200 A/B tests.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Write a picture here: .png, .svg or .pdf.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show how often a rollout would be wrong, how long it would take, and how many requests a bad challenger would answer.

    Also for the rules that Flagger, Argo Rollouts and others document, on the same traffic. A look is taken every minute.

    Of an A/B test: how it ends with challengers that are alike, better and worse, how long that takes, and how many users.
    """
    spec = rollout_file.read(rollout)
    test = spec.spec.strategy.ab_test
    _check_given(line, test)
    if test is not None:
        _simulate_users(
            spec,
            users=users,
            reached=reached,
            mean=mean,
            spread=spread,
            tests=rollouts or _TESTS,
            seed=seed,
            plot=plot,
            output=output,
        )
        return
    rollouts = rollouts or _ROLLOUTS
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


def _check_given(line: typer.Context, test: ABTest | None) -> None:
    """Raises InvalidInput with every option that has no meaning for this strategy."""
    goal = "an A/B test on a mean" if test is not None and test.goal.scores is not None else "an A/B test on a share"
    meant = {_CANARY} if test is None else {"an A/B test", goal}
    wrong = [
        problem(f"goes with {what}, which {line.params['rollout']} is not", f"--{name.replace('_', '-')}")
        for name, what in _GOES_WITH.items()
        if what not in meant and getattr(line.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    if wrong:
        raise InvalidInput("kanarya simulate", wrong)


def _simulate_users(
    spec: ModelRollout,
    *,
    users: str,
    reached: str,
    mean: float | None,
    spread: float | None,
    tests: int,
    seed: int,
    plot: Path | None,
    output: Format,
) -> None:
    try:
        from kanarya_cli.simulation import users_picture  # noqa: PLC0415 (numpy is an extra)
        from kanarya_cli.simulation.users import LOOKS, Users, UserStudy  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = f"simulate needs {error.name}; install it with: pip install 'kanarya-cli[simulate]'"
        raise KanaryaError(msg) from None
    wrong: list[Problem] = []
    test = spec.spec.strategy.ab_test
    scored = test is not None and test.goal.scores is not None
    rate = _rate("--users", users, wrong)
    value = (mean or 0.0) if scored else _share("--reached", reached, wrong)
    study = UserStudy(
        spec=spec.spec,
        users=Users(rate=rate, mean=value, spread=spread if scored else None),
        tests=tests,
        seed=seed,
    )
    missing = [name for name, given in (("--mean", mean), ("--spread", spread)) if scored and given is None]
    wrong += [problem("is missing; the goal is a mean, and how many users it takes depends on it", name) for name in missing]
    if not wrong and (said := study.impossible()) is not None:
        wrong.append(
            problem(f"got {value:g}{f' and spread {spread:g}' if scored else ''}, {said}", "--mean" if scored else "--reached")
        )
    if wrong:
        raise InvalidInput("kanarya simulate", wrong)
    rows = []
    with Progress(console=console(stderr=True), transient=True) as progress:
        fates = study.fates()
        task = progress.add_task("simulating", total=len(fates) * tests)
        for fate in fates:
            ended = []
            for one in study.run(fate):
                ended.append(one)
                progress.advance(task)
            rows.append(users_picture.FateRow(fate=fate, tests=ended))
    challengers = study.test.challengers
    until = f"{LOOKS} looks until {format_duration(spec.spec.deadline)}"
    notes = [
        f"{tests:,} A/B tests of each kind, seed {seed}, {until}; in bold how they should end; gates are taken as satisfied"
    ]
    if challengers > 1:
        notes.append(f"one of {challengers} challengers, with alpha divided by {challengers}")
    emit(
        output,
        lambda: {"rollout": spec.metadata.name, "seed": seed, "tests": tests, "rows": [row.as_data() for row in rows]},
        lambda: Group(users_picture.table(rows), Text(), *(Text(note, style="dim") for note in notes)),
    )
    if plot is not None:
        _draw(lambda: users_picture.draw(rows, plot), plot)


def _traffic(*, rate: str, **shares: str) -> dict[str, float]:
    """The options as numbers. Raises InvalidInput with every one that is none."""
    wrong: list[Problem] = []
    found = {"rate": _rate("--rate", rate, wrong)}
    for name, text in shares.items():
        found[name] = _share("--error-rate" if name == "errors" else f"--{name}", text, wrong)
    if wrong:
        raise InvalidInput("kanarya simulate", wrong)
    return found


def _rate(option: str, text: str, wrong: list[Problem]) -> float:
    """A second; 0 with a problem more if it is none."""
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if rate == 0:
        wrong.append(problem(f"got {text!r}, expected a rate such as 12/min, 2/s or 500/h", option))
    return rate


def _share(option: str, text: str, wrong: list[Problem]) -> float:
    """From 0 to 1; with a problem more if it is none."""
    match = _SHARE.fullmatch(text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    if not 0 <= value <= 1:
        wrong.append(problem(f"got {text!r}, expected a share such as 0.5% or 0.005", option))
    return value


def _draw(draw: Callable[[], None], path: Path) -> None:
    try:
        draw()
    except ModuleNotFoundError as error:
        msg = f"--plot needs {error.name}; install it with: pip install 'kanarya-cli[simulate]'"
        raise KanaryaError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"--plot {path}: {error}"
        raise KanaryaError(msg) from None
