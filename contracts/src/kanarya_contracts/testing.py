"""Valid contracts and rollouts for tests, so that a test mentions only the field it is about. Public: import it anywhere.

    contract(classes=("a", "b", "c"))                    an ArtifactContract that differs from the default in one field
    rollout(gates=[gate(min_samples=300)])               a ModelRollout
    changed(rollout_document(), "spec.trafic", {})       a document (as parsed JSON or YAML) that is not valid any more

What is built here is validated as it would be from a file: a set-up that could not exist raises pydantic's ValidationError.
"""

import copy
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kanarya_contracts.artifact import ArtifactContract, FileDigest, digest
from kanarya_contracts.rollout import GateSpec, ModelRollout, ModelRolloutStatus, VersionRef

MODEL_FILE = "model.onnx"
"""The file that the default contract runs."""

FILES: Mapping[str, bytes] = {MODEL_FILE: b"an ONNX model\n", "MLmodel": b"flavors: {}\n"}
"""Contents of the default contract's files. They have the right digests and are no model."""


def file_digests(files: Mapping[str, bytes]) -> dict[str, FileDigest]:
    """Path → content as path → digest and size: what `ArtifactContract.files` wants and `file_problems` compares."""
    return {path: FileDigest(sha256=digest(content), size=len(content)) for path, content in files.items()}


def contract(*, files: Mapping[str, bytes] = FILES, **changes: object) -> ArtifactContract:
    """A two-class model of one number and one word. `changes` replace top-level fields, by their Python names."""
    fields: dict[str, object] = {
        "model": "iris",
        "inputs": [
            {"kind": "numeric", "name": "petal_length", "minimum": 1.0, "maximum": 6.9},
            {"kind": "categorical", "name": "garden", "categories": ["north", "south"]},
        ],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
        ],
        "targets": [
            {"kind": "categorical", "name": "species", "probabilities": "probabilities", "classes": ["setosa", "virginica"]}
        ],
        "runtime": {
            "format": "onnx",
            "file": MODEL_FILE,
            "parity": {"rows": 30, "labels_different": 0, "largest_difference": 1e-7, "tolerance": 1e-5},
        },
        "reference": {
            "rows": 100,
            "features": {
                "petal_length": {"kind": "numeric", "edges": [2.5, 4.5], "counts": [50, 20, 30]},
                "garden": {"kind": "categorical", "counts": {"north": 60, "south": 40}},
            },
            "predictions": {"species": {"kind": "categorical", "counts": {"setosa": 15, "virginica": 15}}},
        },
        "example": {
            "inputs": {"petal_length": [1.4, 5.5], "garden": ["north", "south"]},
            "outputs": {"label": ["setosa", "virginica"], "probabilities": [[0.9, 0.1], [0.2, 0.8]]},
        },
        "metrics": {"holdout-accuracy": {"value": 0.95}, "cv-accuracy": {"value": 0.94, "spread": 0.02}},
        "data": {"source": "data/iris.csv", "sha256": digest(b"rows"), "rows": 130},
        "training": {
            "digest": digest(b"data, code and configuration"),
            "code_revision": "0123456789abcdef0123456789abcdef01234567",
            "seed": 7,
            "family": "logistic-regression",
            "parameters": {"C": "1.0"},
            "predictions_digest": digest(b"predictions"),
            "libraries": {"scikit-learn": "1.8.0"},
        },
        "files": file_digests(files),
    }
    return ArtifactContract.model_validate(fields | changes)


def contract_document() -> dict[str, Any]:
    """The default contract as parsed JSON, to be made wrong with `changed`."""
    document: dict[str, Any] = json.loads(contract().dumps())
    return document


def gate(name: str = "error-rate", test: str = "sequential-ratio", **changes: object) -> GateSpec:
    """A gate with the margin or condition its test needs. `changes` are fields by their Python names."""
    needed: dict[str, Mapping[str, object]] = {
        "sequential-ratio": {"margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.01"}},
        "sequential-proportion": {"margin": {"tolerate": "0.00", "refuse": "-0.10"}},
        "sequential-pairs": {"margin": {"tolerate": "0.00", "refuse": "-0.05"}},
        "sequential-mean": {"margin": {"tolerate": "0.00", "refuse": "-0.05"}, "scores": {"high": "1"}},
        "distribution": {"margin": {"tolerate": "0.02", "refuse": "0.10"}},
        "sample-ratio": {},
        "threshold": {"failure_condition": "> 0.05"},
    }
    return GateSpec.model_validate({"name": name, "test": test, **needed[test], **changes})


def weights(*percents: int) -> list[dict[str, object]]:
    """Steps that set these weights: `rollout(steps=weights(10, 50))`."""
    return [{"set_weight": percent} for percent in percents]


def version(number: str, *, of: ArtifactContract | None = None) -> VersionRef:
    """A pinned registry version; its digest is that of contract `of` (the default one)."""
    content = (of or contract()).dumps()
    return VersionRef(version=number, digest=digest(content), uri=f"mlflow-artifacts:/1/{number}/artifacts")


def rollout(
    name: str = "iris",
    *,
    steps: Iterable[Mapping[str, object]] | None = None,
    gates: Iterable[GateSpec] | None = None,
    annotations: Mapping[str, str] | None = None,
    generation: int = 1,
    status: ModelRolloutStatus | None = None,
    **changes: object,
) -> ModelRollout:
    """A rollout of model `name` through 10, 25 and 50 % with one gate on errors. `changes` replace fields of the spec."""
    spec: dict[str, object] = {
        "target_ref": {"name": name},
        "registry": {"model": name},
        "strategy": {"canary": {"steps": list(steps) if steps is not None else weights(10, 25, 50)}},
        "analysis": {"metrics": list(gates) if gates is not None else [gate()]},
    }
    return ModelRollout.model_validate(
        {
            "metadata": {"name": name, "annotations": dict(annotations or {}), "generation": generation},
            "spec": spec | changes,
            "status": status or ModelRolloutStatus(),
        }
    )


def rollout_document() -> dict[str, Any]:
    """The default rollout as a person would write it: parsed YAML without status, to be made wrong with `changed`."""
    fields = rollout().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"apiVersion": "kanarya.dev/v1alpha1", "kind": "ModelRollout", **fields}


def changed(document: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of `document` with `value` at a path such as `spec.strategy.canary.steps[0].setWeight`. A new key is added."""
    copied, parent, last = _place(document, path)
    parent[last] = value
    return copied


def without(document: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A copy of `document` that lacks what is at `path`."""
    copied, parent, last = _place(document, path)
    del parent[last]
    return copied


_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def _place(document: Mapping[str, Any], path: str) -> tuple[dict[str, Any], Any, str | int]:
    """A deep copy, the mapping or list in it that holds what `path` names, and the key or index there."""
    copied: dict[str, Any] = copy.deepcopy(dict(document))
    *parents, last = [int(index) if index else key for index, key in _PART.findall(path)]
    parent: Any = copied
    for part in parents:
        parent = parent[part]
    return copied, parent, last
