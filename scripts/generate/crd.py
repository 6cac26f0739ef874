"""The CustomResourceDefinition, from the same models that read the resource: what the API server is told to refuse.

A structural schema says less than a model: no `$ref`, no null, nothing about two fields at once. What it cannot say stands in
`crd_rules` as CEL, with the message that a person gets. Limits on lengths are there because the API server wants to know
beforehand what a rule costs. Status has no defaults: what the controller has not written is not there.
"""

from collections.abc import Mapping
from typing import Any

import documents
import models
import yaml
from crd_rules import RULES

from kanarya_contracts.names import API_VERSION, GROUP
from kanarya_contracts.rollout import ModelRollout

Schema = dict[str, Any]
"""A JSON Schema, on its way to a structural one."""

FACETS: Mapping[str, Schema] = {
    "spec.traffic.hostnames": {"maxItems": 16, "x-kubernetes-list-type": "set"},
    "spec.traffic.hostnames[]": {"maxLength": 253},
    "spec.freeze": {"maxItems": 20, "x-kubernetes-list-type": "atomic"},
    "spec.freeze[].days": {"maxItems": 7, "x-kubernetes-list-type": "set"},
    "spec.strategy.canary.steps": {"maxItems": 50, "x-kubernetes-list-type": "atomic"},
    "spec.strategy.canary.steps[].analysis.until": {"maxItems": 20, "x-kubernetes-list-type": "set"},
    "spec.strategy.canary.steps[].analysis.until[]": {"maxLength": 63},
    "spec.strategy.abTest.rivals": {"maxItems": 3, "x-kubernetes-list-type": "atomic"},
    "spec.strategy.abTest.rivals[].alias": {"maxLength": 253},
    "spec.analysis.metrics": {"maxItems": 20, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "spec.analysis.metrics[].failureCondition": {"maxLength": 32},
    "spec.registry.stableAlias": {"maxLength": 253},
    "spec.registry.candidateAlias": {"maxLength": 253},
    "status.conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    "status.rivals": {"x-kubernetes-list-type": "atomic"},
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
