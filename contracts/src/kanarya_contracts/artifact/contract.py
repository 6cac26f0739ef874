"""The document as a whole: read, written, held against files and answers."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, Self, cast

from pydantic import Field, ValidationError, model_validator

from kanarya_contracts import problems
from kanarya_contracts.artifact.parts import (
    Column,
    Data,
    Example,
    FileDigest,
    Metric,
    Name,
    Part,
    Reference,
    Runtime,
    Tensor,
    Training,
)
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import Problem, agreed, problem, repeated

SCHEMA_VERSION: Final = "kanarya.dev/artifact/v1"
"""Changes when a reader of the old form could misread the new one."""


class ArtifactContract(Part):
    """The document. `parse` reads it, `dumps` writes it, `file_problems` and `example_problems` hold an artifact to it."""

    schema_version: Literal["kanarya.dev/artifact/v1"] = SCHEMA_VERSION
    """Which form of this document it is."""
    model: Name
    """Registered model's name."""
    task: Literal["classification"] = "classification"
    """What the model does."""
    inputs: tuple[Column, ...] = Field(min_length=1)
    """In the order the model wants them."""
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    """`label` and `probabilities`."""
    classes: tuple[str, ...] = Field(min_length=2)
    """In the order of the probabilities."""
    runtime: Runtime
    """How to run the model."""
    reference: Reference
    """What live traffic is compared with."""
    example: Example
    """What a server must answer before it is ready."""
    metrics: dict[str, Metric]
    """`holdout-accuracy`, `cv-accuracy`, …"""
    data: Data
    """What it was trained on."""
    training: Training
    """How it came to be."""
    files: dict[str, FileDigest]
    """Every file of the artifact but this one, by relative path with `/`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return agreed(self, [*self._name_problems(), *self._path_problems(), *self._shape_problems()])

    def _name_problems(self) -> list[Problem]:
        names = [column.name for column in self.inputs]
        wrong = repeated("inputs", names) + repeated("classes", self.classes)
        wrong += _strangers(names, self.reference.features, "reference", "features")
        wrong += _strangers(self.classes, self.reference.predictions, "reference", "predictions")
        wrong += _strangers(self.classes, map(str, self.example.labels), "example", "labels")
        if sorted(self.example.inputs) != sorted(names):
            wrong.append(problem(f"got {sorted(self.example.inputs)}, expected {sorted(names)}", "example", "inputs"))
        return wrong

    def _path_problems(self) -> list[Problem]:
        wrong = []
        if self.runtime.file not in self.files:
            wrong.append(problem(f"got {self.runtime.file!r}, expected one of files", "runtime", "file"))
        for path in self.files:
            if not _stays_inside(path) or path == CONTRACT_FILE:
                wrong.append(problem(f"got {path!r}, expected relative paths inside the artifact", "files"))
        return wrong

    def _shape_problems(self) -> list[Problem]:
        example, wrong = self.example, []
        rows = len(example.labels)
        if not rows:
            wrong.append(problem("got no row, expected one or more", "example", "labels"))
        for name, values in example.inputs.items():
            if len(values) != rows:
                wrong.append(problem(f"got {len(values)} values for {rows} labels", "example", "inputs", name))
        if len(example.probabilities) != rows:
            wrong.append(problem(f"got {len(example.probabilities)} rows for {rows} labels", "example", "probabilities"))
        for row, values in enumerate(example.probabilities):
            if len(values) != len(self.classes):
                text = f"got {len(values)} values for {len(self.classes)} classes"
                wrong.append(problem(text, "example", "probabilities", row))
        return wrong

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

    def example_problems(self, labels: Sequence[str | int], probabilities: Sequence[Sequence[float]] | None) -> list[str]:
        """What is wrong with the answers to the example. `probabilities` is None where a client did not ask for them."""
        want = self.example
        if len(labels) != len(want.labels):
            return [f"answered {len(labels)} labels for {len(want.labels)} rows"]
        wrong = [
            f"row {row}: label {got!r}, expected {expected!r}"
            for row, (got, expected) in enumerate(zip(labels, want.labels, strict=True))
            if str(got) != str(expected)
        ]
        if probabilities is not None:
            wrong += self._probability_problems(probabilities)
        return wrong

    def _probability_problems(self, probabilities: Sequence[Sequence[float]]) -> list[str]:
        want = self.example
        if [len(row) for row in probabilities] != [len(row) for row in want.probabilities]:
            return [f"probabilities have another shape than [{len(want.probabilities)}, {len(self.classes)}]"]
        wrong = []
        for row, (got, expected) in enumerate(zip(probabilities, want.probabilities, strict=True)):
            pairs = list(zip(got, expected, strict=True))
            lost = next(((g, e) for g, e in pairs if not math.isfinite(g)), None)
            worst = max(abs(g - e) for g, e in pairs)
            if lost:
                wrong.append(f"row {row}: a probability is {lost[0]}, expected {lost[1]:g}")
            elif worst > want.tolerance:
                wrong.append(f"row {row}: a probability is off by {worst:.3g}, at most {want.tolerance:g} is allowed")
        return wrong


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


def _stays_inside(path: str) -> bool:
    return "\\" not in path and "\0" not in path and all(part not in {"", ".", ".."} for part in path.split("/"))


def _strangers(known: Sequence[str], words: Iterable[str], *path: str) -> list[Problem]:
    unknown = sorted(set(words) - set(known))
    return [problem(f"got {unknown}, expected some of {list(known)}", *path)] if unknown else []
