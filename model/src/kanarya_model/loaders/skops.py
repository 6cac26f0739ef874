"""scikit-learn from a skops file, for versions whose ONNX conversion did not hold. Needs the extra `sklearn`.

A skops file is read as data, and only types that skops trusts by itself or that are on our own fixed list
(`kanarya_contracts.skops_types`) are built from it. What the file says about trust is not asked.

    classification   `predict`, and `predict_proba` where the contract has probabilities; of several targets a column each
    regression       `predict`
    transformation   `transform`, one matrix
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from skops import io

from kanarya_contracts.artifact import ArtifactContract, CategoricalColumn, CategoricalTarget, Tensor
from kanarya_contracts.datatypes import INTEGER_RANGE, Datatype
from kanarya_contracts.skops_types import SKOPS_MODULES, SKOPS_TYPES
from kanarya_model.core.inputs import Rows
from kanarya_model.core.labels import Labels
from kanarya_model.core.model import Prediction, Predictor
from kanarya_model.core.values import LARGEST_FP64
from kanarya_model.loaders.labels import derived


def load(content: bytes, contract: ArtifactContract) -> tuple[Predictor | None, list[str]]:
    """A predictor, or what is wrong."""
    try:
        estimator, refused = read(content)
    except Exception as error:  # noqa: BLE001 (an unreadable file raises whatever zipfile, json or numpy raise)
        return None, [f"skops cannot load it: {type(error).__name__}: {error}"]
    wrong = refused or _estimator_problems(estimator, contract)
    return (None, wrong) if wrong else (_Estimator(estimator, contract), [])


def read(content: bytes) -> tuple[Any, list[str]]:
    """The estimator, or the types in the file that are not on the list. Raises whatever skops raises."""
    types = [str(name) for name in io.get_untrusted_types(data=content)]
    refused = sorted(name for name in types if not _allowed(name))
    if refused:
        return None, [f"holds the type {name}, which is not on Kanarya's list" for name in refused]
    return io.loads(content, trusted=types), []


def classes_of(estimator: Any) -> list[tuple[str, ...]]:
    """Each target's classes, as text."""
    given = estimator.classes_
    several = given if isinstance(given, list) else [given]
    return [tuple(str(label) for label in classes) for classes in several]


def _allowed(name: str) -> bool:
    return name in SKOPS_TYPES or name.startswith(SKOPS_MODULES)


def _estimator_problems(estimator: Any, contract: ArtifactContract) -> list[str]:
    targets = [target for target in contract.targets if isinstance(target, CategoricalTarget)]
    with_probabilities = [target for target in targets if target.probabilities is not None]
    needed = ["transform"] if contract.task == "transformation" else ["predict"]
    needed += ["classes_"] * bool(targets) + ["predict_proba"] * bool(with_probabilities)
    absent = [name for name in needed if not hasattr(estimator, name)]
    wrong = [f"is a {type(estimator).__name__} without {name}" for name in absent]
    if len(with_probabilities) not in (0, len(targets)):
        wrong.append(
            "the contract has probabilities of some targets, expected them of all or of none, as scikit-learn has them"
        )
    if targets and not absent:
        got, expected = classes_of(estimator), [target.classes for target in targets]
        if got != expected:
            wrong.append(f"has classes {got}, expected {expected}")
    labels = {target.label for target in targets}
    for tensor in contract.outputs:
        allowed = {Datatype.BYTES, Datatype.INT64} if tensor.name in labels else {Datatype.FP64}
        if tensor.datatype not in allowed:
            expected_types = " or ".join(sorted(allowed))
            wrong.append(f"the contract has output {tensor.name} {tensor.datatype}, expected {expected_types} of scikit-learn")
    if contract.task == "transformation" and len(contract.outputs) != 1:
        wrong.append(f"the contract has {len(contract.outputs)} outputs, expected the one matrix of a transformer")
    return wrong


class _Estimator:
    largest = LARGEST_FP64
    quick = False

    def __init__(self, estimator: Any, contract: ArtifactContract) -> None:
        # Workers that training wanted would be started anew for every request.
        jobs = [name for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"]
        self._estimator = estimator.set_params(**dict.fromkeys(jobs))
        self._names = [column.name for column in contract.inputs]
        self._words = [isinstance(column, CategoricalColumn) for column in contract.inputs]
        answers = _answers(contract)
        self._answers = answers[1:] if len(answers) == 2 and _votes(estimator) else answers
        self._made = derived(contract, [tensor.name for _, tensors in self._answers for tensor in tensors])
        # What was fitted on a DataFrame may pick its columns by name.
        self._by_name = hasattr(estimator, "feature_names_in_")

    def predict(self, rows: Rows) -> Prediction:
        table, outputs = self._table(rows), dict[str, NDArray[Any] | Labels]()
        for method, tensors in self._answers:
            answer = getattr(self._estimator, method)(table)
            for tensor, array in zip(tensors, _columns(answer, tensors), strict=True):
                outputs[tensor.name] = array.astype(_dtype(tensor), copy=False).reshape(-1, *tensor.shape[1:])
        for name, likeliest in self._made.items():
            outputs[name] = likeliest.of(outputs)
        return Prediction(outputs=outputs)

    def _table(self, rows: Rows) -> Any:
        # FP64 as in training: scikit-learn computes otherwise with FP32, which a client may have sent as bytes.
        matrix = None if rows.matrix is None else np.asarray(rows.matrix, np.float64)
        if matrix is not None and not self._by_name:
            return matrix
        import pandas as pd  # noqa: PLC0415 (half a second that a model of numbers alone need not wait)

        if matrix is not None:
            return pd.DataFrame(matrix, columns=self._names)
        columns = zip(self._names, self._words, rows.columns, strict=True)
        # scikit-learn's imputers and encoders know NaN as missing in words too.
        return pd.DataFrame({
            name: np.where(array == None, np.nan, array) if words else np.asarray(array, np.float64)  # noqa: E711
            for name, words, array in columns
        })  # fmt: skip


def _votes(estimator: Any) -> bool:
    """Whether the label is the class of the largest probability, the first of those that tie: `ForestClassifier.predict`.

    To ask a forest for both is to ask every tree twice, which is nearly all the time that an answer takes.
    """
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return isinstance(last, RandomForestClassifier | ExtraTreesClassifier) and last.n_outputs_ == 1


def _answers(contract: ArtifactContract) -> list[tuple[str, list[Tensor]]]:
    """scikit-learn's methods, and the outputs that each of them answers."""
    if contract.task == "transformation":
        return [("transform", list(contract.outputs))]
    answers = [("predict", [contract.output(target.outputs[0]) for target in contract.targets])]
    named = [one.probabilities for one in contract.targets if isinstance(one, CategoricalTarget)]
    probabilities = [contract.output(name) for name in named if name is not None]
    return [*answers, ("predict_proba", probabilities)] if probabilities else answers


def _columns(answer: Any, tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """scikit-learn's answer as an array an output: of several targets, it is a column each, or a list."""
    if isinstance(answer, list):
        return [np.asarray(one) for one in answer]
    dense = answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)
    return [dense] if len(tensors) == 1 else list(dense.T)


def _dtype(tensor: Tensor) -> Any:
    if tensor.datatype is Datatype.BYTES:
        return np.object_
    return np.int64 if tensor.datatype in INTEGER_RANGE else np.float64
