"""Labels made of probabilities: for models that have no label of their own. Called by the loaders."""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget
from kanarya_contracts.datatypes import INTEGER_RANGE


class Likeliest:
    """A target's label: its likeliest class, the first of equals."""

    def __init__(self, contract: ArtifactContract, target: CategoricalTarget) -> None:
        tensor = contract.output(target.label)
        whole = tensor.datatype in INTEGER_RANGE
        self._classes = np.array([int(one) if whole else one for one in target.classes], np.int64 if whole else np.object_)
        self._probabilities = str(target.probabilities)
        self._rest = tensor.shape[1:]

    def of(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The label of every row."""
        return self.among(outputs[self._probabilities])

    def among(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        """The same, of [rows, classes]."""
        labels: NDArray[Any] = self._classes[np.argmax(probabilities, axis=1)].reshape(-1, *self._rest)
        return labels


def derived(contract: ArtifactContract, there: Container[str]) -> dict[str, Likeliest]:
    """Labels of the contract that are not `there`, and whose probabilities are."""
    return {
        target.label: Likeliest(contract, target)
        for target in contract.targets
        if isinstance(target, CategoricalTarget) and target.label not in there and target.probabilities in there
    }
