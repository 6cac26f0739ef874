"""Answers from an artifact's own file, the one that will serve. Called by the self-check, by the parity gate and, for the
champion, by the comparison. ONNX Runtime or skops as the contract says, on one thread; skops by our allow-list alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pandas as pd
import skops.io

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget, Target
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import safety
from kanarya_training_job.evaluation import Answers, ClassAnswers, NumberAnswers
from kanarya_training_job.features import Column, matrix, onnx_feed

Model = Callable[[pd.DataFrame], Answers]
"""Rows (with at least the model's columns) → answers."""

Outputs = Mapping[str, npt.NDArray[Any]]


def open_artifact(directory: Path, contract: ArtifactContract) -> Model:
    """The model of an artifact whose files have been held to its contract already.

    Raises KanaryaError, now or when it is asked, if this cannot run it."""
    columns = [Column(name=column.name, kind=column.kind) for column in contract.inputs]
    content = (directory / contract.runtime.file).read_bytes()
    openers = {"onnx": of_onnx, "skops": of_skops}
    if contract.runtime.format not in openers or not contract.targets:
        raise KanaryaError(f"it is a {contract.runtime.format} model for {contract.task}, which training does not run")
    model = openers[contract.runtime.format](content, columns, contract.targets)

    def answer(frame: pd.DataFrame) -> Answers:
        try:
            return model(frame)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise KanaryaError(f"it does not answer these rows: {type(error).__name__}: {error}") from error

    return answer


def of_onnx(content: bytes, columns: Sequence[Column], targets: Sequence[Target]) -> Model:
    """A model in ONNX's bytes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [name for target in targets for name in target.outputs]

    def answer(frame: pd.DataFrame) -> Answers:
        said = session.run(names, onnx_feed(frame, columns))
        return answers(dict(zip(names, said, strict=True)), targets)

    return answer


def of_skops(content: bytes, columns: Sequence[Column], targets: Sequence[Target]) -> Model:
    """A model in skops' bytes. Raises KanaryaError if they name a type that is not on our list."""
    return of_estimator(skops.io.loads(content, trusted=safety.trusted_types(content)), columns, targets)


def of_estimator(estimator: Any, columns: Sequence[Column], targets: Sequence[Target]) -> Model:
    """A fitted scikit-learn model. A label is the likeliest class by its own `predict`."""

    def answer(frame: pd.DataFrame) -> Answers:
        rows = matrix(frame, columns)
        said = estimator.predict(rows).reshape(len(frame), len(targets))
        outputs = {target.outputs[0]: said[:, index] for index, target in enumerate(targets)}
        classes = [target for target in targets if isinstance(target, CategoricalTarget)]
        if classes:
            shares = estimator.predict_proba(rows)
            of_each = shares if isinstance(shares, list) else [shares]
            outputs |= {str(target.probabilities): one for target, one in zip(classes, of_each, strict=True)}
        return answers(outputs, targets)

    return answer


def answers(outputs: Outputs, targets: Sequence[Target]) -> Answers:
    """A model's outputs, by target."""
    return {target.name: _of_target(outputs, target) for target in targets}


def _of_target(outputs: Outputs, target: Target) -> ClassAnswers | NumberAnswers:
    if not isinstance(target, CategoricalTarget):
        return NumberAnswers(values=np.asarray(outputs[target.value], dtype=np.float64).ravel())
    return ClassAnswers(
        labels=tuple(str(label) for label in outputs[target.label].ravel().tolist()),
        probabilities=np.asarray(outputs[str(target.probabilities)], dtype=np.float64),
        classes=target.classes,
    )
