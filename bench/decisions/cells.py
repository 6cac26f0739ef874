"""What is simulated: every rate with every fate of the challenger, and what is asked of our rule there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kanarya_cli import rollout_file
from kanarya_cli.simulation.ours import Ours
from kanarya_cli.simulation.rules import PROMOTED, RIVALS, ROLLED_BACK, Rule
from kanarya_cli.simulation.run import Recording, run
from kanarya_cli.simulation.traffic import Scenario, Version
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.replay import Counts, Replay

RATES = (0.2, 2.0, 20.0, 200.0)
"""Requests a second."""

SPEC = rollout_file.read(Path(__file__).parent / "rollout.yaml")

STABLE = Version(errors=0.005, slow=0.05, accuracy=0.9)
_SAME = Scenario(rate=0.0, stable=STABLE, candidate=STABLE)
_LABELLED = replace(_SAME, labels=1.0)

LEAST_RIGHT = 0.95
"""Share of the challengers at 0.85 accuracy that are to be refused."""


def _worse(scenario: Scenario = _SAME, **changes: float) -> Scenario:
    return replace(scenario, candidate=replace(STABLE, **changes))


@dataclass(frozen=True, kw_only=True)
class Fate:
    """A challenger and its circumstances."""

    name: str
    gate: str
    scenario: Scenario
    false_rollback: float | None = None
    """At most this share may be rolled back."""
    false_promotion: float | None = None
    """At most this share may be promoted."""
    refused: float | None = None
    """At least this share is to be rolled back."""


_GOOD, _BAD, _WORST = 0.015, 0.05, 0.01
_BASE = Version(errors=0.012, slow=0.05, accuracy=0.9)

FATES = (
    Fate(name="identical", gate="error-rate", scenario=_SAME, false_rollback=_GOOD),
    Fate(
        name="identical, 1.2 % errors",
        gate="error-rate",
        scenario=replace(_SAME, stable=_BASE, candidate=_BASE),
        false_rollback=_GOOD,
    ),
    Fate(
        name="identical, shared incident",
        gate="error-rate",
        scenario=replace(_SAME, incident=(2, 12), incident_errors=0.05),
        false_rollback=_GOOD,
    ),
    Fate(name="identical, varying", gate="error-rate", scenario=replace(_SAME, varying=True), false_rollback=_GOOD),
    Fate(name="identical, counter resets", gate="error-rate", scenario=replace(_SAME, resets=0.05), false_rollback=_GOOD),
    Fate(name="identical, missing scrapes", gate="error-rate", scenario=replace(_SAME, missing=0.2), false_rollback=_GOOD),
    Fate(name="identical, restarts", gate="error-rate", scenario=replace(_SAME, restarts=0.1), false_rollback=_GOOD),
    Fate(name="2x errors", gate="error-rate", scenario=_worse(errors=0.01), false_promotion=_BAD),
    Fate(name="3x errors", gate="error-rate", scenario=_worse(errors=0.015), false_promotion=_BAD),
    Fate(name="10x errors", gate="error-rate", scenario=_worse(errors=0.05), false_promotion=_WORST),
    Fate(name="30 % errors", gate="error-rate", scenario=_worse(errors=0.3), false_promotion=_WORST),
    Fate(name="+20 % slow", gate="latency", scenario=_worse(slow=0.06), false_rollback=_GOOD),
    Fate(name="+100 % slow", gate="latency", scenario=_worse(slow=0.1), false_promotion=_BAD),
    Fate(name="accuracy 0.90", gate="accuracy", scenario=_LABELLED, false_rollback=_GOOD),
    Fate(
        name="accuracy 0.90, labels an hour late",
        gate="accuracy",
        scenario=replace(_LABELLED, label_delay=60),
        false_rollback=_GOOD,
    ),
    Fate(name="accuracy 0.88", gate="accuracy", scenario=_worse(_LABELLED, accuracy=0.88)),
    Fate(
        name="accuracy 0.85",
        gate="accuracy",
        scenario=_worse(_LABELLED, accuracy=0.85),
        false_promotion=_BAD,
        refused=LEAST_RIGHT,
    ),
    Fate(
        name="accuracy 0.85, labels an hour late",
        gate="accuracy",
        scenario=replace(_worse(_LABELLED, accuracy=0.85), label_delay=60),
        false_promotion=_BAD,
        refused=LEAST_RIGHT,
    ),
    Fate(name="no labels", gate="accuracy", scenario=_SAME, false_promotion=0.0),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A fate at a rate, under one rule."""

    fate: Fate
    rate: float
    rule: str

    def sees(self) -> bool:
        """Whether the rule looks at what is different here."""
        return self.rule == Ours.name or self.fate.gate == "error-rate"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a cell's rollouts, in shares, and the mean number of requests that the candidate answered."""

    promoted: float
    rolled_back: float
    minutes: float
    """Median until the end, the undecided ones counting the whole time."""
    exposed: float
    checked: int
    """Windows that were played to the controller's own `decide`."""
    different: int
    """Of them, answered differently."""

    @property
    def undecided(self) -> float:
        """The rest."""
        return max(0.0, 1 - self.promoted - self.rolled_back)


def cells() -> Iterator[Cell]:
    """All of them; the slowest first."""
    for rate in RATES:
        for fate in FATES:
            for rule in (Ours.name, *RIVALS):
                cell = Cell(fate=fate, rate=rate, rule=rule)
                if cell.sees():
                    yield cell


def no_traffic() -> Iterator[Cell]:
    """Ours, on no request at all, with each gate."""
    for gate in SPEC.spec.analysis.metrics:
        fate = Fate(name=f"no traffic, {gate.name}", gate=gate.name, scenario=_LABELLED, false_promotion=0.0)
        yield Cell(fate=fate, rate=0.0, rule=Ours.name)


def judged_by(gate: str) -> ModelRollout:
    """The rollout with that gate alone."""
    metrics = tuple(one for one in SPEC.spec.analysis.metrics if one.name == gate)
    analysis = SPEC.spec.analysis.model_copy(update={"metrics": metrics})
    return SPEC.model_copy(update={"spec": SPEC.spec.model_copy(update={"analysis": analysis})})


def simulate(cell: Cell, *, rollouts: int, seed: int) -> Outcome:
    """One cell. For ours, the first rollout's windows go through the controller's `decide` too."""
    spec = judged_by(cell.fate.gate)
    rule: Rule = Ours(spec, rollouts) if cell.rule == Ours.name else RIVALS[cell.rule](rollouts)
    recording = Recording(rollouts=[0]) if cell.rule == Ours.name else None
    scenario = replace(cell.fate.scenario, rate=cell.rate)
    minutes = int(spec.spec.deadline.total_seconds() / 60)
    result = run(rule, scenario, rollouts=rollouts, minutes=minutes, seed=seed, recording=recording)
    checked, different = _compared(spec, recording) if recording else (0, 0)
    return Outcome(
        promoted=result.share(PROMOTED),
        rolled_back=result.share(ROLLED_BACK),
        minutes=float(sorted(result.minutes)[rollouts // 2]),
        exposed=float(result.exposed.mean()),
        checked=checked,
        different=different,
    )


def _compared(spec: ModelRollout, recording: Recording) -> tuple[int, int]:
    """How many windows `decide` was asked about, and how many of its weights differ."""
    replay, checked, different = Replay(spec, patient=False), 0, 0
    for seen, (weight, outcome) in zip(recording.windows, recording.answers, strict=True):
        ours, theirs = (
            Counts(requests=int(n[0]), errors=int(errors[0]), slow=int(slow[0]), labels=int(labels[0]), right=int(right[0]))
            for n, errors, slow, labels, right in (side.arrays() for side in seen)
        )
        answer = replay.step(seconds=60, weight=replay.weight, candidate=ours, stable=theirs)
        checked, different = checked + 1, different + int(answer.weight != weight[0])
        if outcome[0]:
            break
    return checked, different
