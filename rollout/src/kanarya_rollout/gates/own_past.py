"""Has a version become worse than it was? For a champion after its promotion, with nobody beside it to be compared with.

Of its past there are n observations, e of them bad, up to a moment that the data chose. Half of alpha is spent on each of

    the past   M(p) = B(e + 1, n - e + 1) / (p^e (1 - p)^(n - e)) is a martingale that starts at 1 if p is the rate: a mixture
               over uniform alternatives (H. Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm",
               Annals of Mathematical Statistics 41(5), 1970; as a confidence sequence: S. Howard, A. Ramdas, J. McAuliffe,
               J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", arXiv 1810.08240, section 3).
               By Ville's inequality the rate lies, at every moment, below U = the largest p with M(p) < 2 / alpha.
    the line   q, from U and the gate's own margin: `refuse` times U and no less than `negligible`, or U less `refuse`.
    since      E = mean over r > q of (r / q)^bad ((1 - r) / (1 - q))^(n - bad) is an e-process for every rate up to q, also
               for one that changes. It refuses at 2 / alpha.

So a version that got no worse than `refuse` is refused with a chance of at most alpha, over all looks. What would befall any
version, such as an incident, is taken for its own fault: that needs the other side, which has no traffic any more.
"""

import math
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, Tally, Verdict
from kanarya_rollout.gates.gate import words
from kanarya_rollout.gates.mixture import geometric, log_mean_exp, shown

JUDGED = frozenset({"sequential-ratio", "sequential-proportion"})
"""Tests whose margin says what "worse" is for a share of bad observations."""

HIGHEST = 0.9
"""A line above says that the past was too short, or too bad, to be held against anybody."""

_TERMS = 16


def against_past(spec: GateSpec, alpha: float, past: Tally, since: Tally) -> Evidence:
    """What is said of `since` (as `candidate`) against `past` (as `stable`): Failed, or not that. `alpha`: the gate's part."""
    threshold = math.log(2 / alpha)
    line = _line(spec, _upper(past.n, past.bad, threshold))
    log_e = _log_e(line, since) if line < HIGHEST else 0.0
    verdict: Verdict = "NoData" if since.n == 0 else "Failed" if log_e >= threshold else "Inconclusive"
    return Evidence(
        metric=spec.name,
        candidate=since,
        stable=past,
        log_e=shown(log_e),
        threshold=shown(threshold),
        verdict=verdict,
        message=_message(spec, line, past, since, verdict),
    )


def _line(spec: GateSpec, upper: float) -> float:
    margin = spec.needed_margin()
    if spec.test == "sequential-ratio":
        return max(float(margin.refuse) * upper, float(margin.negligible or 0))
    return upper - float(margin.refuse)


@lru_cache(maxsize=1024)
def _upper(n: int, bad: int, threshold: float) -> float:
    """The largest rate that the past does not speak against, to nine digits; 1 without a past that was any good."""
    if bad == n:
        return 1.0
    mixture = math.lgamma(bad + 1) + math.lgamma(n - bad + 1) - math.lgamma(n + 2)
    low, high = bad / n, 1.0
    for _ in range(30):  # M grows beyond the rate that was seen
        middle = (low + high) / 2
        likelihood = (bad * math.log(middle) if bad else 0.0) + (n - bad) * math.log1p(-middle)
        low, high = (middle, high) if mixture - likelihood < threshold else (low, middle)
    return high


def _log_e(line: float, since: Tally) -> float:
    good, rates = since.n - since.bad, geometric(min(1.25 * line, (1 + line) / 2), (3 + line) / 4, _TERMS)
    base = since.bad * math.log(line) + good * math.log1p(-line)
    return log_mean_exp([since.bad * math.log(rate) + good * math.log1p(-rate) - base for rate in rates])


def _message(spec: GateSpec, line: float, past: Tally, since: Tally, verdict: Verdict) -> str:
    word = words(spec.counts())
    if since.n == 0:
        return f"no {word.observations} since the promotion yet"
    now = f"{_percent(since)}% of {since.n:,} {word.observations} {word.bad} since the promotion"
    if line >= HIGHEST:
        return f"{now}; {past.n:,} before it are too few to be compared with"
    then = f"{now}, {_percent(past)}% of {past.n:,} before it"
    return f"{then}: {'more' if verdict == 'Failed' else 'no evidence of more'} than {100 * line:.3g}%"


def _percent(tally: Tally) -> str:
    return f"{100 * tally.bad / tally.n:.3g}"
