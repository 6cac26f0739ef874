"""ONNX through ONNX Runtime. Two forms of graph, as the training job makes them:

    all columns numbers   one input "X", float32, [rows, columns] in the contract's order
    otherwise             an input a column, named as it is, [rows, 1], float32 or string

Outputs are "label" and "probabilities". A graph of any other form is refused with what is different about it.
"""

from typing import Any

import numpy as np
import onnxruntime

from kanarya_contracts.artifact import ArtifactContract, CategoricalColumn, NumericColumn
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction, Predictor
from kanarya_model.core.values import LARGEST_FP32

MATRIX = "X"
_OUTPUTS = ["label", "probabilities"]
_TYPES = {Datatype.BYTES: "tensor(string)", Datatype.INT64: "tensor(int64)", Datatype.FP32: "tensor(float)"}
_FLOAT, _STRING = _TYPES[Datatype.FP32], _TYPES[Datatype.BYTES]
_ERRORS_ONLY = 3


def load(content: bytes, contract: ArtifactContract, *, threads: int) -> tuple[Predictor | None, list[str]]:
    """A predictor, or what is wrong. Files beside the model (external data) are never read."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's exceptions share no base of their own)
        return None, [f"ONNX Runtime {onnxruntime.__version__} cannot load it: {error}"]
    wrong = _graph_problems(session, contract)
    if wrong:
        return None, wrong
    if all(isinstance(column, NumericColumn) for column in contract.inputs):
        return _MatrixModel(session), []
    return _ColumnModel(session, contract), []


def _graph_problems(session: Any, contract: ArtifactContract) -> list[str]:
    names = {column.name: _STRING if isinstance(column, CategoricalColumn) else _FLOAT for column in contract.inputs}
    if _STRING not in names.values():
        names = {MATRIX: _FLOAT}
    got = {node.name: node.type for node in session.get_inputs()}
    wrong = [] if got == names else [f"the graph has inputs {got}, expected {names}"]
    outputs = {node.name: node.type for node in session.get_outputs()}
    expected = {tensor.name: _TYPES.get(tensor.datatype, str(tensor.datatype)) for tensor in contract.outputs}
    if outputs != expected or sorted(outputs) != _OUTPUTS:
        wrong.append(f"the graph has outputs {outputs}, expected {expected}")
    return wrong


class _MatrixModel:
    largest = LARGEST_FP32
    quick = True

    def __init__(self, session: Any) -> None:
        self._run = session.run

    def predict(self, rows: Rows) -> Prediction:
        assert rows.matrix is not None  # noqa: S101 (the contract's columns decide both)
        labels, probabilities = self._run(_OUTPUTS, {MATRIX: rows.matrix.astype(np.float32, copy=False)})
        return Prediction(labels=labels, probabilities=probabilities)


class _ColumnModel:
    largest = LARGEST_FP32
    quick = True

    def __init__(self, session: Any, contract: ArtifactContract) -> None:
        self._run = session.run
        self._names = [column.name for column in contract.inputs]
        self._words = [isinstance(column, CategoricalColumn) for column in contract.inputs]

    def predict(self, rows: Rows) -> Prediction:
        feed = {}
        for name, words, array in zip(self._names, self._words, rows.columns, strict=True):
            # ONNX has no missing string: the conversion reads the empty one in its place.
            column = np.where(array == None, "", array) if words else array.astype(np.float32, copy=False)  # noqa: E711
            feed[name] = column.reshape(-1, 1)
        labels, probabilities = self._run(_OUTPUTS, feed)
        return Prediction(labels=labels, probabilities=probabilities)
