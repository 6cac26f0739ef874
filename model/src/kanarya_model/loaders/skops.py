"""scikit-learn from a skops file, for versions whose ONNX conversion did not hold. Needs the extra `sklearn`.

A skops file is read as data, and only types that skops trusts by itself or that are on our own fixed list
(`kanarya_contracts.skops_types`) are built from it. What the file says about trust is not asked.
"""

from typing import Any

import numpy as np
from skops import io

from kanarya_contracts.artifact import ArtifactContract, CategoricalColumn
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.skops_types import SKOPS_MODULES, SKOPS_TYPES
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction, Predictor
from kanarya_model.core.values import LARGEST_FP64

_ALLOWED_DATATYPES = {"label": (Datatype.BYTES, Datatype.INT64), "probabilities": (Datatype.FP64,)}


def load(content: bytes, contract: ArtifactContract) -> tuple[Predictor | None, list[str]]:
    """A predictor, or what is wrong."""
    try:
        types = [str(name) for name in io.get_untrusted_types(data=content)]
        refused = sorted(name for name in types if not _allowed(name))
        if refused:
            return None, [f"holds the type {name}, which is not on Kanarya's list" for name in refused]
        estimator = io.loads(content, trusted=types)
    except Exception as error:  # noqa: BLE001 (an unreadable file raises whatever zipfile, json or numpy raise)
        return None, [f"skops cannot load it: {type(error).__name__}: {error}"]
    wrong = _estimator_problems(estimator, contract)
    return (None, wrong) if wrong else (_Estimator(estimator, contract), [])


def _allowed(name: str) -> bool:
    return name in SKOPS_TYPES or name.startswith(SKOPS_MODULES)


def _estimator_problems(estimator: Any, contract: ArtifactContract) -> list[str]:
    absent = [name for name in ("predict", "predict_proba", "classes_") if not hasattr(estimator, name)]
    wrong = [f"is a {type(estimator).__name__} without {name}" for name in absent]
    if not absent:
        classes = tuple(str(label) for label in estimator.classes_)
        if classes != contract.classes:
            wrong.append(f"has classes {classes}, expected {contract.classes}")
    for tensor in contract.outputs:
        allowed = _ALLOWED_DATATYPES.get(tensor.name, ())
        if tensor.datatype not in allowed:
            wrong.append(f"the contract has output {tensor.name} {tensor.datatype}, expected {dict(_ALLOWED_DATATYPES)}")
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
        label = next(tensor for tensor in contract.outputs if tensor.name == "label")
        self._label_type: Any = np.object_ if label.datatype is Datatype.BYTES else np.int64

    def predict(self, rows: Rows) -> Prediction:
        # FP64 as in training: scikit-learn computes otherwise with FP32, which a client may have sent as bytes.
        table = np.asarray(rows.matrix, np.float64) if rows.matrix is not None else self._frame(rows)
        labels = np.asarray(self._estimator.predict(table)).astype(self._label_type)
        return Prediction(labels=labels, probabilities=np.asarray(self._estimator.predict_proba(table), np.float64))

    def _frame(self, rows: Rows) -> Any:
        import pandas as pd  # noqa: PLC0415 (half a second that a model of numbers alone need not wait)

        columns = zip(self._names, self._words, rows.columns, strict=True)
        # scikit-learn's imputers and encoders know NaN as missing in words too.
        return pd.DataFrame({
            name: np.where(array == None, np.nan, array) if words else np.asarray(array, np.float64)  # noqa: E711
            for name, words, array in columns
        })  # fmt: skip
