"""The `ModelRollout` resource: what a person writes (spec) and what the controller knows (status).

Read by `rollout` (which alone writes status), by `cli`, and by the CRD that is made from these models. Strict: an unknown
field is a problem, because a misspelt gate is a gate that is not there. No floats: quantities and durations are strings.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, ConditionType, Verb
from kanarya_contracts.quantities import Duration, Quantity, parse_duration
from kanarya_contracts.serving import Metadata


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


# --- spec ------------------------------------------------------------------------------------------------------------


class TargetRef(_Strict):
    """What serves the model."""

    api_version: Literal["serving.kserve.io/v1beta1"] = "serving.kserve.io/v1beta1"
    kind: Literal["InferenceService"] = "InferenceService"
    name: str


class RegistryRef(_Strict):
    """Where intent comes from."""

    model: str = Field(min_length=1)
    """Registered model's name."""
    stable_alias: str = ALIAS_STABLE
    candidate_alias: str = ALIAS_CANDIDATE
    poll_interval: Duration = parse_duration("15s")

    @model_validator(mode="after")
    def _two_aliases(self) -> Self:
        if self.stable_alias == self.candidate_alias:
            raise ValueError(f"stableAlias and candidateAlias are both {self.stable_alias!r}, expected two different ones")
        return self


class GatewayRef(_Strict):
    """The Gateway whose listener carries the traffic."""

    name: str
    namespace: str = "default"


class Traffic(_Strict):
    """Who splits the traffic. Local mode's Envoy stands in for every driver."""

    driver: Literal["gateway", "kserve"] = "gateway"
    gateway_ref: GatewayRef | None = None
    hostnames: tuple[str, ...] = ()


class Pause(_Strict):
    """Wait."""

    duration: Duration | None = None
    """How long; without it, until `kanarya rollout promote`."""


class SetMirror(_Strict):
    """Copy requests to the candidate and throw its answers away."""

    percentage: int = Field(ge=0, le=100)


class StepAnalysis(_Strict):
    """Wait until the named gates are Successful."""

    until: tuple[str, ...] = Field(min_length=1)


class Step(_Strict):
    """Exactly one of the fields."""

    set_weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of requests to the candidate. The step ends when every gate with `minSamples` has seen that many of them
    at this weight, and none refuses."""
    pause: Pause | None = None
    set_mirror: SetMirror | None = None
    analysis: StepAnalysis | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"got {given or 'nothing'}, expected exactly one of setWeight, pause, setMirror, analysis")
        return self


class Canary(_Strict):
    """Weights in steps. After the last step the candidate waits at its weight until every gate is Successful."""

    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _weights_ascend(self) -> Self:
        weights = [step.set_weight for step in self.steps if step.set_weight is not None]
        if not weights:
            raise ValueError("no step sets a weight, expected at least one setWeight")
        if weights != sorted(set(weights)):
            raise ValueError(f"weights are {weights}, expected each to be larger than the one before")
        return self


class Strategy(_Strict):
    """How traffic moves."""

    canary: Canary


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
    test: Literal["sequential-ratio", "sequential-proportion", "threshold"]
    signal: Signal | None = None
    """What is counted. Follows from a name that starts with `error-rate`, `latency` or `accuracy`."""
    margin: Margin | None = None
    """For the sequential tests, required."""
    failure_condition: Annotated[str, Field(pattern=r"^[<>]=?\s*\d+(\.\d+)?$")] | None = None
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
        """The signal, given or implied."""
        implied = next((signal for start, signal in _SIGNALS.items() if self.name.startswith(start)), None)
        signal = self.signal or implied
        assert signal is not None  # noqa: S101 (the validator below)
        return signal

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if self.signal is None and not self.name.startswith(tuple(_SIGNALS)):
            wrong.append(
                "signal is missing: give errors, slow or labels, or a name that starts with error-rate, latency or accuracy"
            )
        if not (0 < self.alpha < 1 and 0 < self.beta < 1):
            wrong.append("alpha and beta must lie between 0 and 1")
        wrong += self._threshold_problems() if self.test == "threshold" else self._margin_problems()
        bounds = [timedelta(seconds=bound) for bound in DURATION_BUCKETS]
        if self.slower_than is not None and self.slower_than not in bounds:
            known = ", ".join(f"{bound * 1000:g}ms" for bound in DURATION_BUCKETS)
            wrong.append(f"slowerThan is {self.slower_than.total_seconds() * 1000:g}ms, expected one of {known}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _threshold_problems(self) -> list[str]:
        wrong = []
        if self.failure_condition is None:
            wrong.append('test threshold needs failureCondition, such as "> 0.05"')
        if self.margin is not None:
            wrong.append("test threshold takes no margin")
        return wrong

    def _margin_problems(self) -> list[str]:
        if self.margin is None:
            return [f"test {self.test} needs margin"]
        low, high = self.margin.tolerate, self.margin.refuse
        wrong = []
        if self.failure_condition is not None:
            wrong.append(f"test {self.test} takes no failureCondition")
        if self.test == "sequential-ratio" and not 0 < low < high:
            wrong.append(f"margin is tolerate {low}, refuse {high}; expected ratios with 0 < tolerate < refuse")
        if self.test == "sequential-proportion" and not 1 > low > high > -1:
            wrong.append(f"margin is tolerate {low}, refuse {high}; expected differences with tolerate above refuse")
        if self.margin.negligible is not None and not (self.test == "sequential-ratio" and 0 < self.margin.negligible < 1):
            wrong.append("margin.negligible is a rate between 0 and 1, for sequential-ratio")
        return wrong


class Analysis(_Strict):
    """When to look, and at what."""

    interval: Duration = parse_duration("30s")
    initial_delay: Duration = parse_duration("0s")
    """After the candidate's first request; what happens in it is not counted."""
    metrics: tuple[GateSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError(f"metrics are named {names}, expected no name twice")
        return self


class ModelRolloutSpec(_Strict):
    """What a person writes."""

    target_ref: TargetRef
    registry: RegistryRef
    traffic: Traffic = Traffic()
    progress_deadline_seconds: int = Field(default=600, ge=1)
    """For download, start and example; past it the candidate is rolled back."""
    deadline: Duration = parse_duration("24h")
    """For the whole rollout; past it, `onInconclusive`."""
    strategy: Strategy
    analysis: Analysis
    on_inconclusive: Literal["pause", "rollback", "promote"] = "pause"
    on_error: Literal["hold"] = "hold"
    """A query that fails is never a verdict on the model."""

    @model_validator(mode="after")
    def _steps_name_gates(self) -> Self:
        known = {metric.name for metric in self.analysis.metrics}
        for index, step in enumerate(self.strategy.canary.steps):
            unknown = sorted(set(step.analysis.until) - known) if step.analysis else []
            if unknown:
                raise ValueError(f"steps[{index}].analysis.until names {unknown}, expected some of {sorted(known)}")
        return self


# --- status ----------------------------------------------------------------------------------------------------------

Verdict = Literal["NoData", "Inconclusive", "Successful", "Failed"]
"""A gate's answer. `NoData` and `Inconclusive` are answers, never failures."""


class Condition(_Strict):
    """As in metav1.Condition."""

    type: ConditionType
    status: Literal["True", "False"]
    reason: str
    message: str = ""
    last_transition_time: datetime
    observed_generation: int = 1


class VersionRef(_Strict):
    """A registry version, pinned."""

    version: str
    digest: str | None = None
    """Of its kanarya.json; None where the registry has none (it is then refused)."""
    uri: str | None = None
    """Where the artifact lies, immutable."""


class Tally(_Strict):
    """Observations and how many of them were bad."""

    n: int = Field(default=0, ge=0)
    bad: int = Field(default=0, ge=0)


class Evidence(_Strict):
    """What a gate has seen and what it says."""

    metric: str
    candidate: Tally = Tally()
    stable: Tally = Tally()
    log_e: Quantity | None = None
    """Natural log of the e-value against the candidate (worse than `tolerate`); refuses at `threshold`."""
    log_e_good: Quantity | None = None
    """Natural log of the e-value for it (better than `refuse`)."""
    threshold: Quantity | None = None
    """ln(1/alpha) after division."""
    threshold_good: Quantity | None = None
    verdict: Verdict = "NoData"
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


class ModelRolloutStatus(_Strict):
    """What the controller knows. Everything it needs to go on is here."""

    observed_generation: int = 0
    canary_weight: int = Field(default=0, ge=0, le=100)
    """Percent of requests that the gateway is to send to the candidate: always a function of this status."""
    current_step_index: int | None = None
    """Index into `steps`; the number of steps when all are done; None when no candidate is on its way."""
    step_started_at: datetime | None = None
    started_at: datetime | None = None
    """When the present candidate was pinned."""
    stable: VersionRef | None = None
    candidate: VersionRef | None = None
    """The present candidate, or the last one after it was promoted, refused or rolled back."""
    retiring: VersionRef | None = None
    """A version that has no traffic any more and is to be stopped once the gateway has let go of it."""
    evidence: tuple[Evidence, ...] = ()
    conditions: tuple[Condition, ...] = ()
    last_request_id: str | None = None
    """Id of the last answered ANNOTATION_REQUEST."""
    ledger: Ledger = Ledger()

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
    verb: Verb
    by: str = ""
    full: bool = False
    """With `promote`: skip what is left of the steps."""


class ModelRollout(_Strict):
    """The resource."""

    api_version: Literal["kanarya.dev/v1alpha1"] = "kanarya.dev/v1alpha1"
    kind: Literal["ModelRollout"] = "ModelRollout"
    metadata: Metadata
    spec: ModelRolloutSpec
    status: ModelRolloutStatus = ModelRolloutStatus()
