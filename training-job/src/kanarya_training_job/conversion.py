"""scikit-learn → ONNX, and the gate it must pass: on every held-out row the same label, and every probability within the
configured tolerance. Called by the pipeline's `package`.

A conversion that fails, or that does not reproduce, is no error: the skops file serves, and the artifact says why.

Graph inputs: `X` float32 [rows, columns] where all columns are numbers; else one input a column, [rows, 1], float32 or
string, named as the column. Outputs: `label` (string or int64), `probabilities` float32 [rows, classes].
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from kanarya_contracts.artifact import Parity
from kanarya_training_job import runtime
from kanarya_training_job.evaluation import Answers
from kanarya_training_job.features import ONNX_MATRIX, Column, Rows, all_numeric
from kanarya_training_job.settings import Conversion


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What became of the conversion: bytes that passed the gate, or the reason there are none."""

    onnx: bytes | None
    reason: str | None
    """Why there is no ONNX; None when there is."""
    parity: Parity | None
    """What was measured; None if it did not get that far."""


def convert(estimator: Pipeline, holdout: Rows, expected: Answers, conversion: Conversion) -> Converted:
    """Convert, and hold the result to `expected`, scikit-learn's answers on the held-out rows."""
    if not conversion.onnx:
        return Converted(onnx=None, reason="conversion.onnx is false in the configuration", parity=None)
    try:
        content = _to_onnx(estimator, holdout.columns)
        got = runtime.of_onnx(content, holdout.columns, expected.classes)(holdout.frame)
    except Exception as error:  # noqa: BLE001 (skl2onnx and ONNX Runtime raise what they like; none of it is fatal here)
        return Converted(onnx=None, reason=f"the conversion failed: {type(error).__name__}: {_first_line(error)}", parity=None)
    parity = _parity(expected, got, conversion.tolerance)
    reason = _disagreement(parity)
    return Converted(onnx=None if reason else content, reason=reason, parity=parity)


def _to_onnx(estimator: Pipeline, columns: Sequence[Column]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx warns of its own use of protobuf, scikit-learn of attributes that skl2onnx reads
        model = to_onnx(estimator, initial_types=_inputs(columns), options={"zipmap": False}, name="kanarya")
    for output, name in zip(model.graph.output, runtime.OUTPUTS, strict=True):
        if output.name != name:
            raise ValueError(f"the graph's output is named {output.name!r}, expected {name!r}")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _inputs(columns: Sequence[Column]) -> list[tuple[str, object]]:
    if all_numeric(columns):
        return [(ONNX_MATRIX, FloatTensorType([None, len(columns)]))]
    types = {"numeric": FloatTensorType, "categorical": StringTensorType}
    return [(column.name, types[column.kind]([None, 1])) for column in columns]


def _parity(expected: Answers, got: Answers, tolerance: float) -> Parity:
    difference = np.abs(expected.probabilities - got.probabilities)
    return Parity(
        rows=len(expected.labels),
        labels_different=sum(ours != theirs for ours, theirs in zip(expected.labels, got.labels, strict=True)),
        probability_difference=float(np.nan_to_num(difference, nan=1.0, posinf=1.0).max()),
        tolerance=tolerance,
    )


def _disagreement(parity: Parity) -> str | None:
    wrong = []
    if parity.labels_different:
        wrong.append(f"{parity.labels_different} of {parity.rows} labels differ")
    if parity.probability_difference > parity.tolerance:
        wrong.append(f"a probability differs by {parity.probability_difference:.3g}, more than {parity.tolerance:g}")
    return f"ONNX does not reproduce scikit-learn on the held-out rows: {' and '.join(wrong)}" if wrong else None


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
