"""What the controller knows. It alone writes it; everything it needs to go on after a restart is here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from kanarya_contracts.names import ConditionType
from kanarya_contracts.quantities import Quantity
from kanarya_contracts.rollout.base import Percent, Strict

Verdict = Literal["NoData", "Inconclusive", "Successful", "Failed", "NoDifference"]
"""A gate's answer. `NoData` and `Inconclusive` are answers, never failures. `NoDifference`: of an A/B test's goal alone, when
the two versions are surely alike."""


class Condition(Strict):
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


class VersionRef(Strict):
    """A registry version, pinned."""

    version: str
    """The registry's number for it."""
    digest: str | None = None
    """Of its kanarya.json; None where the registry has none (it is then refused)."""
    uri: str | None = None
    """Where the artifact lies, immutable."""


class Quarantined(Strict):
    """A version that was taken back for a reason of its own, and is not tried again until a person says so."""

    version: str
    """The registry's number for it."""
    digest: str | None = None
    """Of its kanarya.json: the same bytes under another number are in quarantine too."""
    reason: str
    """Why it was taken back, as a `Reason`."""
    message: str = ""
    """Why, as a sentence."""
    since: datetime
    """When."""


class Tally(Strict):
    """Observations and how many of them were bad."""

    n: int = Field(default=0, ge=0)
    """Observations."""
    bad: int = Field(default=0, ge=0)
    """Of them: errors, slow answers or wrong predictions."""
    mean: Quantity | None = None
    """Of scores: their mean, in their unit. Of an A/B test's goal: the share of users who reached it."""


class Interval(Strict):
    """Where a difference lies, candidate less champion; it holds however often one looks. Empty, with `low` above `high`, if it
    did not stay the same."""

    difference: Quantity
    """As counted."""
    low: Quantity
    """The true one is at least that."""
    high: Quantity
    """The true one is at most that."""
    level: Quantity
    """Chance that it holds, over all looks together, or more."""


class Evidence(Strict):
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
    interval: Interval | None = None
    """Of an A/B test's goal: the difference of the two shares, or means."""
    verdict: Verdict = "NoData"
    """What the gate says."""
    needs: int | None = None
    """About how many more candidate observations it needs at the rates seen so far; None when it cannot say."""
    message: str = ""
    """One sentence for people."""


class Out(Strict):
    """How a challenger left a test that went on without it, or that another one won."""

    reason: str
    """Why, as a `Reason`."""
    message: str = ""
    """Why, as a sentence."""
    since: datetime
    """When."""


Bucket = Annotated[int, Field(ge=0, le=99)]
"""One of the hundred that an A/B test's users are in."""

_Kept = Annotated[
    Mapping[str, Mapping[str, list[str]]],
    PlainSerializer(
        lambda kept: {name: dict(texts) for name, texts in kept.items()}, return_type=dict[str, dict[str, list[str]]]
    ),
]
"""Whoever writes it may put in a mapping that makes its texts when they are read."""


class InForce(Strict):
    """How requests are split between candidate and champion, as the gateway says."""

    weight: Percent
    """Of the candidate."""
    of: Percent
    """Of both together."""
    since: datetime
    """When the gateway was first seen to have it."""
    settled: bool = False
    """Whether whatever is counted after the last reading was asked while it had."""


class Ledger(Strict):
    """The controller's own book-keeping, in the same write as everything it follows from, so that a restart neither
    loses nor repeats an observation. Not for people."""

    counters: dict[str, int] = Field(default_factory=dict)
    """Series → the raw count up to which it has been used."""
    gates: _Kept = Field(default_factory=dict)
    """Gate → what it has counted: whole numbers as decimals, running sums as base64 of their doubles."""
    step_observations: dict[str, int] = Field(default_factory=dict)
    """Gate → candidate observations since the present step began."""
    split: InForce | None = None
    """None while a weight is on its way to the gateway."""
    slower_than: str | None = None
    """The bound that `slow` means in this rollout, pinned at its start, as a duration."""
    first_traffic_at: datetime | None = None
    """When the candidate's first request was counted."""
    let_go_at: datetime | None = None
    """When the gateway was first seen to send `retiring`, or `warm`, nothing."""
    away_since: datetime | None = None
    """In an A/B test of several: since when this challenger has had no ready server."""
    champion_lost: bool = False
    """Whether the champion was seen without a ready server while the candidate had weight: the split is not what the status
    says then, and what is counted is no evidence until `analysis.interval` after it is back."""
    champion_back_at: datetime | None = None
    """When it was seen ready again."""


class Rival(Strict):
    """A challenger of an A/B test of several that is not `status.candidate` now. The fields that it shares with the status mean
    what they mean there; whoever is `candidate` and who is a rival makes no difference to the test."""

    alias: str
    """What pointed to it in the registry when the test began."""
    candidate: VersionRef
    """The version, pinned."""
    canary_weight: Percent = 0
    """Percent of users that the gateway is to send to it."""
    first_bucket: Bucket = 0
    """The lowest of its users' buckets."""
    evidence: tuple[Evidence, ...] = ()
    """What each gate has seen of it, and what it says."""
    out: Out | None = None
    """Why it is in the test no more; None while it is."""
    gone: bool = False
    """Whether its server may be stopped: it is out, and the gateway has let go of it."""
    ledger: Ledger = Ledger()
    """The controller's own book-keeping."""


class Audit(Strict):
    """How far the record of decisions is. A record is in the status, with the decision it is about in one write, until it is
    known to be kept outside of it; so none is lost, and none written twice, wherever the controller ends."""

    chain: str
    """Names this object's records among all others."""
    place: str
    """Where they are kept, as a URL."""
    sequence: int = Field(default=0, ge=0)
    """The last record's number."""
    hash: str | None = None
    """And its hash."""
    pending: tuple[str, ...] = ()
    """The last records, each as it is to be kept, that are not known to be kept yet."""
    missed: int = Field(default=0, ge=0)
    """Decisions since the last record that none was made of, because too many were pending. The next record says so."""


class ModelRolloutStatus(Strict):
    """What the controller knows. Everything it needs to go on is here."""

    observed_generation: int = 0
    """The spec's generation that the controller has acted on."""
    canary_weight: Percent = 0
    """Percent of requests that the gateway is to send to the candidate: always a function of this status."""
    canary_mirror: Percent = 0
    """Percent of requests whose copy the gateway is to send to the candidate: a function of this status, like the weight, and 0
    while there is a weight."""
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
    candidate_alias: str | None = None
    """What pointed to it in the registry, where that was not `registry.candidateAlias`: in an A/B test of several."""
    first_bucket: Bucket = 0
    """In an A/B test of several, the lowest of the candidate's users' buckets. Set with the weights, so that an edit of the
    spec moves nobody before it moves them."""
    rivals: tuple[Rival, ...] = ()
    """In an A/B test of several: every other challenger, by alias, those included that are out."""
    warm: VersionRef | None = None
    """The champion before the last promotion, while its server is kept for `rollbackWindow`. It has no traffic."""
    warm_since: datetime | None = None
    """When that promotion was."""
    retiring: VersionRef | None = None
    """A version that has no traffic any more and is to be stopped once the gateway has let go of it."""
    quarantine: tuple[Quarantined, ...] = ()
    """Versions that are not tried again until `kanarya rollout retry`, the newest last. The last twenty."""
    evidence: tuple[Evidence, ...] = ()
    """What each gate has seen of the present candidate, and what it says."""
    since_promotion: tuple[Evidence, ...] = ()
    """What each gate on errors, slow answers and labels has seen of the version since it was promoted (`candidate`), against
    its own past (`stable`), as long as `rollbackWindow` lasts; it stays until the next candidate."""
    conditions: tuple[Condition, ...] = ()
    """One of each type at most."""
    last_request_id: str | None = None
    """Id of the last answered ANNOTATION_REQUEST."""
    last_request_refusal: str | None = None
    """Why that request was not done, and what to do instead; None if it was."""
    audit: Audit | None = None
    """The record of decisions; None while none is kept."""
    ledger: Ledger = Ledger()
    """The controller's own book-keeping."""

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type, if it was ever set."""
        for condition in self.conditions:
            if condition.type == kind:
                return condition
        return None

    def is_true(self, kind: ConditionType) -> bool:
        """Whether that condition stands and is True."""
        condition = self.condition(kind)
        return condition is not None and condition.status == "True"
