"""What is counted, and how it is written for Prometheus. Edges count; `/metrics` calls `exposition`.

On the path of a request a count is an addition to an int; names, labels and text are made when somebody scrapes. Series that
a gate or an alert reads are there from the start with zero, so that "nothing happened" and "nobody counts" look different.
Every label value is bounded: codes and reasons are fixed words, classes, features and bins are the contract's (and limited),
versions in feedback are limited.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from threading import Lock

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from kanarya_contracts import metrics as names
from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.metrics import Edge
from kanarya_model.core.evidence import Evidence
from kanarya_model.core.feedback import Feedback
from kanarya_model.core.goal import GoalReport
from kanarya_model.core.model import Prediction
from kanarya_model.core.pairs import Pairs
from kanarya_model.core.refusal import Reason, Refusal, listed
from kanarya_model.core.tally import Tally

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

MOST_FEEDBACK_VERSIONS = 32
"""Different versions that one process counts feedback for."""

MOST_GOALS = 32
"""Different goals of A/B tests that one process counts, each version's apart."""

_FROM_THE_START = (200, 500, 503)
_OWN = (names.MODEL, names.VERSION)
_SCORES = {
    names.SCORES: "Scores that came back.",
    names.SCORE_SUM: "Their sum.",
    names.SCORE_SQUARES: "The sum of their squares.",
}
_GOAL_SCORES = {
    names.GOAL_SCORES: "Users of an A/B test of whom clients have reported a score.",
    names.GOAL_SCORE_SUM: "The sum of those scores, from 0 for the least to 1 for the most there can be.",
    names.GOAL_SCORE_SQUARES: "The sum of their squares.",
    names.GOAL_OUTSIDE: "Users whose score was refused because it lies outside.",
}


class Histogram:
    """Amounts of something, in buckets of the contract."""

    def __init__(self, bounds: tuple[float, ...] = names.DURATION_BUCKETS) -> None:
        self._bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        """Not cumulative; the last is above every bound."""
        self.sum = 0.0

    def observe(self, amount: float) -> None:
        """Count one."""
        self.sum += amount
        self.buckets[bisect_left(self._bounds, amount)] += 1

    def cumulative(self) -> list[tuple[str, float]]:
        """Bound → how many were at most that, as Prometheus has it."""
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.buckets)), strict=True))


class Counts:
    """The counters of one model version in this process: of requests that somebody waits for, or of copies of them. Used from
    the event loop and from gRPC's threads."""

    def __init__(self, *, model: str, version: str, digest: str, contract: ArtifactContract, evidence: Evidence) -> None:
        self.evidence = evidence
        self.own = (model, version)
        self.info = (digest, contract.runtime.format)
        self.in_flight = 0
        self.codes: dict[tuple[Edge, int], int] = {}
        """By door and HTTP status."""
        self.durations = Histogram()
        self.queue = Histogram()
        self.batches = Histogram(names.BATCH_BUCKETS)
        self.rejected = dict.fromkeys(Reason, 0)
        self.tally = Tally(contract)
        self.feedback = {version: [0, 0]}
        """Version → right, wrong."""
        self.goals: dict[tuple[str, str, str], list[float]] = {}
        """Version, goal and the bounds of its scores → what `GoalReport.sums` says."""
        self.scores = {version: [0.0, 0.0, 0.0]} if contract.task == "regression" else {}
        """Version → how many, their sum, the sum of their squares; nothing where answers are right or wrong."""
        self._lock = Lock()

    def opened(self, edge: Edge) -> None:
        """A door is there: what a gate or an alert reads of it begins with zero."""
        for code in _FROM_THE_START:
            self.codes.setdefault((edge, code), 0)

    def began(self) -> None:
        """An inference request came in; `ended` follows, whatever becomes of it."""
        with self._lock:
            self.in_flight += 1

    def ended(self) -> None:
        """It was answered, or its client has left."""
        with self._lock:
            self.in_flight -= 1

    def succeeded(self, edge: Edge, seconds: float, prediction: Prediction) -> None:
        """An answer with predictions went out, `seconds` after its request came in."""
        with self._lock:
            self.codes[edge, 200] += 1
            self.durations.observe(seconds)
            self.tally.add(prediction)

    def refused(self, edge: Edge | None, code: int, reason: Reason) -> None:
        """The client was told of its mistake. Without an edge it was none for inference, and is no request that counts."""
        with self._lock:
            if edge is not None:
                self.codes[edge, code] = self.codes.get((edge, code), 0) + 1
            self.rejected[reason] += 1

    def failed(self, edge: Edge) -> None:
        """The model or this server failed."""
        with self._lock:
            self.codes[edge, 500] += 1

    def overloaded(self, edge: Edge) -> None:
        """The request was not taken on: too much was asked at once."""
        with self._lock:
            self.codes[edge, 503] += 1

    def went(self, waits: Sequence[float]) -> None:
        """Requests that had waited for a thread for so many seconds were predicted together."""
        self.batches.observe(len(waits))
        for seconds in waits:
            self.queue.observe(seconds)

    def went_at_once(self, waits: Sequence[float]) -> None:
        """Requests were predicted together that needed no thread."""
        self.batches.observe(len(waits))

    def came_back(self, feedback: Feedback) -> None:
        """Labels came back. Raises Refusal for one version too many."""
        if feedback.version not in self.feedback and len(self.feedback) >= MOST_FEEDBACK_VERSIONS:
            known = listed(tuple(self.feedback), MOST_FEEDBACK_VERSIONS)
            message = (
                f"model_version: this server counts feedback for {MOST_FEEDBACK_VERSIONS} versions at most, and has {known}"
            )
            raise Refusal(Reason.VERSION, message)
        counts = self.feedback.setdefault(feedback.version, [0, 0])
        counts[0] += feedback.right
        counts[1] += feedback.wrong
        if feedback.scores:
            sums = self.scores.setdefault(feedback.version, [0.0, 0.0, 0.0])
            for index, amount in enumerate((len(feedback.scores), sum(feedback.scores), sum(s * s for s in feedback.scores))):
                sums[index] += amount

    def became(self, outcome: GoalReport) -> None:
        """What became of a user of an A/B test. Raises Refusal for one goal too many and, after it was counted as one, for a
        score outside of its bounds."""
        key = (outcome.version, outcome.goal, outcome.bounds)
        if key not in self.goals and len(self.goals) >= MOST_GOALS:
            known = listed(tuple(f"{goal} of {version}" for version, goal, _ in self.goals), MOST_GOALS)
            raise Refusal(Reason.LIMIT, f"goal: this server counts {MOST_GOALS} goals at most, and has {known}")
        counts = self.goals.setdefault(key, [0.0] * len(outcome.sums))
        for index, amount in enumerate(outcome.sums):
            counts[index] += amount
        if outcome.outside:
            raise Refusal(Reason.VALUE, outcome.outside)


class Exposition(Collector):
    """The text that Prometheus scrapes, with what `others` have to say, and about the process.

    `copies` are counted under names of their own: nobody got those answers.
    """

    def __init__(
        self, counts: Sequence[Counts], copies: Sequence[Counts], pairs: Sequence[Pairs], others: Sequence[Collector] = ()
    ) -> None:
        self._counts = counts
        self._copies = copies
        self._pairs = pairs
        self._registry = CollectorRegistry(auto_describe=False)
        for collector in (self, *others):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Every series, as they are now."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client: a family a name, with the samples of every model version."""
        yield from _request_families(self._counts)
        yield from _model_families(self._counts)
        yield from _goal_families(self._counts)
        yield from _feature_families(self._counts)
        yield from _mirrored_families(self._copies, self._pairs)


def _request_families(all_counts: Sequence[Counts]) -> Iterable[Metric]:
    requests = CounterMetricFamily(
        names.REQUESTS, "Inference requests answered, by door and HTTP status.", labels=(*_OWN, names.EDGE, names.CODE)
    )
    duration = HistogramMetricFamily(names.DURATION, "Seconds from request to answer, successes only.", labels=_OWN)
    queue = HistogramMetricFamily(names.QUEUE, "Seconds that a prediction waited for a thread.", labels=_OWN)
    batches = HistogramMetricFamily(names.BATCHES, "Requests that were predicted together.", labels=_OWN)
    rejected = CounterMetricFamily(names.REJECTED, "Requests answered 4xx, by what was wrong.", labels=(*_OWN, names.REASON))
    in_flight = GaugeMetricFamily(names.IN_FLIGHT, "Inference requests being answered.", labels=_OWN)
    for counts in all_counts:
        for (edge, code), count in sorted(counts.codes.items()):
            requests.add_metric((*counts.own, edge.value, str(code)), count)
        duration.add_metric(counts.own, counts.durations.cumulative(), counts.durations.sum)
        queue.add_metric(counts.own, counts.queue.cumulative(), counts.queue.sum)
        batches.add_metric(counts.own, counts.batches.cumulative(), counts.batches.sum)
        for reason, count in counts.rejected.items():
            rejected.add_metric((*counts.own, reason.value), count)
        in_flight.add_metric(counts.own, counts.in_flight)
    return requests, duration, queue, batches, rejected, in_flight


def _model_families(all_counts: Sequence[Counts]) -> Iterable[Metric]:
    predictions = CounterMetricFamily(names.PREDICTIONS, "Rows answered, by class or bin.", labels=(*_OWN, names.CLASS))
    feedback = CounterMetricFamily(names.FEEDBACK, "Labels that came back, by outcome.", labels=(*_OWN, names.OUTCOME))
    scores = [CounterMetricFamily(name, text, labels=_OWN) for name, text in _SCORES.items()]
    info = GaugeMetricFamily(names.INFO, "What is served; always 1.", labels=(*_OWN, "digest", "format"))
    for counts in all_counts:
        for name, count in counts.tally.counts():
            predictions.add_metric((*counts.own, name), count)
        for version, (right, wrong) in counts.feedback.items():
            feedback.add_metric((counts.own[0], version, "right"), right)
            feedback.add_metric((counts.own[0], version, "wrong"), wrong)
        for version, sums in counts.scores.items():
            for family, amount in zip(scores, sums, strict=True):
                family.add_metric((counts.own[0], version), amount)
        info.add_metric((*counts.own, *counts.info), 1)
    return predictions, feedback, *scores, info


def _mirrored_families(all_copies: Sequence[Counts], all_pairs: Sequence[Pairs]) -> Iterable[Metric]:
    requests = CounterMetricFamily(
        names.MIRRORED_REQUESTS, "Copies of inference requests answered, by HTTP status.", labels=(*_OWN, names.CODE)
    )
    duration = HistogramMetricFamily(names.MIRRORED_DURATION, "Seconds from copy to answer, successes only.", labels=_OWN)
    predictions = CounterMetricFamily(
        names.MIRRORED_PREDICTIONS, "Rows of copies answered, by class or bin.", labels=(*_OWN, names.CLASS)
    )
    paired = CounterMetricFamily(
        names.PAIRS, "Labels of copies, by which version was right.", labels=(*_OWN, names.CHAMPION, names.CHALLENGER)
    )
    for copies, pairs in zip(all_copies, all_pairs, strict=True):
        for right, count in pairs.counts.items():
            paired.add_metric((*copies.own, *("right" if one else "wrong" for one in right)), count)
        by_code: Counter[int] = Counter()
        for (_, code), count in copies.codes.items():
            by_code[code] += count
        for code, count in sorted(by_code.items()):
            requests.add_metric((*copies.own, str(code)), count)
        duration.add_metric(copies.own, copies.durations.cumulative(), copies.durations.sum)
        for name, count in copies.tally.counts():
            predictions.add_metric((*copies.own, name), count)
    return requests, duration, predictions, paired


def _goal_families(all_counts: Sequence[Counts]) -> Iterable[Metric]:
    labels = (*_OWN, names.GOAL)
    units = CounterMetricFamily(names.GOAL_UNITS, "Users of an A/B test of whom clients have reported.", labels=labels)
    reached = CounterMetricFamily(names.GOAL_REACHED, "Those of them who reached the goal.", labels=labels)
    scores = [CounterMetricFamily(name, text, labels=(*labels, names.BOUNDS)) for name, text in _GOAL_SCORES.items()]
    for counts in all_counts:
        for (version, goal, bounds), sums in counts.goals.items():
            own = (counts.own[0], version, goal)
            for family, amount in zip(scores if bounds else (units, reached), sums, strict=False):
                family.add_metric((*own, bounds) if bounds else own, amount)
    return units, reached, *scores


def _feature_families(all_counts: Sequence[Counts]) -> Iterable[Metric]:
    labels = (*_OWN, names.FEATURE)
    values = CounterMetricFamily(
        names.FEATURES, "Values of answered rows, by bin of the reference.", labels=(*labels, names.BIN)
    )
    reference = GaugeMetricFamily(
        names.FEATURES_REFERENCE, "Training rows, by bin of the reference.", labels=(*labels, names.BIN)
    )
    missing = CounterMetricFamily(names.FEATURES_MISSING, "Answered rows without a value.", labels=labels)
    outside = CounterMetricFamily(names.FEATURES_OUTSIDE, "Values that the training rows did not reach.", labels=labels)
    for counts in all_counts:
        for feature in counts.evidence.features():
            own = (*counts.own, feature.name)
            for name, count in feature.bins.items():
                values.add_metric((*own, name), count)
                reference.add_metric((*own, name), feature.reference[name])
            missing.add_metric(own, feature.missing)
            outside.add_metric(own, feature.outside)
    return values, reference, missing, outside
