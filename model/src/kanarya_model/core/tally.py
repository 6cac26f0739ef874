"""Answered rows by what was answered: a class, or a bin of the contract's reference. Filled by `metrics`, which edges call.

A bin is named by its number, and a value equal to an edge falls in the bin on its right, as everywhere. Several targets count
each for itself, under names such as `colour=red`. The classes and bins are the contract's, so their number is bounded.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget, NumericHistogram, Target
from kanarya_model.core.model import Prediction


class Tally:
    """A model version's predictions in this process. Not for several threads at once."""

    def __init__(self, contract: ArtifactContract) -> None:
        found = [(target, _counted(target, contract)) for target in contract.targets]
        several = len(contract.targets) > 1
        self._counted = [(f"{target.name}=" if several else "", one) for target, one in found if one is not None]

    def add(self, prediction: Prediction) -> None:
        """Count every row of an answer."""
        for _, one in self._counted:
            one.add(prediction)

    def counts(self) -> Iterator[tuple[str, int]]:
        """Everything counted so far, by class or bin."""
        for prefix, one in self._counted:
            for name, count in one.counts.items():
                yield f"{prefix}{name}", count


class _Classes:
    def __init__(self, output: str, classes: tuple[str, ...]) -> None:
        self._output = output
        self._names = classes
        self._counts = [0] * len(classes)

    @property
    def counts(self) -> dict[str, int]:
        return dict(zip(self._names, self._counts, strict=True))

    def add(self, prediction: Prediction) -> None:
        places = prediction.labels(self._output).places
        if places.size == 1:
            self._counts[places.item()] += 1
            return
        _add(self._counts, places)


class _Bins:
    def __init__(self, output: str, edges: tuple[float, ...]) -> None:
        self._output = output
        self._counts = [0] * (len(edges) + 1)
        self._edges = edges

    @property
    def counts(self) -> dict[str, int]:
        return {str(number): count for number, count in enumerate(self._counts)}

    def add(self, prediction: Prediction) -> None:
        values = prediction.output(self._output)
        if values.size == 1:
            self._counts[bisect_right(self._edges, values.item())] += 1
            return
        _add(self._counts, np.searchsorted(self._edges, values.ravel(), side="right"))


def _add(counts: list[int], places: NDArray[Any]) -> None:
    for place, count in enumerate(np.bincount(places, minlength=len(counts)).tolist()):
        counts[place] += count


def _counted(target: Target, contract: ArtifactContract) -> _Classes | _Bins | None:
    """What counts a target's predictions; None for numbers that no reference puts into bins."""
    if isinstance(target, CategoricalTarget):
        return _Classes(target.label, target.classes)
    histogram = contract.reference.predictions.get(target.name)
    return _Bins(target.value, histogram.edges) if isinstance(histogram, NumericHistogram) else None
