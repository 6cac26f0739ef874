"""How traffic moves: a canary's steps, blue/green, or an A/B test. Part of the spec."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from kanarya_contracts.problems import agreed, problem
from kanarya_contracts.quantities import Duration
from kanarya_contracts.rollout.ab_test import ABTest
from kanarya_contracts.rollout.base import Percent, Strict


class Pause(Strict):
    """Wait."""

    duration: Duration | None = None
    """How long; without it, until `kanarya rollout promote`."""


class SetMirror(Strict):
    """Copy requests to the candidate and throw its answers away: the champion answers them all."""

    percentage: Percent
    """Percent of requests that are copied, each with this chance; 0 ends it."""


class StepAnalysis(Strict):
    """Wait until the named gates are Successful."""

    until: tuple[str, ...] = Field(min_length=1)
    """Names of gates under `analysis.metrics`."""


class _OneOf(Strict):
    """Fields of which a person gives one."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        names = [to_camel(name) for name in type(self).model_fields]
        given = [to_camel(name) for name in type(self).model_fields if getattr(self, name) is not None]
        text = f"got {' and '.join(given) or 'nothing'}, expected exactly one of {', '.join(names)}"
        return agreed(self, [] if len(given) == 1 else [problem(text)])


class Step(_OneOf):
    """Exactly one of the fields."""

    set_weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of requests to the candidate. The step ends when every gate with `minSamples` has seen that many of them
    at this weight, and none refuses."""
    pause: Pause | None = None
    """Wait for a time or for a person."""
    set_mirror: SetMirror | None = None
    """Copy requests to the candidate, until another setMirror or the first setWeight. The step ends when every gate with
    `minSamples` that copies tell something has seen that many of them, and none refuses."""
    analysis: StepAnalysis | None = None
    """Wait for gates."""

    @property
    def exposes(self) -> bool:
        """Whether requests reach the candidate by it, as its own or as copies: then the step has observations to wait for."""
        return self.set_weight is not None or (self.set_mirror is not None and self.set_mirror.percentage > 0)


class Canary(Strict):
    """Copies, if any, then weights in steps. After the last step the candidate waits at its weight until every gate is
    Successful."""

    steps: tuple[Step, ...] = Field(min_length=1)
    """In order. At least one sets a weight, and each weight is larger than the one before."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        weights = [(index, step.set_weight) for index, step in enumerate(self.steps) if step.set_weight is not None]
        wrong = [
            problem(
                f"got {weight} after {before}, expected each weight to be larger than the one before",
                "steps",
                index,
                "setWeight",
            )
            for (_, before), (index, weight) in pairwise(weights)
            if weight <= before
        ]
        if not weights:
            wrong.append(problem("got no step that sets a weight, expected at least one setWeight", "steps"))
        first = next((index for index, _ in weights), len(self.steps))
        wrong += [
            problem("comes after a setWeight, which ends the mirror; expected it before", "steps", index, "setMirror")
            for index, step in enumerate(self.steps)
            if step.set_mirror is not None and index > first
        ]
        return agreed(self, wrong)


class BlueGreen(Strict):
    """The candidate beside the champion without a weight, then every request at once, when every gate is Successful on copies.
    Until then it is there for whoever asks for it by its number, at `/v2/models/NAME/versions/VERSION`; afterwards
    `rollbackWindow` keeps the former champion."""

    mirror: Percent = 100
    """Percent of requests whose copy it gets meanwhile. With 0 no gate has anything to judge by, and each must say
    `onNoData: pass`."""
    auto_promotion_enabled: bool = True
    """False: it waits for `kanarya rollout promote` as well."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The same in steps; after them, as after a canary's, every gate must agree."""
        mirror = Step(set_mirror=SetMirror(percentage=self.mirror))
        return (mirror,) if self.auto_promotion_enabled else (mirror, Step(pause=Pause()))


class Strategy(_OneOf):
    """How traffic moves: exactly one of the fields."""

    canary: Canary | None = None
    """Requests in steps, to find out whether the candidate does harm."""
    blue_green: BlueGreen | None = None
    """All requests at once, after it was found out on copies."""
    ab_test: ABTest | None = None
    """Users in two groups, to find out which version serves them better."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, whichever way they were written; an A/B test has one."""
        if self.canary is not None:
            return self.canary.steps
        if self.ab_test is not None:
            return (Step(set_weight=self.ab_test.split),)
        assert self.blue_green is not None  # noqa: S101 (validated)
        return self.blue_green.steps
