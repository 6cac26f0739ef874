"""What a model answers: tensors, the targets they are about, and an example. The parts of the document that differ by task."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kanarya_contracts.artifact.parts import Name, Part
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.problems import agreed, problem, repeated

Task = Literal["classification", "regression", "transformation"]
"""What a model does: tells classes apart, estimates numbers, or makes other columns of the ones it is given."""


class Tensor(Part):
    """An output."""

    name: Name
    """The tensor's name in an answer."""
    datatype: Datatype
    """Of its elements."""
    shape: tuple[int, ...] = Field(min_length=1, max_length=2)
    """-1 for the batch; then, where there is more than an element a row, how many."""

    @property
    def width(self) -> int:
        """Elements a row."""
        return self.shape[1] if len(self.shape) == 2 else 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rows, *width = self.shape
        right = rows == -1 and all(count >= 1 for count in width)
        return agreed(self, [] if right else [problem(f"got {list(self.shape)}, expected [-1] or [-1, n]", "shape")])


class CategoricalTarget(Part):
    """A word, or a whole number, out of several."""

    kind: Literal["categorical"] = "categorical"
    """Tells it from a number."""
    name: Name
    """The column that is predicted."""
    classes: tuple[str, ...] = Field(min_length=2)
    """In the order of the probabilities."""
    label: Name = "label"
    """The output that names one of them."""
    probabilities: Name | None = None
    """The output with one of each; null where the model gives none."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs."""
        return (self.label,) if self.probabilities is None else (self.label, self.probabilities)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return agreed(self, repeated("classes", self.classes))


class NumericTarget(Part):
    """A number, as a regression answers it."""

    kind: Literal["numeric"] = "numeric"
    """Tells it from a word."""
    name: Name
    """The column that is predicted."""
    value: Name = "value"
    """The output that holds it."""
    error_bound: float = Field(gt=0)
    """In the target's own unit: a larger error is counted as this one. An error's share of it is the score that feedback
    counts, 0 for none and 1 for this much or more. Versions whose scores are compared have the same."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs."""
        return (self.value,)


Target = Annotated[CategoricalTarget | NumericTarget, Field(discriminator="kind")]
"""What is predicted. `kind` says which."""


class Example(Part):
    """Rows and the answers this artifact must give for them, wherever it runs."""

    inputs: dict[str, tuple[float | int | str | bool | None, ...]] = Field(min_length=1)
    """Column → values, a value a row."""
    outputs: dict[str, tuple[str | int | float | tuple[float, ...], ...]]
    """Output → what is expected, an element a row, or a list of them."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Largest absolute difference of a probability; of any other number, as a share of the largest expected."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.inputs.values())))

    def flat(self, output: str) -> list[str | int | float]:
        """An output's expected elements, row by row."""
        elements: list[str | int | float] = []
        for row in self.outputs[output]:
            elements += row if isinstance(row, tuple) else [row]
        return elements
