"""Names of metrics and their labels, once. `model` exposes them, `rollout` reads them, charts and rules quote them.

Everything a gate reads is a cumulative counter per model version: deltas survive restarts, and nothing is averaged twice.
"""

from enum import StrEnum

MODEL = "model"
"""Label: registered model's name."""

VERSION = "version"
"""Label: registry version whose behaviour is counted (for feedback: the one that made the prediction)."""

CODE = "code"
"""Label: HTTP status as three digits. A client's mistake is 4xx and no fault of the model's; 5xx is (503: overloaded)."""

EDGE = "edge"
"""Label: the door that a request came by: `v2-rest`, `v1-rest` or `v2-grpc`; a server has the series of those it opens."""


class Edge(StrEnum):
    """Values of the label EDGE."""

    V2_REST = "v2-rest"
    """The Open Inference Protocol over HTTP."""
    V1_REST = "v1-rest"
    """The older `:predict` over HTTP."""
    V2_GRPC = "v2-grpc"
    """The Open Inference Protocol over gRPC."""


REQUESTS = "kanarya_model_requests_total"
"""Counter {model, version, edge, code}: inference requests answered."""

DURATION = "kanarya_model_request_duration_seconds"
"""Histogram {model, version}: seconds from the first byte of the request to the last of the answer, successes only."""

DURATION_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds. `slowerThan` in a rollout is one of these, so that "slow" is a count and no interpolation."""

MIRRORED_REQUESTS = "kanarya_model_mirrored_requests_total"
"""Counter {model, version, code}: copies of inference requests answered. Nobody got these answers; none is in REQUESTS."""

MIRRORED_DURATION = "kanarya_model_mirrored_request_duration_seconds"
"""Histogram {model, version}: as DURATION, of copies."""

FEEDBACK = "kanarya_model_feedback_total"
"""Counter {model, version, outcome}: labels that came back, by whether the prediction was right."""

OUTCOME = "outcome"
"""Label: `right` or `wrong`."""

PAIRS = "kanarya_model_pairs_total"
"""Counter {model, version, champion, challenger}: rows of copies whose label came back, by whether the champion's answer was
right and whether this version's was."""

CHAMPION = "champion"
"""Label: `right` or `wrong`, of the answer that somebody got."""

CHALLENGER = "challenger"
"""Label: `right` or `wrong`, of the answer to the copy."""

SCORES = "kanarya_model_scores_total"
"""Counter {model, version}: scores that came back for its answers, 0 or more. The model server counts errors of regressions, as
shares of the contract's bound, 0 to 1; a server of yours may count revenue, a rating, a Brier score."""

SCORE_SUM = "kanarya_model_score_sum_total"
"""Counter {model, version}: the sum of those scores."""

SCORE_SQUARES = "kanarya_model_score_squares_total"
"""Counter {model, version}: the sum of their squares, without which a mean says nothing about how sure it is."""

GOAL_UNITS = "kanarya_model_goal_units_total"
"""Counter {model, version, goal}: users of an A/B test of whom a client has reported what became of them."""

GOAL_REACHED = "kanarya_model_goal_reached_total"
"""Counter {model, version, goal}: those of them who reached the goal."""

GOAL = "goal"
"""Label: a goal's name, as clients report it; bounded in number."""

GOAL_SCORES = "kanarya_model_goal_scores_total"
"""Counter {model, version, goal, bounds}: users of an A/B test of whom a client has reported a score, such as revenue."""

GOAL_SCORE_SUM = "kanarya_model_goal_score_sum_total"
"""Counter {model, version, goal, bounds}: the sum of those scores, each counted as how far it lies from the least to the most
there can be, 0 to 1."""

GOAL_SCORE_SQUARES = "kanarya_model_goal_score_squares_total"
"""Counter {model, version, goal, bounds}: the sum of the squares of the same."""

GOAL_OUTSIDE = "kanarya_model_goal_outside_total"
"""Counter {model, version, goal, bounds}: users whose score was refused because it lies outside. The others lack them."""

BOUNDS = "bounds"
"""Label: the least and the most that a score can be, as the rollout says: `0..500`."""

PREDICTIONS = "kanarya_model_predictions_total"
"""Counter {model, version, class}: rows answered with each class; of a regression, with a number in each bin."""

MIRRORED_PREDICTIONS = "kanarya_model_mirrored_predictions_total"
"""Counter {model, version, class}: rows of copies answered with each class."""

CLASS = "class"
"""Label: a class of the contract, or the number of a bin of its reference's predictions, from 0 on. Where there are several
targets, with the target's name before it: `colour=red`."""

QUEUE = "kanarya_model_queue_seconds"
"""Histogram {model, version}: seconds that a prediction waited for a thread; those that need none are not in it."""

BATCHES = "kanarya_model_batch_requests"
"""Histogram {model, version}: requests that were predicted together, where the server merges those that wait."""

BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Upper bounds of that, in requests."""

FEATURES = "kanarya_model_feature_values_total"
"""Counter {model, version, feature, bin}: values of answered rows, copies included, by the bins of the artifact's reference
histogram."""

FEATURES_REFERENCE = "kanarya_model_feature_reference_rows"
"""Gauge {model, version, feature, bin}: training rows in each of those bins, which is what the values are compared with."""

FEATURES_MISSING = "kanarya_model_feature_missing_total"
"""Counter {model, version, feature}: answered rows without a value."""

FEATURES_OUTSIDE = "kanarya_model_feature_outside_total"
"""Counter {model, version, feature}: numbers beyond the training rows' smallest and largest, words that they did not have."""

FEATURE = "feature"
"""Label: a column of the contract."""

BIN = "bin"
"""Label: a bin of the column's reference histogram: its number from 0 on, or its word."""

REJECTED = "kanarya_model_rejected_total"
"""Counter {model, version, reason}: requests answered 4xx, by what was wrong with them."""

REASON = "reason"
"""Label: a short fixed word, never text from the client."""

IN_FLIGHT = "kanarya_model_requests_in_flight"
"""Gauge {model, version}: inference requests that have been read and not yet answered."""

INFO = "kanarya_model_info"
"""Gauge {model, version, digest, format}: always 1."""

REQUEST_LOG_ROWS = "kanarya_model_request_log_rows_total"
"""Counter {model, version, fate}: rows of the requests drawn for the request log; there where the log is on."""

FATE = "fate"
"""Label: `written`, `dropped` because too many waited, or `failed` because their file could not be written."""

ACCESS_LOG_LOST = "kanarya_model_access_log_lost_total"
"""Counter {}: requests without a line in the access log, because nobody read standard output; there where the log is on."""
