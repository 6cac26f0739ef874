"""The API server and the kinds of object that it knows, field by field, as its OpenAPI documents say. Pure.

Whoever may log in may read those, so nobody needs rights on CustomResourceDefinitions to be told that one of them is old. That
is worth being told: the API server drops fields that it does not know, without a word.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from kanarya_cli.doctor.finding import Finding, fine, unknown, wrong
from kanarya_cli.doctor.seen import Answer
from kanarya_contracts.names import API_VERSION
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.ports.api import Document
from kanarya_rollout.ports.httproute import GATEWAY_API
from kanarya_rollout.ports.inferenceservice import KSERVE_API

OLDEST = (1, 31)
"""Kubernetes that the charts take: `kubeVersion` of each Chart.yaml."""

GROUPS = (API_VERSION, KSERVE_API, GATEWAY_API)
"""API groups that are asked for their kinds."""

Field = tuple[str, ...]
"""Keys from the object down; a list's items have its key."""


def api_server(version: Document) -> Finding:
    """Whether it is new enough."""
    said = str(version.get("gitVersion", ""))
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None:
        return unknown("API server", f"its version is {said!r}")
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return wrong("API server", f"Kubernetes {said}", f"upgrade the cluster to {oldest} or later: the charts refuse it")
    return fine("API server", f"Kubernetes {said}")


def findings(kinds: Mapping[str, Answer]) -> Iterator[Finding]:
    """A kind each: whether it is there and has the fields that are needed."""
    crds = "kubectl apply --server-side -f helm/rollout/crds"
    yield kind(kinds[API_VERSION], API_VERSION, "ModelRollout", fields(ModelRollout), f"install or upgrade it: {crds}")
    kserve = "install KServe 0.20 or later with its CRDs (scripts/kind-up shows how)"
    yield kind(kinds[KSERVE_API], KSERVE_API, "InferenceService", [("spec", "canary")], kserve)
    gateway = "install the Gateway API's standard channel, and a controller of it"
    for name in ("Gateway", "HTTPRoute"):
        yield kind(kinds[GATEWAY_API], GATEWAY_API, name, [], gateway)


def kind(answer: Answer, group: str, name: str, needed: list[Field], advice: str) -> Finding:
    """Whether a group's OpenAPI document has the kind, with these fields."""
    subject = f"kind {name}"
    if answer.denied or answer.failed:
        return unknown(subject, answer.denied or answer.failed)
    schema = _schema(answer.document or {}, name)
    if schema is None:
        return wrong(subject, f"{group} is not served", advice)
    lacks = [".".join(field) for field in needed if not _has(schema, field)]
    if lacks:
        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        return wrong(subject, f"{group} is older than this command: it drops {', '.join(lacks[:3])}{more}", advice)
    return fine(subject, group)


def fields(model: type[BaseModel]) -> list[Field]:
    """Every field of the models, as they are written in YAML."""
    schema = model.model_json_schema(by_alias=True)
    return sorted(set(_fields(schema, schema.get("$defs", {}), ())))


def _fields(schema: Mapping[str, Any], models: Mapping[str, Any], path: Field) -> Iterator[Field]:
    if "$ref" in schema:
        yield from _fields(models[schema["$ref"].rpartition("/")[2]], models, path)
    for part in (*schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
        yield from _fields(part, models, path)
    for name, inner in schema.get("properties", {}).items():
        if (*path, name)[0] != "metadata":  # every kind has that
            yield (*path, name)
            yield from _fields(inner, models, (*path, name))


def _schema(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    schemas = document.get("components", {}).get("schemas", {})
    own = "x-kubernetes-group-version-kind"
    return next((one for one in schemas.values() if any(gvk["kind"] == name for gvk in one.get(own, ()))), None)


def _has(schema: Mapping[str, Any], field: Field) -> bool:
    """Whether an object of this schema keeps the field. A schema that keeps everything does."""
    schema = schema.get("items", schema)
    if not field or schema.get("x-kubernetes-preserve-unknown-fields"):
        return True
    inner = schema.get("properties", {}).get(field[0])
    return inner is not None and _has(inner, field[1:])
