"""The document as a whole: read, written, held against files and answers."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Self, cast

from pydantic import Field, ValidationError, model_validator

from kanarya_contracts import problems
from kanarya_contracts.artifact import agreement
from kanarya_contracts.artifact.answers import CategoricalTarget, Example, Target, Task, Tensor
from kanarya_contracts.artifact.parts import Column, Data, FileDigest, Metric, Name, Part, Reference, Runtime, Training
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import agreed

SCHEMA_VERSION: Final = "kanarya.dev/artifact/v1"
"""Changes when a reader of the old form could misread the new one."""


class ArtifactContract(Part):
    """The document. `parse` reads it, `dumps` writes it, `file_problems` and `example_problems` hold an artifact to it."""

    schema_version: Literal["kanarya.dev/artifact/v1"] = SCHEMA_VERSION
    """Which form of this document it is."""
    model: Name
    """Registered model's name."""
    task: Task = "classification"
    """What the model does."""
    inputs: tuple[Column, ...] = Field(min_length=1)
    """In the order the model wants them."""
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    """In the order of an answer. Training calls one target's `label`, `probabilities` and `value`; of several, the target's
    name comes before that: `colour.label`."""
    targets: tuple[Target, ...]
    """What is predicted; nothing where the model transforms."""
    runtime: Runtime
    """How to run the model."""
    reference: Reference
    """What live traffic is compared with."""
    example: Example
    """What a server must answer before it is ready."""
    metrics: dict[str, Metric]
    """`holdout-accuracy`, `cv-accuracy`, …"""
    data: Data
    """The rows that reference and example are from: what it was trained on, where training wrote this."""
    training: Training | None = None
    """How it came to be; null where it was made elsewhere."""
    files: dict[str, FileDigest]
    """Every file of the artifact but this one, by relative path with `/`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = agreement.paths(self) + (agreement.answers(self) or agreement.names(self))
        return agreed(self, wrong or agreement.example(self))

    @property
    def all_numbers(self) -> bool:
        """Whether every input is a column of numbers."""
        return all(column.kind == "numeric" for column in self.inputs)

    def output(self, name: str) -> Tensor:
        """The output of that name."""
        return next(tensor for tensor in self.outputs if tensor.name == name)

    def dumps(self) -> bytes:
        """The file's bytes: indented JSON, UTF-8, a newline at the end."""
        return (self.model_dump_json(by_alias=True, indent=2, exclude_none=True) + "\n").encode()

    def file_problems(self, found: Mapping[str, FileDigest]) -> list[str]:
        """What is wrong with an artifact's files; `found` is every file but the contract, by relative path.

        A file too many is as wrong as one too few: something that nobody vouches for could be loaded.
        """
        wrong = [f"{path}: is missing" for path in sorted(self.files.keys() - found.keys())]
        wrong += [f"{path}: is not in {CONTRACT_FILE}" for path in sorted(found.keys() - self.files.keys())]
        for path in sorted(self.files.keys() & found.keys()):
            want, got = self.files[path], found[path]
            if got.size != want.size:
                wrong.append(f"{path}: has {got.size} bytes, expected {want.size}")
            elif got.sha256 != want.sha256:
                wrong.append(f"{path}: has digest {got.sha256[:19]}…, expected {want.sha256[:19]}…")
        return wrong

    def example_problems(self, answers: Mapping[str, Sequence[object]]) -> list[str]:
        """What is wrong with the answers to the example. `answers`: output → its elements, row by row."""
        wrong = [f"{name}: is not among the answers" for name in self.example.outputs.keys() - answers.keys()]
        classes = [target for target in self.targets if isinstance(target, CategoricalTarget)]
        for tensor in self.outputs:
            got, want = answers.get(tensor.name), self.example.flat(tensor.name)
            if got is None:
                continue
            if len(got) != len(want):
                wrong.append(f"{tensor.name}: has {len(got)} elements, expected {len(want)}")
            elif any(tensor.name == target.label for target in classes):
                wrong += _other_words(tensor, got, want)
            else:
                absolute = any(tensor.name == target.probabilities for target in classes)
                wrong += _other_numbers(tensor, got, want, self.example.tolerance, absolute=absolute)
        return wrong


def _other_words(tensor: Tensor, got: Sequence[object], want: Sequence[object]) -> list[str]:
    pairs = enumerate(zip(got, want, strict=True))
    return [f"row {row}: {tensor.name} is {a!r}, expected {b!r}" for row, (a, b) in pairs if str(a) != str(b)]


def _other_numbers(
    tensor: Tensor, got: Sequence[object], want: Sequence[object], tolerance: float, *, absolute: bool
) -> list[str]:
    """The first wrong element of each row."""
    try:
        numbers = [float(cast("float", one)) for one in got]
    except (TypeError, ValueError):
        return [f"{tensor.name}: has elements that are no numbers"]
    expected = [float(cast("float", one)) for one in want]
    most = tolerance * (1.0 if absolute else max(map(abs, expected)) or 1.0)
    wrong: dict[int, str] = {}
    for index, (a, b) in enumerate(zip(numbers, expected, strict=True)):
        if not math.isfinite(a):
            wrong.setdefault(index // tensor.width, f"is {a}, expected {b:g}")
        elif abs(a - b) > most:
            wrong.setdefault(index // tensor.width, f"is off by {abs(a - b):.3g}, at most {most:g} is allowed")
    return [f"row {row}: {tensor.name} {text}" for row, text in wrong.items()]


def parse(content: bytes, source: str = CONTRACT_FILE) -> ArtifactContract:
    """Read a contract. Raises InvalidInput with every problem."""
    try:
        return ArtifactContract.model_validate_json(content, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise problems.from_validation(source, error, document=_document(content)) from None


def digest(content: bytes) -> str:
    """`sha256:…` of some bytes; of kanarya.json's bytes, it is the artifact's digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _document(content: bytes) -> object:
    try:
        return cast("object", json.loads(content))
    except (ValueError, RecursionError):
        return None
