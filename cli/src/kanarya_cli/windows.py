"""Windows as lines of JSON, and the answers to them. Used by `kanarya replay`. Pure: a line in, a line out.

    {"seconds": 60, "weight": 10, "candidate": {"requests": 120, "errors": 1, "labels": 80, "right": 71}, "stable": {…}}
    {"window": 1, "verdict": "Inconclusive", "gates": {"error-rate": {"verdict": "Inconclusive", …}}, "weight": 10}

A line that cannot be read is InvalidInput with its number and every problem in it; the rollout it belongs to is as before.
"""

import json
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from kanarya_contracts.problems import Problem, agreed, from_validation, problem
from kanarya_contracts.quantities import format_decimal
from kanarya_contracts.rollout import Evidence, ModelRollout
from kanarya_contracts.rollout.base import Percent, Strict
from kanarya_rollout.gates import Pairs
from kanarya_rollout.replay import Answer, Counts, Replay

_MILLION = 1_000_000
_encoded = json.JSONEncoder(ensure_ascii=False).encode

Count = Annotated[int, Field(ge=0)]
"""How many, in this window."""


class Side(Strict):
    """What one version did in a window. What is not given was 0."""

    requests: Count = 0
    """Answered with anything but 4xx."""
    errors: Count = 0
    """Of them with 5xx."""
    slow: Count = 0
    """Of the others, too late."""
    labels: Count = 0
    """That came back in this window, for whichever earlier prediction."""
    right: Count = 0
    """Labels that agreed with the prediction."""
    scores: Count = 0
    """That came back, for gates on a mean."""
    score_sum: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Sum of them."""
    score_squares: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Sum of their squares."""
    predictions: dict[str, Count] = Field(default_factory=dict)
    """Rows answered with each class."""
    users: Count = 0
    """Users of an A/B test of whom it was reported in this window whether they reached its goal."""
    reached: Count = 0
    """Of them."""

    @model_validator(mode="after")
    def _parts_of_wholes(self) -> Self:
        wrong: list[Problem] = []
        for name, part, whole, said in (
            ("errors", self.errors, self.requests, "requests"),
            ("slow", self.slow, self.requests - self.errors, "requests less errors"),
            ("right", self.right, self.labels, "labels"),
            ("reached", self.reached, self.users, "users"),
        ):
            if part > max(0, whole):
                wrong.append(problem(f"got {part}, expected {whole} or less, which is the number of {said}", name))
        return agreed(self, wrong)

    def counts(self) -> Counts:
        """As a replay takes them."""
        return Counts(
            requests=self.requests,
            errors=self.errors,
            slow=self.slow,
            labels=self.labels,
            right=self.right,
            scores=self.scores,
            score_sum=round(self.score_sum * _MILLION),
            score_squares=round(self.score_squares * _MILLION),
            predictions=self.predictions,
            users=self.users,
            reached=self.reached,
        )


class PairsLine(Strict):
    """Labels of copies that came back in a window, by which version was right."""

    both: Count = 0
    """Both were."""
    lost: Count = 0
    """The champion alone was."""
    won: Count = 0
    """The challenger alone was."""
    neither: Count = 0
    """Neither was."""

    def counts(self) -> Pairs:
        """As a replay takes them."""
        return Pairs(both=self.both, lost=self.lost, won=self.won, neither=self.neither)


class WindowLine(Strict):
    """A window as a person or a program writes it."""

    seconds: Annotated[float, Field(gt=0, le=31_536_000)]
    """How long it was."""
    weight: Percent
    """Percent of the requests that went to the candidate; 0 in a mirror step, where its counts are of copies."""
    candidate: Side
    """The challenger."""
    stable: Side
    """The champion."""
    pairs: PairsLine | None = None
    """Labels of copies, for `sequential-pairs`."""
    rollout: str = ""
    """Keeps several rollouts of one spec apart in one stream."""


class Conversation:
    """Lines answered one after another, for any number of rollouts of one spec."""

    def __init__(self, rollout: ModelRollout, *, source: str, patient: bool) -> None:
        """`source` names the lines in errors. `patient`: see Replay."""
        self._begun = Replay(rollout, patient=patient)
        self._source = source
        self._replays: dict[str, tuple[Replay, int]] = {}
        self._lines = 0
        self._last: tuple[Answer | None, str] = (None, "")

    def answer(self, line: bytes) -> str | None:
        """The answer, without its newline; None to an empty line. Raises InvalidInput."""
        self._lines += 1
        if not line.strip():
            return None
        window = self._read(line)
        replay, number = self._replays.get(window.rollout) or (self._begun.fork(), 0)
        answer = replay.step(
            seconds=window.seconds,
            weight=window.weight,
            candidate=window.candidate.counts(),
            stable=window.stable.counts(),
            pairs=window.pairs.counts() if window.pairs is not None else None,
        )
        self._replays[window.rollout] = (replay, number + 1)
        name = f'"rollout": {_encoded(window.rollout)}, ' if window.rollout else ""
        return f'{{{name}"window": {number + 1}, {self._text(answer)}}}'

    def _read(self, line: bytes) -> WindowLine:
        try:
            return WindowLine.model_validate_json(line, strict=True)
        except ValidationError as error:
            number = self._lines
            raise from_validation(self._source, error, lambda _: number, document=_parsed(line)) from None

    def _text(self, answer: Answer) -> str:
        """What is the same for every window that is answered alike, as those after the end are."""
        if self._last[0] is not answer:
            gates, mirror = ", ".join(map(_shown, answer.evidence)), f'"mirror": {answer.mirror}, ' if answer.mirror else ""
            said = f'"verdict": "{answer.verdict}", "gates": {{{gates}}}, "weight": {answer.weight}, {mirror}'
            self._last = (answer, f'{said}"message": {_encoded(answer.message)}')
        return self._last[1]


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _shown(one: Evidence) -> str:
    """A gate and its evidence, with the numbers as decimals, as the status has them."""
    numbers = _numbers(logE=one.log_e, threshold=one.threshold, logEGood=one.log_e_good, thresholdGood=one.threshold_good)
    interval = f', "interval": {{{_numbers(**dict(one.interval))[2:]}}}' if one.interval is not None else ""
    needs = f', "needs": {one.needs}' if one.needs is not None else ""
    return f'"{one.metric}": {{"verdict": "{one.verdict}"{numbers}{interval}{needs}, "message": {_encoded(one.message)}}}'


def _numbers(**decimals: Decimal | None) -> str:
    return "".join([f', "{name}": "{format_decimal(value)}"' for name, value in decimals.items() if value is not None])
