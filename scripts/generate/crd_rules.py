"""What the CRD's API server refuses beyond a schema: CEL, with the message that a person gets. Read by `crd`."""

from collections.abc import Mapping

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.rollout.gate import BY_COPIES, NAMED, SIGNALS

Rule = tuple[str, str]
"""A CEL expression, and what to say when it is false."""

_BOUNDS = ", ".join(f"duration('{bound * 1000:g}ms')" for bound in DURATION_BUCKETS)
_NUMBER = "[0-9]+([.][0-9]+)?"
_WEIGHTS = "self.steps.filter(s, has(s.setWeight))"
_POSITIVE: Rule = ("duration(self) > duration('0s')", "expected more than 0s")
_SHARE: Rule = ("double(self) > 0.0 && double(self) < 1.0", "expected more than 0 and less than 1")
_AB_TEST = "has(self.strategy.abTest)"
_THRESHOLD = "self.test == 'threshold'"
_MEAN = "self.test == 'sequential-mean'"
_ALONE = "self.test in ['threshold', 'sample-ratio']"
_CHOICE = [test for test, signals in SIGNALS.items() if len(signals) > 1]
_TELLING = [test for test, signals in SIGNALS.items() if len(signals) == 1 and set(signals) <= BY_COPIES]
_SLOW = f"(has(self.signal) ? self.signal == 'slow' : self.test in {_CHOICE} && self.name.startsWith('latency'))"
_BLUE = "has(self.strategy.blueGreen)"
_COPIED = "(self.strategy.blueGreen.mirror > 0)"
_BY_COPIES = (
    f"has(m.signal) ? m.signal in {sorted(BY_COPIES)} : m.test in {_TELLING} || "
    f"(m.test in {_CHOICE} && !m.name.startsWith('accuracy'))"
)
"""As `GateSpec.judged_by_copies`: what is counted is said, or follows from the test or the name."""
_REACH = "(double(self.scores.high) - double(self.scores.low))"


def _ordered(test: str, condition: str) -> str:
    """What holds of the margin of one test."""
    margin = condition.replace("tolerate", "double(self.margin.tolerate)").replace("refuse", "double(self.margin.refuse)")
    return f"self.test != '{test}' || !has(self.margin) || ({margin})"


RULES: Mapping[str, tuple[Rule, ...]] = {
    "": (
        (
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",
            "metadata.name: expected a DNS label that begins with a letter, of at most 63 characters",
        ),
    ),
    "spec": (
        (
            (
                "!has(self.strategy.canary) || self.strategy.canary.steps.all(s, !has(s.analysis) || "
                "s.analysis.until.all(n, self.analysis.metrics.exists(m, m.name == n)))"
            ),
            "strategy.canary.steps: analysis.until names a gate that is not in analysis.metrics",
        ),
        (
            "self.traffic.driver != 'gateway' || has(self.traffic.gatewayRef)",
            "traffic.gatewayRef is missing; driver gateway needs it: the Gateway that carries the HTTPRoute",
        ),
        (
            (
                "self.analysis.metrics.all(m, m.test != 'sequential-pairs') || "
                f"({_BLUE} ? {_COPIED} : "
                "has(self.strategy.canary) && "
                "self.strategy.canary.steps.exists(s, has(s.setMirror) && s.setMirror.percentage > 0))"
            ),
            "analysis.metrics: test sequential-pairs needs a setMirror step: pairs come from copies alone",
        ),
        (
            (
                f"self.traffic.driver != 'kserve' || ({_BLUE} ? !{_COPIED} : "
                "!has(self.strategy.canary) || self.strategy.canary.steps.all(s, !has(s.setMirror)))"
            ),
            "strategy: traffic.driver kserve does not mirror; take driver gateway, or begin with setWeight",
        ),
        (
            (f"!{_BLUE} || self.analysis.metrics.all(m, m.onNoData == 'pass' || ({_COPIED} && ({_BY_COPIES})))"),
            "analysis.metrics: strategy.blueGreen gives labels, scores and the split nothing to count; expected onNoData pass",
        ),
        (
            f"!({_AB_TEST}) || self.traffic.driver == 'gateway'",
            "traffic.driver: strategy.abTest needs driver gateway: KServe's own weights know no users",
        ),
        (
            f"!({_AB_TEST}) || duration(self.strategy.abTest.minimumDuration) < duration(self.deadline)",
            "strategy.abTest.minimumDuration: expected less than deadline",
        ),
        (
            f"!({_AB_TEST}) || self.analysis.metrics.all(m, m.name != self.strategy.abTest.goal.name)",
            "analysis.metrics: a gate has the name of strategy.abTest.goal; expected another",
        ),
        (
            f"!({_AB_TEST}) || self.analysis.metrics.all(m, m.test != 'sample-ratio')",
            "analysis.metrics: sample-ratio counts requests; strategy.abTest draws users, and checks their split itself",
        ),
        (
            (
                f"!({_AB_TEST}) || self.strategy.abTest.rivals.all(r, "
                "!(r.alias in [self.registry.stableAlias, self.registry.candidateAlias]))"
            ),
            "strategy.abTest.rivals: a rival has the alias registry.stableAlias or registry.candidateAlias; expected another",
        ),
    ),
    "spec.strategy.abTest": (
        (
            "self.rivals.all(r, self.rivals.exists_one(o, o.alias == r.alias))",
            "rivals: two have the same alias; expected different ones",
        ),
        (
            "self.split + self.rivals.map(r, r.split).sum() <= 99",
            "rivals: the splits of all challengers sum to more than 99; the champion needs users too",
        ),
    ),
    "spec.strategy.abTest.sticky": (("has(self.header) != has(self.cookie)", "expected exactly one of header, cookie"),),
    "spec.strategy.abTest.goal": (
        ("!has(self.scores) || double(self.scores.low) < double(self.scores.high)", "scores: expected low < high"),
        (
            f"double(self.minimumEffect) > 0.0 && double(self.minimumEffect) < (has(self.scores) ? {_REACH} : 1.0)",
            "minimumEffect: expected more than 0 and less than 1 or, with scores, than high - low",
        ),
    ),
    "spec.strategy.abTest.goal.alpha": (_SHARE,),
    "spec.registry": (
        ("self.stableAlias != self.candidateAlias", "stableAlias and candidateAlias: expected two different ones"),
    ),
    "spec.registry.pollInterval": (_POSITIVE,),
    "spec.deadline": (_POSITIVE,),
    "spec.freeze[]": (
        ("self.from != self.to", "from and to: expected two different times"),
        (
            "!has(self.firstDate) || !has(self.lastDate) || self.firstDate <= self.lastDate",
            "lastDate: expected firstDate or later",
        ),
        (
            "timestamp('2026-01-01T00:00:00Z').getHours(self.timeZone) >= 0",  # an error for one that the server does not know
            "timeZone: expected a time zone's name such as UTC or Europe/Istanbul",
        ),
    ),
    "spec.analysis.interval": (_POSITIVE,),
    "spec.strategy": (
        (
            "[has(self.canary), has(self.blueGreen), has(self.abTest)].filter(x, x).size() == 1",
            "expected exactly one of canary, blueGreen, abTest",
        ),
    ),
    "spec.strategy.canary": (
        (f"{_WEIGHTS}.size() > 0", "steps: expected at least one setWeight"),
        (
            (
                f"{_WEIGHTS}.map(s, s.setWeight).isSorted() && "
                f"{_WEIGHTS}.all(a, self.steps.exists_one(b, has(b.setWeight) && b.setWeight == a.setWeight))"
            ),
            "steps: expected each setWeight to be larger than the one before",
        ),
        (
            "self.steps.filter(s, has(s.setMirror) || has(s.setWeight)).map(s, has(s.setWeight)).isSorted()",
            "steps: expected each setMirror before the first setWeight, which ends the mirror",
        ),
    ),
    "spec.strategy.canary.steps[]": (
        (
            "[has(self.setWeight), has(self.pause), has(self.setMirror), has(self.analysis)].filter(x, x).size() == 1",
            "expected exactly one of setWeight, pause, setMirror, analysis",
        ),
    ),
    "spec.analysis.metrics[]": (
        (
            f"!({_THRESHOLD}) || has(self.failureCondition)",
            'failureCondition is missing; test threshold needs it, such as "> 0.05"',
        ),
        (f"{_THRESHOLD} || !has(self.failureCondition)", "failureCondition is for test threshold alone"),
        (f"{_THRESHOLD} || !has(self.failureLimit) || self.failureLimit == 0", "failureLimit is for test threshold alone"),
        (f"!({_ALONE}) || !has(self.margin)", "margin is not taken by tests threshold and sample-ratio"),
        (f"{_ALONE} || has(self.margin)", "margin is missing; tests that compare need it"),
        (f"!({_MEAN}) || has(self.scores)", 'scores is missing; test sequential-mean needs it, such as {low: "0", high: "1"}'),
        (f"{_MEAN} || !has(self.scores)", "scores is for test sequential-mean alone"),
        (
            f"!has(self.failureCondition) || double(self.failureCondition.find('{_NUMBER}')) <= 1.0",
            "failureCondition: expected a rate between 0 and 1",
        ),
        (
            "!has(self.scores) || (0.0 <= double(self.scores.low) && double(self.scores.low) < double(self.scores.high))",
            "scores: expected 0 <= low < high",
        ),
        (
            _ordered("sequential-ratio", "0.0 < tolerate && tolerate < refuse"),
            "margin: expected ratios with 0 < tolerate < refuse",
        ),
        *(
            (
                _ordered(test, "1.0 > tolerate && tolerate > refuse && refuse > -1.0"),
                "margin: expected differences with 1 > tolerate > refuse > -1",
            )
            for test in ("sequential-proportion", "sequential-pairs")
        ),
        (
            "!has(self.scores) || "
            + _ordered("sequential-mean", f"{_REACH} > tolerate && tolerate > refuse && refuse > -{_REACH}"),
            "margin: expected differences with high - low > tolerate > refuse > low - high",
        ),
        (
            _ordered("distribution", "0.0 <= tolerate && tolerate < refuse && refuse < 1.0"),
            "margin: expected shares with 0 <= tolerate < refuse < 1",
        ),
        (
            "self.test == 'sequential-ratio' || !has(self.margin) || !has(self.margin.negligible)",
            "margin.negligible is for test sequential-ratio alone",
        ),
        (
            (
                "!has(self.margin) || !has(self.margin.negligible) || "
                "(double(self.margin.negligible) > 0.0 && double(self.margin.negligible) < 1.0)"
            ),
            "margin.negligible: expected a rate between 0 and 1",
        ),
        (
            f"has(self.signal) || !(self.test in {_CHOICE}) || "
            + " || ".join(f"self.name.startsWith('{word}')" for word in NAMED),
            f"signal is missing: give what is counted, or a name that starts with {', '.join(NAMED)}",
        ),
        *(
            (
                f"!has(self.signal) || self.test != '{test}' || self.signal in {list(signals)}",
                f"signal: for test {test}, expected {' or '.join(signals)}",
            )
            for test, signals in SIGNALS.items()
        ),
        (f"!has(self.slowerThan) || {_SLOW}", "slowerThan is for signal slow alone"),
        (
            f"!has(self.slowerThan) || duration(self.slowerThan) in [{_BOUNDS}]",
            f"slowerThan: expected one of {', '.join(f'{bound * 1000:g}ms' for bound in DURATION_BUCKETS)}",
        ),
    ),
    "spec.analysis.metrics[].alpha": (_SHARE,),
    "spec.analysis.metrics[].beta": (_SHARE,),
}
"""Path → rules there. The models' validators say the same; `tests/charts/test_crd.py` holds both to it."""
