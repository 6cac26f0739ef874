"""What a person writes: target, registry, traffic, steps, analysis, and what happens when nothing can be said."""

from typing import Literal, Self

from pydantic import Field, model_validator

from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE
from kanarya_contracts.problems import Problem, agreed, problem
from kanarya_contracts.quantities import Duration, PositiveDuration, format_duration, parse_duration
from kanarya_contracts.rollout.ab_test import Goal
from kanarya_contracts.rollout.base import Strict
from kanarya_contracts.rollout.freeze import FreezeWindow
from kanarya_contracts.rollout.gate import GateSpec
from kanarya_contracts.rollout.strategy import Strategy

_STEPS = ("strategy", "canary", "steps")


class TargetRef(Strict):
    """What serves the model."""

    api_version: Literal["serving.kserve.io/v1beta1"] = "serving.kserve.io/v1beta1"
    """KServe's."""
    kind: Literal["InferenceService"] = "InferenceService"
    """The only kind there is."""
    name: str = Field(min_length=1)
    """In the rollout's own namespace."""


class RegistryRef(Strict):
    """Where intent comes from."""

    model: str = Field(min_length=1)
    """Registered model's name."""
    stable_alias: str = Field(default=ALIAS_STABLE, min_length=1)
    """Points to the version that serves; the controller moves it when a candidate is promoted."""
    candidate_alias: str = Field(default=ALIAS_CANDIDATE, min_length=1)
    """Points to the version that wants to serve; moving it starts a rollout."""
    poll_interval: PositiveDuration = parse_duration("15s")
    """How often both are read."""

    @model_validator(mode="after")
    def _two_aliases(self) -> Self:
        same = self.stable_alias == self.candidate_alias
        text = f"got {self.candidate_alias!r}, which is stableAlias too; expected two different ones"
        return agreed(self, [problem(text, "candidateAlias")] if same else [])


class GatewayRef(Strict):
    """The Gateway whose listener carries the traffic."""

    name: str = Field(min_length=1)
    """Its name."""
    namespace: str = "default"
    """Its namespace."""


class Traffic(Strict):
    """Who splits the traffic. Local mode's Envoy stands in for every driver."""

    driver: Literal["gateway", "kserve"] = "gateway"
    """`gateway`: an HTTPRoute of ours. `kserve`: KServe's own weights."""
    gateway_ref: GatewayRef | None = None
    """For `gateway` on Kubernetes: where the HTTPRoute is attached."""
    hostnames: tuple[str, ...] = ()
    """For `gateway`: the hosts whose requests are split; none means every host."""


class Analysis(Strict):
    """When to look, and at what."""

    interval: PositiveDuration = parse_duration("30s")
    """Between two looks at the counters."""
    initial_delay: Duration = parse_duration("0s")
    """After the candidate's first request; what happens in it is not counted."""
    on_input_drift: Literal["hold", "ignore"] = "hold"
    """While Prometheus' alert `InputDrift` fires for the candidate: `hold` keeps its weight and asks a person. Drift is a
    property of the traffic; it never takes a candidate back. Local mode has no such alert."""
    metrics: tuple[GateSpec, ...] = Field(min_length=1)
    """The gates, each under a name of its own."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [metric.name for metric in self.metrics]
        return agreed(
            self,
            [
                problem(f"got {name!r}, expected no name twice", "metrics", index, "name")
                for index, name in enumerate(names)
                if name in names[:index]
            ],
        )


class ModelRolloutSpec(Strict):
    """What a person writes."""

    target_ref: TargetRef
    """What serves the model."""
    registry: RegistryRef
    """Where intent comes from."""
    traffic: Traffic = Traffic()
    """Who splits the traffic."""
    progress_deadline_seconds: int = Field(default=600, ge=1)
    """For download, start and example; past it the candidate is rolled back."""
    deadline: PositiveDuration = parse_duration("24h")
    """For the whole rollout; past it, `onInconclusive`."""
    rollback_window: Duration = parse_duration("10m")
    """After a promotion: for how long the former champion's server stays warm, without traffic, so that `kanarya rollout undo`
    goes back to it at once. A new candidate ends it. With 0s it stops as soon as the gateway has let go of it."""
    strategy: Strategy
    """How traffic moves."""
    analysis: Analysis
    """What it depends on."""
    on_regression: Literal["undo", "alert"] = "undo"
    """What happens when, within `rollbackWindow`, the new champion does worse than in its own rollout: `undo` gives the former
    champion every request again, and the version is in quarantine; `alert` is an event, and a person decides."""
    freeze: tuple[FreezeWindow, ...] = ()
    """When nothing starts, no weight rises and nothing is promoted. The time in them does not count towards `deadline`."""
    on_inconclusive: Literal["pause", "rollback", "promote"] = "pause"
    """What happens when the deadline has passed and a gate cannot tell yet."""
    on_error: Literal["hold"] = "hold"
    """A query that fails is never a verdict on the model."""

    @property
    def judged(self) -> tuple[GateSpec | Goal, ...]:
        """What evidence is gathered for: the gates, and the goal of an A/B test."""
        test = self.strategy.ab_test
        return (*self.analysis.metrics, *((test.goal,) if test is not None else ()))

    @property
    def splits(self) -> dict[str, int]:
        """Challengers of an A/B test by alias, with the percent of users that each gets, in the order of their buckets; {}
        without a test."""
        test = self.strategy.ab_test
        if test is None:
            return {}
        return {self.registry.candidate_alias: test.split, **{one.alias: one.split for one in test.rivals}}

    @model_validator(mode="after")
    def _steps_fit(self) -> Self:
        return agreed(self, [*self._gates_named(), *self._mirrors_made(), *self._pairs_made(), *self._ends_reached()])

    def _gates_named(self) -> list[Problem]:
        """Steps wait for gates that there are."""
        known = [metric.name for metric in self.analysis.metrics]
        return [
            problem(f"got {name!r}, expected one of {', '.join(known)}", *_STEPS, index, "analysis", "until", place)
            for index, step in enumerate(self.strategy.steps)
            for place, name in enumerate(step.analysis.until if step.analysis else ())
            if name not in known
        ]

    def _pairs_made(self) -> list[Problem]:
        """Pairs come from copies alone."""
        mirrored = any(step.set_mirror is not None and step.exposes for step in self.strategy.steps)
        return [
            problem(
                f"got {gate.test}, which needs a setMirror step: pairs come from copies alone",
                "analysis",
                "metrics",
                index,
                "test",
            )
            for index, gate in enumerate(self.analysis.metrics)
            if gate.counts() == "pairs" and not mirrored
        ]

    def _mirrors_made(self) -> list[Problem]:
        """Requests are copied by a driver that can."""
        text = "traffic.driver kserve does not mirror; take driver gateway, or begin with setWeight"
        if self.traffic.driver != "kserve":
            return []
        if self.strategy.blue_green is not None:
            return [problem(text, "strategy", "blueGreen", "mirror")] if self.strategy.blue_green.mirror else []
        return [
            problem(text, *_STEPS, index, "setMirror")
            for index, step in enumerate(self.strategy.steps)
            if step.set_mirror is not None
        ]

    def _ends_reached(self) -> list[Problem]:
        """A gate that holds for want of data, where none can come, would hold for ever."""
        blue_green = self.strategy.blue_green
        if blue_green is None:
            return []
        return [
            problem(
                f"got {gate.on_no_data!r}, and strategy.blueGreen gives the gate nothing to count before the promotion; "
                "expected 'pass', or a strategy with weights",
                "analysis",
                "metrics",
                index,
                "onNoData",
            )
            for index, gate in enumerate(self.analysis.metrics)
            if gate.on_no_data != "pass" and not (blue_green.mirror and gate.judged_by_copies)
        ]

    @model_validator(mode="after")
    def _users_can_be_split(self) -> Self:
        test = self.strategy.ab_test
        if test is None:
            return self
        wrong = []
        if self.traffic.driver != "gateway":
            text = f"got {self.traffic.driver!r}, expected 'gateway': KServe's own weights know no users, so strategy.abTest"
            wrong.append(problem(f"{text} cannot be had with them", "traffic", "driver"))
        if test.minimum_duration >= self.deadline:
            text = (
                f"got {format_duration(test.minimum_duration)!r}, expected less than deadline, {format_duration(self.deadline)}"
            )
            wrong.append(problem(text, "strategy", "abTest", "minimumDuration"))
        for index, metric in enumerate(self.analysis.metrics):
            if metric.name == test.goal.name:
                text = f"got {metric.name!r}, which is the name of strategy.abTest.goal; expected another"
                wrong.append(problem(text, "analysis", "metrics", index, "name"))
            if metric.test == "sample-ratio":
                text = "got sample-ratio, which counts requests; strategy.abTest draws users, and checks their split itself"
                wrong.append(problem(text, "analysis", "metrics", index, "test"))
        taken = {self.registry.stable_alias: "registry.stableAlias", self.registry.candidate_alias: "registry.candidateAlias"}
        for index, rival in enumerate(test.rivals):
            if rival.alias in taken:
                text = f"got {rival.alias!r}, which is {taken[rival.alias]}; expected another"
                wrong.append(problem(text, "strategy", "abTest", "rivals", index, "alias"))
        return agreed(self, wrong)
