"""What is counted, and how it is written for Prometheus. Edges count; `/metrics` calls `exposition`.

On the path of a request a count is an addition to an int; names, labels and text are made when somebody scrapes. Series that
a gate or an alert reads are there from the start with zero, so that "nothing happened" and "nobody counts" look different.
Every label value is bounded: codes and reasons are fixed words, classes, features and bins are the contract's (and limited),
versions are those that are loaded (and limited) or come in feedback (and limited).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from threading import Lock
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from kanarya_contracts import metrics as names
from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.metrics import Edge
from kanarya_model.core.evidence import Evidence
from kanarya_model.core.model import Prediction
from kanarya_model.core.pairs import Pairs
from kanarya_model.core.refusal import Reason
from kanarya_model.core.reports import Reports
from kanarya_model.core.tally import Tally

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

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


class Counted(Protocol):
    """A model version, as far as it is counted."""

    counts: Counts
    copies: Counts
    """Of requests whose answers nobody got: under names of their own."""
    pairs: Pairs
    reports: Reports
    """The same for every version of a model."""


class Exposition(Collector):
    """The text that Prometheus scrapes: of whom `counted` names at that moment, with what `others` have to say, and about the
    process."""

    def __init__(self, counted: Callable[[], Sequence[Counted]], others: Sequence[Collector] = ()) -> None:
        self._counted = counted
        self._registry = CollectorRegistry(auto_describe=False)
        for collector in (self, *others):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Every series, as they are now."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client: a family a name, with the samples of every model version."""
        counted = self._counted()
        counts = [one.counts for one in counted]
        yield from _request_families(counts)
        yield from _model_families(counts)
        yield from _reported_families({one.reports.model: one.reports for one in counted}.values())
        yield from _feature_families(counts)
        yield from _mirrored_families(counted)


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
    info = GaugeMetricFamily(names.INFO, "What is served; always 1.", labels=(*_OWN, "digest", "format"))
    for counts in all_counts:
        for name, count in counts.tally.counts():
            predictions.add_metric((*counts.own, name), count)
        info.add_metric((*counts.own, *counts.info), 1)
    return predictions, info


def _mirrored_families(counted: Sequence[Counted]) -> Iterable[Metric]:
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
    for one in counted:
        copies = one.copies
        for right, count in one.pairs.counts.items():
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


def _reported_families(all_reports: Iterable[Reports]) -> Iterable[Metric]:
    feedback = CounterMetricFamily(names.FEEDBACK, "Labels that came back, by outcome.", labels=(*_OWN, names.OUTCOME))
    scores = [CounterMetricFamily(name, text, labels=_OWN) for name, text in _SCORES.items()]
    labels = (*_OWN, names.GOAL)
    units = CounterMetricFamily(names.GOAL_UNITS, "Users of an A/B test of whom clients have reported.", labels=labels)
    reached = CounterMetricFamily(names.GOAL_REACHED, "Those of them who reached the goal.", labels=labels)
    goal_scores = [CounterMetricFamily(name, text, labels=(*labels, names.BOUNDS)) for name, text in _GOAL_SCORES.items()]
    for reports in all_reports:
        for version, (right, wrong) in reports.feedback.items():
            feedback.add_metric((reports.model, version, "right"), right)
            feedback.add_metric((reports.model, version, "wrong"), wrong)
        for version, sums in reports.scores.items():
            for family, amount in zip(scores, sums, strict=True):
                family.add_metric((reports.model, version), amount)
        for (version, goal, bounds), amounts in reports.goals.items():
            own = (reports.model, version, goal)
            for family, amount in zip(goal_scores if bounds else (units, reached), amounts, strict=False):
                family.add_metric((*own, bounds) if bounds else own, amount)
    return feedback, *scores, units, reached, *goal_scores


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
