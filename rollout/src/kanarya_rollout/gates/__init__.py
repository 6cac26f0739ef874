"""Gates: one statistical test a file, pure, each with the source of its formula. Used by `decide`.

sequential_ratio       errors and slow requests: ratio of rates
sequential_proportion  labels: difference of accuracies
sequential_pairs       labels of mirrored requests: the same difference, on the same requests
sequential_mean        scores: difference of means
distribution           predictions: how far any class's share moved
sample_ratio           the split itself; blocks a promotion, refuses nobody
threshold              absolute guard
own_past               a version against itself, after its promotion; not a gate of a rollout
goal                   what an A/B test is about: difference of two shares of users, or of two means, with its interval

gate    what a gate is              mixture      means of e-processes, and the answer they give together
window  what it folds               proportions  e-variables for two proportions, and `difference` their interval
panel   all of a rollout's          means        bets on two means, and `mean_difference` their interval
"""

from kanarya_rollout.gates.gate import Gate, Saved
from kanarya_rollout.gates.own_past import JUDGED, against_past
from kanarya_rollout.gates.panel import Panel, Plan, open_gate, refusing
from kanarya_rollout.gates.window import Classes, Observed, Pairs, Reported, Scores, Split, Sums, Window

__all__ = [
    "JUDGED",
    "Classes",
    "Gate",
    "Observed",
    "Pairs",
    "Panel",
    "Plan",
    "Reported",
    "Saved",
    "Scores",
    "Split",
    "Sums",
    "Window",
    "against_past",
    "open_gate",
    "refusing",
]
