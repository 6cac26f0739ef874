"""`kanarya.json`: what a model version says about itself, and what everyone holds it to.

Written by `training-job` (package), checked by `rollout` before a version gets traffic and by `model` before it loads a
file. An artifact is a directory: MLflow's model, `model.onnx` where the conversion reproduces scikit-learn, a model card
and this file, which lists every other file with its digest. The artifact's own digest is the SHA-256 of this file's bytes.

Pure: paths and digests come in as values; reading them is the caller's.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from kanarya_contracts import problems
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.names import CONTRACT_FILE

SCHEMA_VERSION = "kanarya.dev/artifact/v1"
"""Changes when a reader of the old form could misread the new one."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""`sha256:` and 64 hexadecimal digits."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
"""Name of a model, tensor or file."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False)


class NumericColumn(_Part):
    """A column of numbers."""

    kind: Literal["numeric"] = "numeric"
    name: Name
    datatype: Datatype = Datatype.FP64
    minimum: float
    """Smallest value in the training rows. Outside is counted as drift, never refused."""
    maximum: float
    """Largest value in the training rows."""
    nullable: bool = False
    """Whether the model accepts a missing value (NaN)."""


class CategoricalColumn(_Part):
    """A column of words."""

    kind: Literal["categorical"] = "categorical"
    name: Name
    datatype: Literal[Datatype.BYTES] = Datatype.BYTES
    categories: tuple[str, ...] = Field(min_length=1)
    """The words seen in training, sorted."""
    unknown: Literal["accept", "refuse"] = "refuse"
    """What the server does with a word not in `categories`: hands it to a model that ignores it, or answers 400."""
    nullable: bool = False


Column = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]


class Tensor(_Part):
    """An output."""

    name: Name
    datatype: Datatype
    shape: tuple[int, ...]
    """-1 for the batch."""


class Parity(_Part):
    """How closely the ONNX model reproduced scikit-learn on the held-out rows."""

    rows: int = Field(ge=1)
    labels_different: int = Field(ge=0)
    probability_difference: float = Field(ge=0)
    """Largest absolute difference of any probability."""
    tolerance: float = Field(gt=0)
    """The largest that was allowed."""


class Runtime(_Part):
    """How to run the model."""

    format: Literal["onnx", "skops"]
    file: Name
    """Relative path of the model's file inside the artifact."""
    reason: str | None = None
    """Why it is not ONNX. None when it is."""
    parity: Parity | None = None
    """Measured for ONNX; for skops, what was measured when the conversion was refused, if it got that far."""


class NumericHistogram(_Part):
    """Counts of training rows between edges; the first and last bin also take what lies outside."""

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...]
    """Ascending inner edges: n edges make n + 1 bins; a value equal to an edge falls in the bin on its right."""
    counts: tuple[int, ...]
    missing: int = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"got {len(self.counts)} counts for {len(self.edges)} edges, expected one more than edges")
        if list(self.edges) != sorted(self.edges):
            raise ValueError("edges must ascend")
        return self


class CategoricalHistogram(_Part):
    """Counts of training rows per word."""

    kind: Literal["categorical"] = "categorical"
    counts: dict[str, int]
    missing: int = 0


Histogram = Annotated[NumericHistogram | CategoricalHistogram, Field(discriminator="kind")]


class Reference(_Part):
    """What the training rows looked like: the other side of every drift comparison."""

    rows: int = Field(ge=1)
    features: dict[str, Histogram]
    predictions: dict[str, int]
    """The model's own predictions on the held-out rows, by class."""


class Example(_Part):
    """Rows and the answers this artifact must give for them, wherever it runs."""

    inputs: dict[str, tuple[float | int | str | None, ...]]
    """Column → values, a value a row."""
    labels: tuple[str | int, ...]
    probabilities: tuple[tuple[float, ...], ...]
    """A row a row, in the order of `classes`."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Largest absolute difference of a probability."""


class Metric(_Part):
    """A figure with its spread."""

    value: float
    spread: float | None = None
    """Standard deviation over folds, where there were folds."""


class Data(_Part):
    """What it was trained on."""

    source: str
    sha256: Digest
    """Of the file's bytes as read."""
    rows: int
    """Rows after cleaning."""
    target: Name
    cleaning: dict[str, int] = Field(default_factory=dict)
    """What was done, counted: `{"duplicates": 3, "missing-rows-dropped": 0, …}`."""


class Training(_Part):
    """How it came to be."""

    digest: Digest
    """Of the (data, code, configuration) triple."""
    code_revision: str
    """Git commit, with `-dirty` where the tree was; `unknown` outside a checkout."""
    seed: int
    family: str
    """Model family that won the search."""
    parameters: dict[str, str]
    """Its hyperparameters, as text."""
    predictions_digest: Digest
    """Of the predictions on the held-out rows: equal for equal data, code, configuration and seed."""
    libraries: dict[str, str]
    """Distribution → version, of those that shape the model."""


class FileDigest(_Part):
    """A file's content."""

    sha256: Digest
    size: int = Field(ge=0)


class ArtifactContract(_Part):
    """The document. `parse` reads it, `dumps` writes it, `file_problems` and `example_problems` hold an artifact to it."""

    schema_version: Literal["kanarya.dev/artifact/v1"] = "kanarya.dev/artifact/v1"
    model: Name
    task: Literal["classification"] = "classification"
    inputs: tuple[Column, ...] = Field(min_length=1)
    """In the order the model wants them."""
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    """`label` and `probabilities`."""
    classes: tuple[str, ...] = Field(min_length=2)
    """In the order of the probabilities."""
    runtime: Runtime
    reference: Reference
    example: Example
    metrics: dict[str, Metric]
    """`holdout-accuracy`, `cv-accuracy`, …"""
    data: Data
    training: Training
    files: dict[str, FileDigest]
    """Every file of the artifact but this one, by relative path with `/`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.inputs]
        wrong = []
        if len(set(names)) != len(names):
            wrong.append("inputs have duplicate names")
        if self.runtime.file not in self.files:
            wrong.append(f"runtime.file {self.runtime.file!r} is not among files")
        for path in self.files:
            if path.startswith("/") or ".." in path.split("/") or path == CONTRACT_FILE:
                wrong.append(f"files has {path!r}, expected a relative path inside the artifact")
        if sorted(self.example.inputs) != sorted(names):
            wrong.append(f"example.inputs has {sorted(self.example.inputs)}, expected {sorted(names)}")
        lengths = {len(values) for values in self.example.inputs.values()} | {len(self.example.labels)}
        if len(lengths) != 1 or lengths == {0} or len(self.example.probabilities) not in lengths:
            wrong.append("example has columns, labels and probabilities of different lengths, or no row")
        if any(len(row) != len(self.classes) for row in self.example.probabilities):
            wrong.append(f"example.probabilities has rows of other lengths than the {len(self.classes)} classes")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

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
            worst = max(abs(g - e) if math.isfinite(g) else math.inf for g, e in zip(got, expected, strict=True))
            if worst > want.tolerance:
                wrong.append(f"row {row}: a probability is off by {worst:.3g}, at most {want.tolerance:g} is allowed")
        return wrong


def parse(content: bytes, source: str = CONTRACT_FILE) -> ArtifactContract:
    """Read a contract. Raises InvalidInput with every problem."""
    try:
        return ArtifactContract.model_validate_json(content)
    except ValidationError as error:
        raise problems.from_validation(source, error) from None


def digest(content: bytes) -> str:
    """`sha256:…` of some bytes; of kanarya.json's bytes, it is the artifact's digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
