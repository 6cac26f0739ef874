"""ONNX through ONNX Runtime. Two forms of graph are read, whoever made it:

    one matrix      where all columns are numbers: one input of floats, [rows, columns] in the contract's order
    by column       an input a column, named as it is, [rows] or [rows, 1], of a type that holds it

Outputs are tensors, and named as in the contract. A label that the graph does not have is made of its probabilities: the
likeliest class. Of a label that it says by its place too (`label.place`, as training's do), that is asked. A graph of any other
form is refused with what is different about it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kanarya_contracts.artifact import PLACE, ArtifactContract, CategoricalColumn, Column, Tensor, says_place
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import Rows
from kanarya_model.core.labels import label_classes
from kanarya_model.core.model import Prediction, Predictor
from kanarya_model.core.values import LARGEST_FP32, LARGEST_FP64
from kanarya_model.loaders.labels import derived

TYPES = {
    "tensor(bool)": (Datatype.BOOL, np.bool_),
    "tensor(uint8)": (Datatype.UINT8, np.uint8),
    "tensor(uint16)": (Datatype.UINT16, np.uint16),
    "tensor(uint32)": (Datatype.UINT32, np.uint32),
    "tensor(uint64)": (Datatype.UINT64, np.uint64),
    "tensor(int8)": (Datatype.INT8, np.int8),
    "tensor(int16)": (Datatype.INT16, np.int16),
    "tensor(int32)": (Datatype.INT32, np.int32),
    "tensor(int64)": (Datatype.INT64, np.int64),
    "tensor(float)": (Datatype.FP32, np.float32),
    "tensor(double)": (Datatype.FP64, np.float64),
    "tensor(string)": (Datatype.BYTES, np.object_),
}
"""ONNX's type → the protocol's and numpy's."""
_MATRIX_TYPES = ("tensor(float)", "tensor(double)")
_ERRORS_ONLY = 3

_Array = NDArray[Any]


def open_session(content: bytes, *, threads: int) -> Any:
    """The graph in ONNX Runtime. Files beside it (external data) are never read. Raises what ONNX Runtime raises."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def load(content: bytes, contract: ArtifactContract, *, threads: int) -> tuple[Predictor | None, list[str]]:
    """A predictor, or what is wrong."""
    try:
        session = open_session(content, threads=threads)
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's exceptions share no base of their own)
        return None, [f"ONNX Runtime {onnxruntime.__version__} cannot load it: {error}"]
    matrix = takes_matrix(session.get_inputs(), contract)
    wrong = [] if matrix else _column_problems(session, contract)
    wrong += _output_problems(session, contract)
    if wrong:
        return None, wrong
    return (_MatrixModel(session, contract) if matrix else _ColumnModel(session, contract)), []


def takes_matrix(nodes: Any, contract: ArtifactContract) -> bool:
    """Whether a graph with these inputs takes every column in one tensor."""
    if len(nodes) != 1 or not contract.all_numbers or nodes[0].type not in _MATRIX_TYPES or len(nodes[0].shape) != 2:
        return False
    width = nodes[0].shape[1]
    return width == len(contract.inputs) if isinstance(width, int) else True


def _column_problems(session: Any, contract: ArtifactContract) -> list[str]:
    nodes = {node.name: node for node in session.get_inputs()}
    columns = {column.name: column for column in contract.inputs}
    if nodes.keys() != columns.keys():
        got = {node.name: f"{node.type} {node.shape}" for node in nodes.values()}
        matrix = f", or one matrix of floats [rows, {len(columns)}]" if contract.all_numbers else ""
        return [f"the graph has inputs {got}, expected one for each of {sorted(columns)}{matrix}"]
    wrong = []
    for name, node in nodes.items():
        if not _holds(node.type, columns[name]):
            wrong.append(f"the graph's input {name} is {node.type}, and the contract's column is {columns[name].datatype}")
        if len(node.shape) not in (1, 2) or node.shape[1:] not in ([], [1]):
            wrong.append(f"the graph's input {name} has shape {node.shape}, expected [rows] or [rows, 1]")
    return wrong


def _holds(kind: str, column: Column) -> bool:
    """Whether an input of that type takes the column's values: a float any number, another type its own."""
    if isinstance(column, CategoricalColumn):
        return kind == "tensor(string)"
    if kind in _MATRIX_TYPES:
        return column.datatype is not Datatype.BOOL
    known = TYPES.get(kind)
    return known is not None and known[0] is column.datatype and not column.nullable


def _output_problems(session: Any, contract: ArtifactContract) -> list[str]:
    nodes = {node.name: node for node in session.get_outputs()}
    made = derived(contract, nodes)
    expected = {tensor.name: tensor for tensor in contract.outputs if tensor.name not in made}
    if not expected.keys() <= nodes.keys():
        return [f"the graph has outputs {sorted(nodes)}, expected {sorted(expected)}"]
    return [text for name, tensor in expected.items() for text in _other_form(nodes[name], tensor)]


def _other_form(node: Any, tensor: Tensor) -> list[str]:
    got = TYPES.get(node.type)
    if got is None or got[0] is not tensor.datatype:
        return [f"the graph's output {node.name} is {node.type}, expected {tensor.datatype}"]
    # A dimension without a number, or a shape that the graph does not tell, is compared when there is an answer.
    shape = [size if isinstance(size, int) else None for size in node.shape]
    if shape and (len(shape) != len(tensor.shape) or shape[1:] not in ([None] * (len(shape) - 1), list(tensor.shape[1:]))):
        return [f"the graph's output {node.name} has shape {node.shape}, expected {list(tensor.shape)}"]
    return []


class _Graph:
    """What both forms share: a session, the outputs that are asked of it, and labels that are made of them."""

    quick = True

    def __init__(self, session: Any, contract: ArtifactContract) -> None:
        self._run = session.run
        self._made = derived(contract, [node.name for node in session.get_outputs()])
        self._outputs = [tensor.name for tensor in contract.outputs if tensor.name not in self._made]
        said = session.get_modelmeta().custom_metadata_map
        self._placed = {label: one for label, one in label_classes(contract).items() if says_place(said, label, one.names)}
        self._asked = [f"{name}{PLACE}" if name in self._placed else name for name in self._outputs]

    def _answer(self, feed: dict[str, _Array]) -> Prediction:
        outputs = dict(zip(self._outputs, self._run(self._asked, feed), strict=True))
        for name, classes in self._placed.items():
            outputs[name] = classes.at(outputs[name])
        for name, likeliest in self._made.items():
            outputs[name] = likeliest.of(outputs)
        return Prediction(outputs=outputs)


class _MatrixModel(_Graph):
    def __init__(self, session: Any, contract: ArtifactContract) -> None:
        super().__init__(session, contract)
        node = session.get_inputs()[0]
        self._name = node.name
        self._type = TYPES[node.type][1]
        self.largest = LARGEST_FP32 if self._type is np.float32 else LARGEST_FP64

    def predict(self, rows: Rows) -> Prediction:
        assert rows.matrix is not None  # noqa: S101 (the contract's columns decide both)
        return self._answer({self._name: rows.matrix.astype(self._type, copy=False)})


class _ColumnModel(_Graph):
    def __init__(self, session: Any, contract: ArtifactContract) -> None:
        super().__init__(session, contract)
        nodes = {node.name: node for node in session.get_inputs()}
        self._reads = [_reader(nodes[column.name]) for column in contract.inputs]
        types = {node.type for node in nodes.values()}
        self.largest = LARGEST_FP32 if "tensor(float)" in types else LARGEST_FP64

    def predict(self, rows: Rows) -> Prediction:
        # Columns of numbers alone come as a matrix, as the contract has them and not the graph.
        columns = rows.columns if rows.matrix is None else rows.matrix.T
        return self._answer({name: read(array) for (name, read), array in zip(self._reads, columns, strict=True)})


def _reader(node: Any) -> tuple[str, Callable[[_Array], _Array]]:
    """The input's name, and a column as it takes it."""
    kind, shape = TYPES[node.type][1], (-1, 1)[: len(node.shape)]
    if kind is np.object_:
        # ONNX has no missing string: the conversion reads the empty one in its place.
        return node.name, lambda array: np.where(array == None, "", array).reshape(shape)  # noqa: E711
    return node.name, lambda array: array.astype(kind, copy=False).reshape(shape)
