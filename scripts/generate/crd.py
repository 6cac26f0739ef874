"""The CustomResourceDefinition, from the same models that read the resource: what the API server is told to refuse.

A structural schema says less than a model: no `$ref`, no null, nothing about two fields at once. What it cannot say stands in
`RULES` as CEL, with the message that a person gets. Limits on lengths are there because the API server wants to know
beforehand what a rule costs. Status has no defaults: what the controller has not written is not there.
"""

from collections.abc import Mapping
from typing import Any

import documents
import models
import yaml

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.names import API_VERSION, GROUP
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.rollout.gate import BY_COPIES, NAMED, SIGNALS

Schema = dict[str, Any]
"""A JSON Schema, on its way to a structural one."""

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
    ),
    "spec.strategy.abTest.sticky": (("has(self.header) != has(self.cookie)", "expected exactly one of header, cookie"),),
    "spec.strategy.abTest.goal.minimumEffect": (_SHARE,),
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

FACETS: Mapping[str, Schema] = {
    "spec.traffic.hostnames": {"maxItems": 16, "x-kubernetes-list-type": "set"},
    "spec.traffic.hostnames[]": {"maxLength": 253},
    "spec.freeze": {"maxItems": 20, "x-kubernetes-list-type": "atomic"},
    "spec.freeze[].days": {"maxItems": 7, "x-kubernetes-list-type": "set"},
    "spec.strategy.canary.steps": {"maxItems": 50, "x-kubernetes-list-type": "atomic"},
    "spec.strategy.canary.steps[].analysis.until": {"maxItems": 20, "x-kubernetes-list-type": "set"},
    "spec.strategy.canary.steps[].analysis.until[]": {"maxLength": 63},
    "spec.analysis.metrics": {"maxItems": 20, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "spec.analysis.metrics[].failureCondition": {"maxLength": 32},
    "spec.registry.stableAlias": {"maxLength": 253},
    "spec.registry.candidateAlias": {"maxLength": 253},
    "status.conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    "status.quarantine": {"x-kubernetes-list-type": "atomic"},
    "status.evidence": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]},
    "status.sincePromotion": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]},
    "status.ledger": {"x-kubernetes-map-type": "atomic"},
}
"""Path → what is added there: bounds that make the cost of a rule finite, and how lists are merged."""

_LONGEST_NUMBER = 40
"""Characters of a duration or decimal; the models take any number of digits, and nobody writes more."""

_COLUMNS = (
    ("Model", "string", ".spec.registry.model", 0, "Registered model."),
    ("Champion", "string", ".status.stable.version", 0, "Version that serves."),
    ("Challenger", "string", ".status.candidate.version", 0, "Version on its way, or the last one."),
    ("Weight", "integer", ".status.canaryWeight", 0, "Percent of requests that the challenger gets."),
    ("Mirror", "integer", ".status.canaryMirror", 1, "Percent of requests that the challenger gets a copy of."),
    ("Step", "integer", ".status.currentStepIndex", 0, "Index into the steps; empty when no challenger is on its way."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Since it was created."),
    ("Progressing", "string", '.status.conditions[?(@.type=="Progressing")].reason', 1, "What is under way."),
    ("RolledBack", "string", '.status.conditions[?(@.type=="RolledBack")].reason', 1, "Why the last challenger went."),
    ("Degraded", "string", '.status.conditions[?(@.type=="Degraded")].reason', 1, "What the controller lacks."),
)


def crd_file() -> str:
    """The manifest, as YAML."""
    text = yaml.dump(_definition(), Dumper=_Quoting, sort_keys=False, allow_unicode=True, width=120)
    return f"# {documents.GENERATED}\n{text}"


class _Quoting(yaml.SafeDumper):
    """Quotes the words y and n, which kubectl and Helm read as true and false: a field `n` would be called `false`."""


_Quoting.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if text in {*"yYnN"} else None),
)


def _definition() -> Schema:
    _, version = API_VERSION.split("/")
    names = {
        "kind": "ModelRollout",
        "listKind": "ModelRolloutList",
        "plural": "modelrollouts",
        "singular": "modelrollout",
        "shortNames": ["mro"],
        "categories": ["kanarya"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"modelrollouts.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "priority": priority, "description": meaning}
                        for name, kind, path, priority, meaning in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": structural()},
                }
            ],
        },
    }


def structural() -> Schema:
    """The resource's schema as the API server takes it."""
    whole = models.json_schema(ModelRollout)
    schema = _Structural(whole.get("$defs", {})).of(whole, "")
    schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema["required"] = ["spec"]
    return schema


class _Structural:
    """Walks a model's schema. Paths are written `spec.analysis.metrics[].name`."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def of(self, schema: Schema, path: str) -> Schema:
        """The same in a structural schema's words, with the rules and facets of this path."""
        schema = self._plain(schema)
        made: Schema = {key: schema[key] for key in ("description", "type", "format", *_FACETS) if key in schema}
        if made.get("type") == "integer":
            made["format"] = "int64"
        if "pattern" in made and path.startswith("spec"):
            made.setdefault("maxLength", _LONGEST_NUMBER)
        if (enum := schema.get("enum", [schema["const"]] if "const" in schema else None)) is not None:
            made |= {"type": "string", "enum": enum}
        if "default" in schema and not path.startswith("status"):
            made["default"] = {} if isinstance(schema["default"], dict) else schema["default"]
        made |= self._children(schema, path)
        if path in RULES:
            made["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in RULES[path]]
        return made | FACETS.get(path, {})

    def _children(self, schema: Schema, path: str) -> Schema:
        made: Schema = {}
        if "properties" in schema:
            parts = {name: self.of(part, f"{path}.{name}".lstrip(".")) for name, part in schema["properties"].items()}
            made = {"properties": parts} | ({"required": schema["required"]} if schema.get("required") else {})
        elif isinstance(values := schema.get("additionalProperties"), dict):
            made = {"additionalProperties": self.of(values, f"{path}{{}}")}
        if "items" in schema:
            made["items"] = self.of(schema["items"], f"{path}[]")
        return made

    def _plain(self, schema: Schema) -> Schema:
        """Without references and without null: a field that may be null is one that may be left out."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            schema = self._definitions[name] | {key: value for key, value in schema.items() if key != "$ref"}
        if "anyOf" in schema:
            [one] = [branch for branch in schema["anyOf"] if branch.get("type") != "null"]
            schema = self._plain(one) | {key: value for key, value in schema.items() if key != "anyOf"}
        if schema.get("default", ...) is None:
            schema = {key: value for key, value in schema.items() if key != "default"}
        return schema


_FACETS = ("pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems")
"""Keywords that mean the same in both."""
