"""Labels of classifiers that do not say them: made of probabilities. Called by the loaders."""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget
from kanarya_model.core.labels import Classes, Labels


class Likeliest:
    """A target's label: its likeliest class, the first of equals."""

    def __init__(self, contract: ArtifactContract, target: CategoricalTarget) -> None:
        self._classes = Classes(contract, target)
        self._probabilities = str(target.probabilities)

    def of(self, outputs: Mapping[str, NDArray[Any] | Labels]) -> Labels:
        """The label of every row."""
        probabilities = outputs[self._probabilities]
        assert not isinstance(probabilities, Labels)  # noqa: S101 (the contract has numbers there)
        return self.among(probabilities)

    def among(self, probabilities: NDArray[Any]) -> Labels:
        """The same, of [rows, classes]."""
        return self._classes.at(np.argmax(probabilities, axis=1))


def derived(contract: ArtifactContract, there: Container[str]) -> dict[str, Likeliest]:
    """Labels of the contract that are not `there`, and whose probabilities are."""
    return {
        target.label: Likeliest(contract, target)
        for target in contract.targets
        if isinstance(target, CategoricalTarget) and target.label not in there and target.probabilities in there
    }
