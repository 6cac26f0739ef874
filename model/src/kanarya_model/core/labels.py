"""Labels as places among a target's classes. Made by predictors, and by `model` of what a predictor says in words; read by
edges and counters.

A thousand labels are an array of numbers then: held to the classes, counted and written without a text a row, which is made
only where somebody wants to read one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core import raw

Places = NDArray[np.intp]
"""A label a row, as its number in the order of the classes."""


class Classes:
    """A target's classes, as its label output has them."""

    def __init__(self, contract: ArtifactContract, target: CategoricalTarget) -> None:
        tensor = contract.output(target.label)
        self.names = target.classes
        words = tensor.datatype is Datatype.BYTES
        self.elements: NDArray[Any] = np.array(
            self.names if words else [int(name) for name in self.names], np.object_ if words else raw.DTYPES[tensor.datatype]
        )
        self.in_bytes = np.array([bytes(raw.write(one, tensor.datatype)) for one in self.elements.reshape(-1, 1)], np.object_)
        """Each as the protocol's bytes."""
        self._places = {name: place for place, name in enumerate(self.names)}

    def at(self, places: NDArray[Any]) -> "Labels":
        """The labels with these places, one a row. Raises IndexError for one that there is not."""
        lowest, highest = (places.item(),) * 2 if places.size == 1 else (np.minimum.reduce(places), np.maximum.reduce(places))
        if lowest < 0 or highest >= len(self.names):
            raise IndexError(f"got the places {lowest} to {highest} of {len(self.names)} classes")
        return Labels(places, self)

    def among(self, labels: NDArray[Any]) -> "Labels":
        """The labels that a model says in words, or whole numbers. Raises KeyError for no class."""
        return Labels(np.array([self._places[str(label)] for label in labels.tolist()], np.intp), self)


@dataclass(eq=False, slots=True)
class Labels:
    """A target's label for every row."""

    places: Places
    classes: Classes

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array's."""
        return self.places.shape

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: slice) -> "Labels":
        """Those of some rows; the same memory."""
        return Labels(self.places[rows], self.classes)

    def elements(self) -> NDArray[Any]:
        """The classes themselves: str objects, or integers of the output's datatype."""
        return self.classes.elements.take(self.places)

    def in_bytes(self) -> bytes:
        """The tensor, as `raw.write` would write it."""
        return b"".join(self.classes.in_bytes.take(self.places).tolist())


def label_classes(contract: ArtifactContract) -> dict[str, Classes]:
    """By the name of the label's output."""
    return {one.label: Classes(contract, one) for one in contract.targets if isinstance(one, CategoricalTarget)}
