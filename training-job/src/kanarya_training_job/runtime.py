"""Answers from an artifact's own file, the one that will serve. Called by the self-check, by the parity gate and, for the
champion, by the comparison. ONNX Runtime or skops as the contract says, on one thread; skops by our allow-list alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
import skops.io

from kanarya_contracts.artifact import ArtifactContract
from kanarya_training_job import safety
from kanarya_training_job.evaluation import Answers
from kanarya_training_job.features import Column, matrix, onnx_feed

OUTPUTS = ("label", "probabilities")
"""Names of the ONNX graph's outputs, in this order."""

Model = Callable[[pd.DataFrame], Answers]
"""Rows (with at least the model's columns) → answers."""


def open_artifact(directory: Path, contract: ArtifactContract) -> Model:
    """The model of an artifact whose files have been held to its contract already."""
    columns = [Column(name=column.name, kind=column.kind) for column in contract.inputs]
    content = (directory / contract.runtime.file).read_bytes()
    open_file = of_onnx if contract.runtime.format == "onnx" else of_skops
    return open_file(content, columns, contract.classes)


def of_onnx(content: bytes, columns: Sequence[Column], classes: Sequence[str]) -> Model:
    """A model in ONNX's bytes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def answer(frame: pd.DataFrame) -> Answers:
        labels, probabilities = session.run(list(OUTPUTS), onnx_feed(frame, columns))
        return Answers(
            labels=tuple(str(label) for label in labels.tolist()),
            probabilities=np.asarray(probabilities, dtype=np.float64),
            classes=tuple(classes),
        )

    return answer


def of_skops(content: bytes, columns: Sequence[Column], classes: Sequence[str]) -> Model:
    """A model in skops' bytes. Raises KanaryaError if they name a type that is not on our list."""
    return of_estimator(skops.io.loads(content, trusted=safety.trusted_types(content)), columns, classes)


def of_estimator(estimator: Any, columns: Sequence[Column], classes: Sequence[str]) -> Model:
    """A fitted scikit-learn classifier. Its label is the likeliest class by its own `predict`."""

    def answer(frame: pd.DataFrame) -> Answers:
        rows = matrix(frame, columns)
        return Answers(
            labels=tuple(str(label) for label in estimator.predict(rows).tolist()),
            probabilities=np.asarray(estimator.predict_proba(rows), dtype=np.float64),
            classes=tuple(classes),
        )

    return answer
