"""Real artifacts for tests and benchmarks: scikit-learn models fitted on Iris, as directories that could be served. Public.

    directory = build(tmp_path / "v1", "numeric")        logistic regression on four numbers, as ONNX
    directory = build(tmp_path / "v1", "mixed")          three numbers and a word, as ONNX
    directory = build(tmp_path / "v1", "skops")          the same columns as "mixed", as a scikit-learn pipeline
    directory = build(tmp_path / "v1", "forest")         a hundred trees on four numbers, as scikit-learn's
    directory = build(tmp_path / "v1", "forest-onnx")    the same as ONNX

It writes what the training job writes, with the least of everything: no search, no MLflow files, a small example. Needs
scikit-learn, pandas, skops and skl2onnx, which the server itself does not.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skops import io

from kanarya_contracts.artifact import ArtifactContract, FileDigest, digest, say_place
from kanarya_contracts.names import CONTRACT_FILE

Kind = Literal["numeric", "mixed", "skops", "forest", "forest-onnx"]

NUMBERS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
"""Columns of "numeric" and the forests; "mixed" and "skops" have the first three and `garden`."""

WORDS = ("north", "south")
"""Categories of `garden`; any other word is refused by "mixed" and accepted by "skops"."""

_MATRIX, _SKOPS = ("numeric", "forest", "forest-onnx"), ("skops", "forest")
"""Kinds that take numbers alone, and kinds that are scikit-learn's."""

_OPSET = 18
_EXAMPLE_ROWS = (0, 50, 100, 149)


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    estimator: Any
    table: Any
    """What it was fitted on: a matrix, or a DataFrame."""


def build(directory: Path, kind: Kind = "numeric", *, model: str = "iris", seed: int = 0, int_labels: bool = False) -> Path:
    """Write an artifact to `directory`, which must not exist, and return it. `seed` changes the model a little."""
    directory.mkdir(parents=True)
    fitted, targets = _fit(kind, seed, int_labels=int_labels)
    name, content = _model_file(kind, fitted)
    files = {name: content, "README.md": b"# Iris\n\nA model for tests.\n"}
    contract = _contract(kind, model, fitted, targets, files)
    for path, data in files.items():
        (directory / path).write_bytes(data)
    (directory / CONTRACT_FILE).write_bytes(contract.dumps())
    return directory


def estimator(kind: Kind = "numeric", *, seed: int = 0) -> tuple[Any, Any]:
    """The fitted scikit-learn model that `build` writes, and the table it was fitted on: for comparisons."""
    fitted, _ = _fit(kind, seed, int_labels=False)
    return fitted.estimator, fitted.table


def _fit(kind: Kind, seed: int, *, int_labels: bool) -> tuple[_Fitted, NDArray[Any]]:
    iris = load_iris()
    rows, targets = iris.data, iris.target.astype(np.int64)
    if not int_labels:
        targets = np.array([str(name) for name in iris.target_names], dtype=object)[targets]
    if kind == "numeric":
        table: Any = rows
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0 + seed))
    elif kind in _MATRIX:
        table, model = rows, RandomForestClassifier(100, random_state=seed)
    else:
        table = pd.DataFrame(dict(zip(NUMBERS[:3], rows.T[:3], strict=True)))
        table["garden"] = np.where(rows[:, 3] + np.arange(len(rows)) % 2 > 1.5, WORDS[0], WORDS[1])
        columns = [
            ("numbers", StandardScaler(), list(NUMBERS[:3])),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["garden"]),
        ]
        model = make_pipeline(ColumnTransformer(columns), LogisticRegression(C=1.0 + seed))
    return _Fitted(estimator=model.fit(table, targets), table=table), targets


def _model_file(kind: Kind, fitted: _Fitted) -> tuple[str, bytes]:
    if kind in _SKOPS:
        return "model.skops", bytes(io.dumps(fitted.estimator))
    if kind in _MATRIX:
        types = [("X", FloatTensorType([None, len(NUMBERS)]))]
    else:
        types = [(name, FloatTensorType([None, 1])) for name in NUMBERS[:3]]
        types.append(("garden", StringTensorType([None, 1])))
    graph = to_onnx(fitted.estimator, initial_types=types, options={"zipmap": False}, target_opset=_OPSET)
    say_place(graph, "label", [str(one) for one in fitted.estimator.classes_], name="label")
    return "model.onnx", bytes(graph.SerializeToString())


def _contract(kind: Kind, model: str, fitted: _Fitted, targets: NDArray[Any], files: dict[str, bytes]) -> ArtifactContract:
    classes = [str(label) for label in fitted.estimator.classes_]
    numeric = np.asarray(fitted.table if kind in _MATRIX else fitted.table[list(NUMBERS[:3])], np.float64)
    name = next(iter(files))
    runtime: dict[str, object] = {"format": "onnx", "file": name}
    if kind in _SKOPS:
        runtime = {"format": "skops", "file": name, "reason": "asked for by a test"}
    fields: dict[str, object] = {
        "model": model,
        "inputs": _columns(kind, numeric),
        "outputs": [
            {"name": "label", "datatype": "INT64" if targets.dtype == np.int64 else "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64" if kind in _SKOPS else "FP32", "shape": [-1, len(classes)]},
        ],
        "targets": [{"kind": "categorical", "name": "species", "probabilities": "probabilities", "classes": classes}],
        "runtime": runtime,
        "reference": {
            "rows": len(targets),
            "features": _histograms(kind, fitted, numeric),
            "predictions": {"species": {"kind": "categorical", "counts": dict.fromkeys(classes, len(targets) // len(classes))}},
        },
        "example": _example(kind, fitted),
        "metrics": {"holdout-accuracy": {"value": float(fitted.estimator.score(fitted.table, targets))}},
        "data": {"source": "scikit-learn's Iris", "sha256": digest(b"iris"), "rows": len(targets)},
        "training": {
            "digest": digest(name.encode()),
            "code_revision": "unknown",
            "seed": 0,
            "family": "logistic-regression",
            "parameters": {},
            "predictions_digest": digest(repr(fitted.estimator.predict(fitted.table).tolist()).encode()),
            "libraries": {},
        },
        "files": {path: FileDigest(sha256=digest(data), size=len(data)) for path, data in files.items()},
    }
    return ArtifactContract.model_validate(fields)


def _histograms(kind: Kind, fitted: _Fitted, numeric: NDArray[np.float64]) -> dict[str, object]:
    """Ten bins of equally many rows for each number, as the training job makes them, and the words' counts."""
    histograms: dict[str, object] = {}
    for name, values in zip(NUMBERS, numeric.T, strict=False):
        edges = np.unique(np.quantile(values, np.linspace(0, 1, 11)[1:-1]))
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        histograms[name] = {"kind": "numeric", "edges": edges.tolist(), "counts": counts.tolist()}
    if kind not in _MATRIX:
        histograms["garden"] = {"kind": "categorical", "counts": fitted.table["garden"].value_counts().to_dict()}
    return histograms


def _columns(kind: Kind, numeric: NDArray[np.float64]) -> list[dict[str, object]]:
    bounds = zip(NUMBERS, numeric.min(axis=0).tolist(), numeric.max(axis=0).tolist(), strict=False)
    columns: list[dict[str, object]] = [
        {"kind": "numeric", "name": name, "minimum": low, "maximum": high} for name, low, high in bounds
    ]
    if kind not in _MATRIX:
        unknown = "accept" if kind == "skops" else "refuse"
        columns.append({"kind": "categorical", "name": "garden", "categories": sorted(WORDS), "unknown": unknown})
    return columns


def _example(kind: Kind, fitted: _Fitted) -> dict[str, object]:
    table = fitted.table[list(_EXAMPLE_ROWS)] if kind in _MATRIX else fitted.table.iloc[list(_EXAMPLE_ROWS)]
    inputs = dict(zip(NUMBERS, table.T.tolist(), strict=True)) if kind in _MATRIX else table.to_dict("list")
    return {
        "inputs": inputs,
        "outputs": {
            "label": fitted.estimator.predict(table).tolist(),
            "probabilities": fitted.estimator.predict_proba(table).tolist(),
        },
    }
