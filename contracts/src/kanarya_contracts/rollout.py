"""The `ModelRollout` resource: what a person writes (spec) and what the controller knows (status).

Read by `rollout` (which alone writes status), by `cli`, and by the CRD that is made from these models. Strict: an unknown
field is a problem, because a misspelt gate is a gate that is not there. No floats: quantities and durations are strings.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, ConditionType, Verb
from kanarya_contracts.problems import Problem, agreed, problem
from kanarya_contracts.quantities import Duration, PositiveDuration, Quantity, format_duration, parse_duration
from kanarya_contracts.serving import Metadata


class _Strict(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


Percent = Annotated[int, Field(ge=0, le=100)]
"""A share of the requests."""


# --- spec ------------------------------------------------------------------------------------------------------------


class TargetRef(_Strict):
    """What serves the model."""

    api_version: Literal["serving.kserve.io/v1beta1"] = "serving.kserve.io/v1beta1"
    """KServe's."""
    kind: Literal["InferenceService"] = "InferenceService"
    """The only kind there is."""
    name: str = Field(min_length=1)
    """In the rollout's own namespace."""


class RegistryRef(_Strict):
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


class GatewayRef(_Strict):
    """The Gateway whose listener carries the traffic."""

    name: str = Field(min_length=1)
    """Its name."""
    namespace: str = "default"
    """Its namespace."""


class Traffic(_Strict):
    """Who splits the traffic. Local mode's Envoy stands in for every driver."""

    driver: Literal["gateway", "kserve"] = "gateway"
    """`gateway`: an HTTPRoute of ours. `kserve`: KServe's own weights."""
    gateway_ref: GatewayRef | None = None
    """For `gateway` on Kubernetes: where the HTTPRoute is attached."""
    hostnames: tuple[str, ...] = ()
    """For `gateway`: the hosts whose requests are split; none means every host."""


class Pause(_Strict):
    """Wait."""

    duration: Duration | None = None
    """How long; without it, until `kanarya rollout promote`."""


class SetMirror(_Strict):
    """Copy requests to the candidate and throw its answers away."""

    percentage: Percent
    """Percent of requests that are copied; 0 ends it."""


class StepAnalysis(_Strict):
    """Wait until the named gates are Successful."""

    until: tuple[str, ...] = Field(min_length=1)
    """Names of gates under `analysis.metrics`."""


class Step(_Strict):
    """Exactly one of the fields."""

    set_weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of requests to the candidate. The step ends when every gate with `minSamples` has seen that many of them
    at this weight, and none refuses."""
    pause: Pause | None = None
    """Wait for a time or for a person."""
    set_mirror: SetMirror | None = None
    """Copy requests to the candidate."""
    analysis: StepAnalysis | None = None
    """Wait for gates."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        names = [to_camel(name) for name in type(self).model_fields]
        given = [to_camel(name) for name in type(self).model_fields if getattr(self, name) is not None]
        text = f"got {' and '.join(given) or 'nothing'}, expected exactly one of {', '.join(names)}"
        return agreed(self, [] if len(given) == 1 else [problem(text)])


class Canary(_Strict):
    """Weights in steps. After the last step the candidate waits at its weight until every gate is Successful."""

    steps: tuple[Step, ...] = Field(min_length=1)
    """In order. At least one sets a weight, and each weight is larger than the one before."""

    @model_validator(mode="after")
    def _weights_ascend(self) -> Self:
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
        return agreed(self, wrong)


class Strategy(_Strict):
    """How traffic moves."""

    canary: Canary
    """The only way there is."""


Signal = Literal["errors", "slow", "labels"]
"""What is counted: answers with 5xx; answers slower than `slowerThan`; predictions that labels proved wrong."""

_SIGNALS: dict[str, Signal] = {"error-rate": "errors", "latency": "slow", "accuracy": "labels"}


class Margin(_Strict):
    """The two hypotheses. For `sequential-ratio`, ratios of rates; for `sequential-proportion`, differences of accuracy."""

    tolerate: Quantity
    """Evidence that the candidate is worse than this refuses it."""
    refuse: Quantity
    """Evidence that the candidate is better than this accepts it."""
    negligible: Quantity | None = None
    """`sequential-ratio` only: evidence that the candidate's own rate is below this accepts it too, whatever the ratio.
    Without it, two versions that never fail can never be told apart."""


class GateSpec(_Strict):
    """A metric and the test that judges it."""

    name: str = Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")
    """What steps, evidence and people call it."""
    test: Literal["sequential-ratio", "sequential-proportion", "threshold"]
    """`sequential-ratio`: candidate's rate over the champion's. `sequential-proportion`: difference of accuracy. Both can be
    looked at after every request. `threshold`: an absolute guard on the candidate alone."""
    signal: Signal | None = None
    """What is counted. Follows from a name that starts with `error-rate`, `latency` or `accuracy`."""
    margin: Margin | None = None
    """For the sequential tests, required."""
    failure_condition: Annotated[str, Field(pattern=r"^[<>]=?\s*[0-9]+(\.[0-9]+)?$")] | None = None
    """For `threshold`, required: `"> 0.05"` of the candidate's own rate."""
    slower_than: Duration | None = None
    """For signal `slow`: one of the histogram's bounds. Without it, the bound at or above the champion's p95 when the
    rollout starts, which then stays."""
    alpha: Quantity = Decimal("0.01")
    """Chance of refusing a candidate that is no worse than `tolerate`, over all looks of all gates: divided over the gates
    that can refuse."""
    beta: Quantity = Decimal("0.05")
    """Chance of accepting a candidate that is as bad as `refuse`, over all looks."""
    min_samples: int = Field(default=0, ge=0)
    """Candidate observations a setWeight step waits for, and that a verdict of a threshold needs."""
    on_no_data: Literal["hold", "fail", "pass"] = "hold"
    """When the rollout is due to be promoted and this gate has not one observation of the candidate."""

    def counts(self) -> Signal:
        """The signal, given or implied by the name. Raises ValueError where neither says it, which no valid gate does."""
        implied = (signal for start, signal in _SIGNALS.items() if self.name.startswith(start))
        signal = self.signal or next(implied, None)
        if signal is None:
            raise ValueError(
                "is missing: give errors, slow or labels, or a name that starts with error-rate, latency or accuracy"
            )
        return signal

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = self._threshold_problems() if self.test == "threshold" else self._margin_problems()
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 1:
                wrong.append(problem(f"got {getattr(self, name)}, expected more than 0 and less than 1", name))
        try:
            wrong += self._bound_problems(self.counts())
        except ValueError as error:
            wrong.append(problem(str(error), "signal"))
        return agreed(self, wrong)

    def _bound_problems(self, signal: Signal) -> list[Problem]:
        if self.slower_than is None:
            return []
        got = format_duration(self.slower_than)
        if signal != "slow":
            return [problem(f"got {got!r} for signal {signal}, expected it for signal slow alone", "slowerThan")]
        bounds = [format_duration(timedelta(seconds=bound)) for bound in DURATION_BUCKETS]
        return [] if got in bounds else [problem(f"got {got!r}, expected one of {', '.join(bounds)}", "slowerThan")]

    def _threshold_problems(self) -> list[Problem]:
        wrong = []
        if self.failure_condition is None:
            wrong.append(problem('is missing; test threshold needs it, such as "> 0.05"', "failureCondition"))
        elif Decimal(self.failure_condition.lstrip("<>= \t")) > 1:
            text = f"got {self.failure_condition!r}, expected a rate between 0 and 1"
            wrong.append(problem(text, "failureCondition"))
        if self.margin is not None:
            wrong.append(problem("is not taken by test threshold", "margin"))
        return wrong

    def _margin_problems(self) -> list[Problem]:
        wrong = []
        if self.failure_condition is not None:
            wrong.append(problem(f"is not taken by test {self.test}", "failureCondition"))
        if self.margin is None:
            return [*wrong, problem(f"is missing; test {self.test} needs it", "margin")]
        low, high, negligible = self.margin.tolerate, self.margin.refuse, self.margin.negligible
        got = f"got tolerate {low}, refuse {high}"
        if self.test == "sequential-ratio" and not 0 < low < high:
            wrong.append(problem(f"{got}; expected ratios with 0 < tolerate < refuse", "margin"))
        if self.test == "sequential-proportion" and not 1 > low > high > -1:
            wrong.append(problem(f"{got}; expected differences with 1 > tolerate > refuse > -1", "margin"))
        if negligible is not None and self.test != "sequential-ratio":
            wrong.append(problem("is for test sequential-ratio alone", "margin", "negligible"))
        elif negligible is not None and not 0 < negligible < 1:
            wrong.append(problem(f"got {negligible}, expected a rate between 0 and 1", "margin", "negligible"))
        return wrong


class Analysis(_Strict):
    """When to look, and at what."""

    interval: PositiveDuration = parse_duration("30s")
    """Between two looks at the counters."""
    initial_delay: Duration = parse_duration("0s")
    """After the candidate's first request; what happens in it is not counted."""
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


class ModelRolloutSpec(_Strict):
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
    strategy: Strategy
    """How traffic moves."""
    analysis: Analysis
    """What it depends on."""
    on_inconclusive: Literal["pause", "rollback", "promote"] = "pause"
    """What happens when the deadline has passed and a gate cannot tell yet."""
    on_error: Literal["hold"] = "hold"
    """A query that fails is never a verdict on the model."""

    @model_validator(mode="after")
    def _steps_name_gates(self) -> Self:
        known = [metric.name for metric in self.analysis.metrics]
        steps = ("strategy", "canary", "steps")
        return agreed(
            self,
            [
                problem(f"got {name!r}, expected one of {', '.join(known)}", *steps, index, "analysis", "until", place)
                for index, step in enumerate(self.strategy.canary.steps)
                for place, name in enumerate(step.analysis.until if step.analysis else ())
                if name not in known
            ],
        )


# --- status ----------------------------------------------------------------------------------------------------------

Verdict = Literal["NoData", "Inconclusive", "Successful", "Failed"]
"""A gate's answer. `NoData` and `Inconclusive` are answers, never failures."""


class Condition(_Strict):
    """As in metav1.Condition."""

    type: ConditionType
    """What it is about."""
    status: Literal["True", "False"]
    """Whether it is so."""
    reason: str
    """Why, as a `Reason`: for programs."""
    message: str = ""
    """Why, as a sentence: for people."""
    last_transition_time: datetime
    """When `status` last changed."""
    observed_generation: int = 1
    """The spec's generation that it speaks of."""


class VersionRef(_Strict):
    """A registry version, pinned."""

    version: str
    """The registry's number for it."""
    digest: str | None = None
    """Of its kanarya.json; None where the registry has none (it is then refused)."""
    uri: str | None = None
    """Where the artifact lies, immutable."""


class Tally(_Strict):
    """Observations and how many of them were bad."""

    n: int = Field(default=0, ge=0)
    """Observations."""
    bad: int = Field(default=0, ge=0)
    """Of them: errors, slow answers or wrong predictions."""


class Evidence(_Strict):
    """What a gate has seen and what it says."""

    metric: str
    """The gate's name."""
    candidate: Tally = Tally()
    """What was counted of the candidate."""
    stable: Tally = Tally()
    """What was counted of the champion in the same windows."""
    log_e: Quantity | None = None
    """Natural log of the e-value against the candidate (worse than `tolerate`); refuses at `threshold`."""
    log_e_good: Quantity | None = None
    """Natural log of the e-value for it (better than `refuse`)."""
    threshold: Quantity | None = None
    """ln(1/alpha) after division."""
    threshold_good: Quantity | None = None
    """ln(1/beta)."""
    verdict: Verdict = "NoData"
    """What the gate says."""
    needs: int | None = None
    """About how many more candidate observations it needs at the rates seen so far; None when it cannot say."""
    message: str = ""
    """One sentence for people."""


class Ledger(_Strict):
    """The controller's own book-keeping, in the same write as everything it follows from, so that a restart neither
    loses nor repeats an observation. Not for people."""

    counters: dict[str, int] = Field(default_factory=dict)
    """Series → the raw count up to which it has been used."""
    gates: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    """Gate → its running sums, as decimal strings."""
    step_observations: dict[str, int] = Field(default_factory=dict)
    """Gate → candidate observations since the present step began."""
    slower_than: str | None = None
    """The bound that `slow` means in this rollout, pinned at its start, as a duration."""
    first_traffic_at: datetime | None = None
    """When the candidate's first request was counted."""
    let_go_at: datetime | None = None
    """When the gateway was first seen to send `retiring` nothing."""


class ModelRolloutStatus(_Strict):
    """What the controller knows. Everything it needs to go on is here."""

    observed_generation: int = 0
    """The spec's generation that the controller has acted on."""
    canary_weight: Percent = 0
    """Percent of requests that the gateway is to send to the candidate: always a function of this status."""
    current_step_index: int | None = None
    """Index into `steps`; the number of steps when all are done; None when no candidate is on its way."""
    step_started_at: datetime | None = None
    """When the present step began."""
    started_at: datetime | None = None
    """When the present candidate was pinned."""
    stable: VersionRef | None = None
    """The champion."""
    candidate: VersionRef | None = None
    """The present candidate, or the last one after it was promoted, refused or rolled back."""
    retiring: VersionRef | None = None
    """A version that has no traffic any more and is to be stopped once the gateway has let go of it."""
    evidence: tuple[Evidence, ...] = ()
    """What each gate has seen of the present candidate, and what it says."""
    conditions: tuple[Condition, ...] = ()
    """One of each type at most."""
    last_request_id: str | None = None
    """Id of the last answered ANNOTATION_REQUEST."""
    ledger: Ledger = Ledger()
    """The controller's own book-keeping."""

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type, if it was ever set."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def is_true(self, kind: ConditionType) -> bool:
        """Whether that condition stands and is True."""
        condition = self.condition(kind)
        return condition is not None and condition.status == "True"


class Request(_Strict):
    """The value of ANNOTATION_REQUEST."""

    id: str
    """Unique; the controller answers each id once."""
    verb: Verb
    """What is asked."""
    by: str = ""
    """Who asks."""
    full: bool = False
    """With `promote`: skip what is left of the steps."""


class ModelRollout(_Strict):
    """The resource."""

    api_version: Literal["kanarya.dev/v1alpha1"] = "kanarya.dev/v1alpha1"
    """The form of this document."""
    kind: Literal["ModelRollout"] = "ModelRollout"
    """What it is."""
    metadata: Metadata
    """Name, labels, annotations."""
    spec: ModelRolloutSpec
    """What a person writes."""
    status: ModelRolloutStatus = ModelRolloutStatus()
    """What the controller knows."""
