"""scikit-learn → ONNX, and the gate it must pass: on every held-out row the same label, and every probability and every number
within the configured tolerance. Called by the pipeline's `package`.

A conversion that fails, or that does not reproduce, is no error: the skops file serves, and the artifact says why.

Graph inputs: `X` float32 [rows, columns] where all columns are numbers; else one input a column, [rows, 1], float32 or
string, named as the column. Outputs are the contract's: labels [rows] (string or int64), probabilities float32 [rows, classes],
numbers float32 [rows]; and where the graph allows it a label's place among the classes, int64 [rows], which a server asks for
in place of the label. A target's model is converted by itself, and the graphs are laid side by side.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from kanarya_contracts.artifact import CategoricalTarget, Parity, Target, say_place
from kanarya_training_job import runtime
from kanarya_training_job.evaluation import Answers, ClassAnswers, NumberAnswers
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


def convert(
    estimator: Pipeline, targets: Sequence[Target], holdout: Rows, expected: Answers, conversion: Conversion
) -> Converted:
    """Convert, and hold the result to `expected`, scikit-learn's answers on the held-out rows."""
    if not conversion.onnx:
        return Converted(onnx=None, reason="conversion.onnx is false in the configuration", parity=None)
    try:
        content = _to_onnx(estimator, targets, holdout.columns)
        got = runtime.of_onnx(content, holdout.columns, targets)(holdout.frame)
    except Exception as error:  # noqa: BLE001 (skl2onnx and ONNX Runtime raise what they like; none of it is fatal here)
        return Converted(onnx=None, reason=f"the conversion failed: {type(error).__name__}: {_first_line(error)}", parity=None)
    parity = _parity(expected, got, conversion.tolerance)
    reason = _disagreement(parity)
    return Converted(onnx=None if reason else content, reason=reason, parity=parity)


def _to_onnx(estimator: Pipeline, targets: Sequence[Target], columns: Sequence[Column]) -> bytes:
    parts = _parts(estimator, len(targets))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx warns of its own use of protobuf, scikit-learn of attributes that skl2onnx reads
        graphs = [
            _named(to_onnx(part, initial_types=_inputs(columns), options=_options(target), name="kanarya"), target, f"{index}_")
            for index, (part, target) in enumerate(zip(parts, targets, strict=True))
        ]
    content: bytes = _side_by_side(graphs).SerializeToString(deterministic=True)
    return content


def _parts(estimator: Pipeline, targets: int) -> list[Pipeline]:
    """A fitted pipeline for each target."""
    if targets == 1:
        return [estimator]
    *preparation, (name, several) = estimator.steps
    return [Pipeline([*preparation, (name, one)]) for one in several.estimators_]


def _options(target: Target) -> dict[str, bool]:
    return {"zipmap": False} if isinstance(target, CategoricalTarget) else {}


def _named(model: onnx.ModelProto, target: Target, prefix: str) -> onnx.ModelProto:
    """A target's graph with the contract's outputs, and with names inside that no other target's has."""
    compose.add_prefix(model, prefix, rename_inputs=False, rename_outputs=True, inplace=True)
    for output, name in zip(list(model.graph.output), target.outputs, strict=True):
        if isinstance(target, CategoricalTarget):
            if name == target.label:
                say_place(model, output.name, target.classes, name=name)
            model.graph.node.append(helper.make_node("Identity", [output.name], [name], name=f"{prefix}{name}"))
        else:
            flat = numpy_helper.from_array(np.array([-1], np.int64), f"{prefix}flat")  # [rows, 1] → [rows]
            model.graph.initializer.append(flat)
            model.graph.node.append(helper.make_node("Reshape", [output.name, flat.name], [name], name=f"{prefix}{name}"))
            del output.type.tensor_type.shape.dim[1:]
        output.name = name
    return model


def _side_by_side(models: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """One graph that holds them all, with the inputs that they share."""
    first, *others = models
    versions: dict[str, int] = {}
    for one in [one for model in models for one in model.opset_import]:
        versions[one.domain] = max(one.version, versions.get(one.domain, 0))
    for other in others:
        first.graph.node.extend(other.graph.node)
        first.graph.initializer.extend(other.graph.initializer)
        first.graph.output.extend(other.graph.output)
        first.metadata_props.extend(other.metadata_props)
    del first.opset_import[:]
    first.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in sorted(versions.items()))
    return first


def _inputs(columns: Sequence[Column]) -> list[tuple[str, object]]:
    if all_numeric(columns):
        return [(ONNX_MATRIX, FloatTensorType([None, len(columns)]))]
    types = {"numeric": FloatTensorType, "categorical": StringTensorType}
    return [(column.name, types[column.kind]([None, 1])) for column in columns]


def _parity(expected: Answers, got: Answers, tolerance: float) -> Parity:
    pairs = [(said, got[target]) for target, said in expected.items()]
    classes = [(ours, theirs) for ours, theirs in pairs if isinstance(ours, ClassAnswers) and isinstance(theirs, ClassAnswers)]
    different = [a != b for ours, theirs in classes for a, b in zip(ours.labels, theirs.labels, strict=True)]
    return Parity(
        rows=_rows(next(iter(expected.values()))),
        labels_different=sum(different),
        largest_difference=max(_difference(ours, theirs) for ours, theirs in pairs),
        tolerance=tolerance,
    )


def _rows(said: ClassAnswers | NumberAnswers) -> int:
    return len(said.labels if isinstance(said, ClassAnswers) else said.values)


def _difference(expected: ClassAnswers | NumberAnswers, got: ClassAnswers | NumberAnswers) -> float:
    """The largest of a probability; of a number, as a share of the largest there is."""
    ours, theirs = (one.probabilities if isinstance(one, ClassAnswers) else one.values for one in (expected, got))
    scale = 1.0 if isinstance(expected, ClassAnswers) else float(np.abs(ours).max()) or 1.0
    return float(np.nan_to_num(np.abs(ours - theirs) / scale, nan=1.0, posinf=1.0).max())


def _disagreement(parity: Parity) -> str | None:
    wrong = []
    if parity.labels_different:
        wrong.append(f"{parity.labels_different} of {parity.rows} labels differ")
    if parity.largest_difference > parity.tolerance:
        wrong.append(f"a number differs by {parity.largest_difference:.3g}, more than {parity.tolerance:g}")
    return f"ONNX does not reproduce scikit-learn on the held-out rows: {' and '.join(wrong)}" if wrong else None


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
