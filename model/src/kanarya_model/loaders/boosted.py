"""What the loaders of gradient boosting libraries share: scores into the contract's outputs. Called by `lightgbm`, `xgboost`.

A classifier's scores are probabilities: [rows] of the second of two classes, or [rows, classes]; its label is the likeliest
class. A regressor's are the numbers, [rows] or [rows, targets]. Which classes those are no file says: the contract does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.labels import Labels
from kanarya_model.core.model import Prediction
from kanarya_model.loaders.labels import Likeliest


def problems(
    contract: ArtifactContract, *, names: Sequence[str], scores: int, probabilities: bool, datatype: Datatype
) -> list[str]:
    """What in the contract is not the model's. `names`: of its columns. `scores`: a row's. `datatype`: of its numbers."""
    wrong = []
    if contract.task == "transformation" or (contract.task == "classification" and len(contract.targets) > 1):
        wrong.append(
            f"the contract is for {contract.task} of {len(contract.targets)} targets, expected one of classes, or numbers"
        )
    if not contract.all_numbers:
        words = [column.name for column in contract.inputs if column.kind == "categorical"]
        wrong.append(f"the contract has columns of words ({', '.join(words)}), expected numbers alone")
    columns = [column.name for column in contract.inputs]
    if list(names) != columns:
        wrong.append(f"has the columns {list(names)}, expected {columns}")
    for target in contract.targets:
        if isinstance(target, CategoricalTarget):
            expected = 1 if len(target.classes) == 2 else len(target.classes)
            if not probabilities:
                wrong.append("has an objective without probabilities, expected one of classification")
            elif scores not in (expected, len(target.classes)):
                wrong.append(f"gives {scores} scores a row, expected {expected} for the classes {list(target.classes)}")
    if contract.task == "regression" and scores != len(contract.targets):
        wrong.append(f"gives {scores} numbers a row, expected {len(contract.targets)}")
    labels = {target.label for target in contract.targets if isinstance(target, CategoricalTarget)}
    for tensor in contract.outputs:
        if tensor.name not in labels and tensor.datatype is not datatype:
            wrong.append(f"the contract has output {tensor.name} {tensor.datatype}, expected {datatype}")
    return wrong


class Answers:
    """A contract's outputs, made of scores."""

    def __init__(self, contract: ArtifactContract) -> None:
        self._numbers = [contract.output(target.outputs[0]) for target in contract.targets]
        first = contract.targets[0]
        self._target = first if isinstance(first, CategoricalTarget) else None
        self._likeliest = Likeliest(contract, self._target) if self._target else None

    def of(self, scores: NDArray[Any]) -> Prediction:
        """The prediction."""
        if self._target is None or self._likeliest is None:
            columns = scores.reshape(len(scores), -1).T
            pairs = zip(self._numbers, columns, strict=True)
            return Prediction(outputs={tensor.name: column.reshape(-1, *tensor.shape[1:]) for tensor, column in pairs})
        shares = np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else scores
        outputs: dict[str, NDArray[Any] | Labels] = {self._target.label: self._likeliest.among(shares)}
        if self._target.probabilities is not None:
            outputs[self._target.probabilities] = shares
        return Prediction(outputs=outputs)
