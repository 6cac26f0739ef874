"""Versions for the cluster's registry: good ones, and ones that are wrong in each way that a rollout must notice.

Each is a real artifact: the champion's own, its graph changed, its example answered anew, its contract and digest written for
what it now is. So nothing but the requests can tell that it is wrong (only `broken` is refused by its digest). Registered by
training's own `register`, through a port-forward to MLflow, as a person outside of the cluster would.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract, FileDigest
from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, CONTRACT_FILE
from kanarya_training_job import address
from kanarya_training_job.outcome import Comparison
from kanarya_training_job.package import ONNX_FILE, Package
from kanarya_training_job.register import Registration, register
from kanarya_training_job.registry import Registry

PETAL = 2
"""Index of petal_length among the inputs."""

LONG = 3.0
"""Centimetres: every setosa's petal is shorter, every other one's is longer, which is two of three rows."""

VERY_LONG = 5.0
"""Centimetres: the petals of one row in four. A slow version must not take the machine from the others."""

SLOW_SIDE = 2200
"""Of a square matrix that is multiplied with itself: 21 billion operations, a tenth of a second on a fast core."""

Spoil = Callable[[onnx.ModelProto], None]


def failing(model: onnx.ModelProto) -> None:
    """Long petals index a table beyond its end: the runtime raises, the server answers 500."""
    _add(model, [
        *_is_long(LONG),
        helper.make_node("Cast", ["e2e_long"], ["e2e_places"], to=TensorProto.INT64),
        _constant("e2e_thousand", np.array(1000, np.int64)),
        helper.make_node("Mul", ["e2e_places", "e2e_thousand"], ["e2e_far"]),
        _constant("e2e_table", np.zeros(1, np.float32)),
        helper.make_node("Gather", ["e2e_table", "e2e_far"], ["e2e_nothing"]),
    ])  # fmt: skip


def slow(model: onnx.ModelProto) -> None:
    """Very long petals multiply a large matrix first."""
    _add(model, [
        *_is_long(VERY_LONG),
        helper.make_node("Cast", ["e2e_long"], ["e2e_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["e2e_float"], ["e2e_any"], keepdims=0),
        _constant("e2e_side", np.array(SLOW_SIDE, np.float32)),
        helper.make_node("Mul", ["e2e_any", "e2e_side"], ["e2e_wanted"]),
        _constant("e2e_one", np.array(1, np.float32)),
        helper.make_node("Max", ["e2e_wanted", "e2e_one"], ["e2e_size"]),
        helper.make_node("Cast", ["e2e_size"], ["e2e_whole"], to=TensorProto.INT64),
        _constant("e2e_shape", np.array([1], np.int64)),
        helper.make_node("Reshape", ["e2e_whole", "e2e_shape"], ["e2e_row"]),
        helper.make_node("Concat", ["e2e_row", "e2e_row"], ["e2e_square"], axis=0),
        helper.make_node("ConstantOfShape", ["e2e_square"], ["e2e_matrix"]),
        helper.make_node("MatMul", ["e2e_matrix", "e2e_matrix"], ["e2e_product"]),
        helper.make_node("ReduceSum", ["e2e_product"], ["e2e_nothing"], keepdims=0),
    ])  # fmt: skip


def wrong(model: onnx.ModelProto) -> None:
    """It sees every flower with its signs turned over, and answers at once, with confidence."""
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["e2e_turned" if name == "X" else name for name in node.input]
    graph.node.insert(0, helper.make_node("Neg", ["X"], ["e2e_turned"]))


class Versions:
    """One model in the registry behind an address."""

    def __init__(self, uri: str, model: str = "iris") -> None:
        self.model = model
        self._registry = Registry(address.parse(uri))

    def alias(self, alias: str) -> str | None:
        """The version that holds it."""
        found = self._registry.by_alias(self.model, alias)
        return found.version if found else None

    def challenge(self, spoil: Spoil | None = None, *, broken: bool = False, alias: str = ALIAS_CANDIDATE) -> str:
        """Register a version like the champion, spoilt or not, and point a challenger's alias to it. Returns its number."""
        champion = self.alias(ALIAS_STABLE)
        assert champion is not None, "there is no champion to make a version from"
        with tempfile.TemporaryDirectory() as scratch:
            directory = self._registry.download(self.model, champion, Path(scratch))
            package = _written(directory, spoil)
            if broken:
                _turn_a_bit(directory / ONNX_FILE)
            files = Path(scratch) / "run"
            files.mkdir()
            registration = Registration(
                model=self.model,
                experiment="e2e",
                package=package,
                comparison=Comparison(verdict="as-good", metric="accuracy", rows=1, tolerance=0.0),
                parameters={},
                run_files=files,
            )
            made = register(self._registry, registration)
        self._registry.set_alias(self.model, alias, made.version)
        return made.version


def _written(directory: Path, spoil: Spoil | None) -> Package:
    """The artifact with its graph changed, and with a contract that says what it is now, which no other version's does: one
    that is taken back would put every one of its digest into quarantine."""
    contract = artifact.parse((directory / CONTRACT_FILE).read_bytes())
    assert contract.training is not None, "the champion was not trained here"
    made = contract.training.model_copy(update={"code_revision": f"e2e-{time.time_ns()}"})
    contract = contract.model_copy(update={"training": made})
    if spoil is not None:
        model = onnx.load(directory / ONNX_FILE)
        spoil(model)
        content = model.SerializeToString()
        (directory / ONNX_FILE).write_bytes(content)
        digests = {**contract.files, ONNX_FILE: FileDigest(sha256=artifact.digest(content), size=len(content))}
        contract = _answered(contract, content).model_copy(update={"files": digests})
    (directory / CONTRACT_FILE).write_bytes(contract.dumps())
    content = (directory / CONTRACT_FILE).read_bytes()
    return Package(directory=directory, contract=artifact.parse(content), digest=artifact.digest(content))


def _answered(contract: ArtifactContract, graph: bytes) -> ArtifactContract:
    """With an example of short petals, and the answers that this graph gives to it."""
    columns = [column.name for column in contract.inputs]
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2]], np.float32)
    labels, probabilities = onnxruntime.InferenceSession(graph).run(["label", "probabilities"], {"X": rows})
    example = contract.example.model_copy(
        update={
            "inputs": {name: tuple(map(float, rows[:, place])) for place, name in enumerate(columns)},
            "outputs": {
                "label": tuple(map(str, labels)),
                "probabilities": tuple(tuple(map(float, row)) for row in probabilities),
            },
        }
    )
    return contract.model_copy(update={"example": example})


def _add(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    """Nodes that end in `e2e_nothing`, of which nothing is added to the probabilities: the graph must compute it."""
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["e2e_probabilities" if name == "probabilities" else name for name in node.output]
    graph.node.extend(nodes)
    graph.node.append(helper.make_node("ReduceSum", ["e2e_nothing"], ["e2e_sum"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["e2e_probabilities", "e2e_sum"], ["probabilities"]))


def _is_long(limit: float) -> list[onnx.NodeProto]:
    return [
        _constant("e2e_column", np.array([PETAL], np.int64)),
        helper.make_node("Gather", ["X", "e2e_column"], ["e2e_petal"], axis=1),
        _constant("e2e_limit", np.array(limit, np.float32)),
        helper.make_node("Greater", ["e2e_petal", "e2e_limit"], ["e2e_long"]),
    ]


def _constant(name: str, value: "np.ndarray") -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def _turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
