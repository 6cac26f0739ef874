"""Windows as lines of JSON, and the answers to them. Used by `kanarya replay`. Pure: a line in, a line out.

    {"seconds": 60, "weight": 10, "candidate": {"requests": 120, "errors": 1, "labels": 80, "right": 71}, "stable": {…}}
    {"window": 1, "verdict": "Inconclusive", "gates": {"error-rate": {"verdict": "Inconclusive", …}}, "weight": 10}

A line that cannot be read is InvalidInput with its number and every problem in it; the rollout it belongs to is as before.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from kanarya_contracts.goals import ScoredGoal
from kanarya_contracts.problems import InvalidInput, Problem, agreed, from_validation, problem
from kanarya_contracts.quantities import format_decimal
from kanarya_contracts.rollout import Evidence, ModelRollout
from kanarya_contracts.rollout.base import Percent, Strict
from kanarya_rollout.gates import Pairs
from kanarya_rollout.replay import Answer, Counts, Replay

_MILLION = 1_000_000
_SLACK = 1e-6
"""What rounding may add to a sum for each score, of their reach."""
_encoded = json.JSONEncoder(ensure_ascii=False).encode

Count = Annotated[int, Field(ge=0)]
"""How many, in this window."""

Number = Annotated[float, Field(allow_inf_nan=False)]
"""A sum over this window."""


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
    """Users of an A/B test of whom it was reported in this window what became of them."""
    reached: Count = 0
    """Of them, where the goal is reached or not."""
    goal_sum: Number = 0.0
    """Where the goal is a mean: sum of their scores, in the scores' unit."""
    goal_squares: Annotated[Number, Field(ge=0)] = 0.0
    """Sum of their squares."""

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

    def impossible(self, goal: ScoredGoal) -> Iterator[tuple[str, str]]:
        """Fields with sums that scores between the goal's bounds cannot have, and what is wrong with them."""
        n, total, low, high = self.users, self.goal_sum, float(goal.low), float(goal.high)
        slack, reach, users = _SLACK * (n + 1), high - low, f"{n} users with scores {goal.bounds}"
        if not n * low - slack * reach <= total <= n * high + slack * reach:
            yield "goalSum", f"got {total:.10g}, expected {n * low + 0:.10g} to {n * high + 0:.10g} for {users}"
            return
        least, most = total**2 / max(n, 1), (low + high) * total - n * low * high  # because (x - low) (high - x) >= 0
        if not least - slack * reach**2 <= self.goal_squares <= most + slack * reach**2:
            expected = f"expected {least:.10g} to {most:.10g} for {users} that sum to {total:.10g}"
            yield "goalSquares", f"got {self.goal_squares:.10g}, {expected}"

    def counts(self, goal: ScoredGoal | None) -> Counts:
        """As a replay takes them. `goal`: of an A/B test that compares means; scores are counted as shares then."""
        shares = self._shares(goal) if goal is not None else (0.0, 0.0)
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
            goal_sum=round(shares[0] * _MILLION),
            goal_squares=round(shares[1] * _MILLION),
        )

    def _shares(self, goal: ScoredGoal) -> tuple[float, float]:
        """Sum and sum of squares of the scores as shares of the way between the bounds."""
        n, total, low, width = self.users, self.goal_sum, float(goal.low), float(goal.high - goal.low)
        share = min(max(0.0, (total - n * low) / width), float(n))
        squares = (self.goal_squares - 2 * low * total + n * low**2) / width**2
        return share, min(max(0.0, squares), share)


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
        test = rollout.spec.strategy.ab_test
        self._goal = test.goal.scored if test is not None else None
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
            candidate=window.candidate.counts(self._goal),
            stable=window.stable.counts(self._goal),
            pairs=window.pairs.counts() if window.pairs is not None else None,
        )
        self._replays[window.rollout] = (replay, number + 1)
        name = f'"rollout": {_encoded(window.rollout)}, ' if window.rollout else ""
        return f'{{{name}"window": {number + 1}, {self._text(answer)}}}'

    def _read(self, line: bytes) -> WindowLine:
        number = self._lines
        try:
            window = WindowLine.model_validate_json(line, strict=True)
        except ValidationError as error:
            raise from_validation(self._source, error, lambda _: number, document=_parsed(line)) from None
        wrong = [
            Problem(path=(side, name), message=message, line=number)
            for side, counts in (("candidate", window.candidate), ("stable", window.stable))
            for name, message in (counts.impossible(self._goal) if self._goal is not None else ())
        ]
        if wrong:
            raise InvalidInput(self._source, wrong)
        return window

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
