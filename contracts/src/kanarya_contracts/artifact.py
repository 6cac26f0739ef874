"""`kanarya.json`: what a model version says about itself, and what everyone holds it to.

Written by `training-job` (package), checked by `rollout` before a version gets traffic and by `model` before it loads a
file. An artifact is a directory: MLflow's model, `model.onnx` where the conversion reproduces scikit-learn, a model card
and this file, which lists every other file with its digest. The artifact's own digest is the SHA-256 of this file's bytes.

Pure: paths and digests come in as values; reading them is the caller's. What is wrong with a document is said at the
field it is wrong in, all of it at once.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from kanarya_contracts import problems
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import Problem, agreed, problem

SCHEMA_VERSION: Final = "kanarya.dev/artifact/v1"
"""Changes when a reader of the old form could misread the new one."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""`sha256:` and 64 hexadecimal digits."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
"""Name of a model, tensor or file."""


Count = Annotated[int, Field(ge=0)]
"""How many."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class NumericColumn(_Part):
    """A column of numbers."""

    kind: Literal["numeric"] = "numeric"
    """Tells it from a column of words."""
    name: Name
    """The column's name in the training data and the tensor's name in a request."""
    datatype: Datatype = Datatype.FP64
    """What the server announces and expects; any but BYTES."""
    minimum: float
    """Smallest value in the training rows. Outside is counted as drift, never refused."""
    maximum: float
    """Largest value in the training rows."""
    nullable: bool = False
    """Whether the model accepts a missing value (NaN)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if self.datatype is Datatype.BYTES:
            wrong.append(problem("got 'BYTES', expected a datatype of numbers", "datatype"))
        if self.minimum > self.maximum:
            wrong.append(problem(f"got {self.minimum:g}, expected at most maximum, {self.maximum:g}", "minimum"))
        return agreed(self, wrong)


class CategoricalColumn(_Part):
    """A column of words."""

    kind: Literal["categorical"] = "categorical"
    """Tells it from a column of numbers."""
    name: Name
    """The column's name in the training data and the tensor's name in a request."""
    datatype: Literal[Datatype.BYTES] = Datatype.BYTES
    """Words travel as BYTES, UTF-8."""
    categories: tuple[str, ...] = Field(min_length=1)
    """The words seen in training, sorted."""
    unknown: Literal["accept", "refuse"] = "refuse"
    """What the server does with a word not in `categories`: hands it to a model that ignores it, or answers 400."""
    nullable: bool = False
    """Whether the model accepts a missing value (null)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return agreed(self, _twice("categories", self.categories))


Column = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]
"""An input. `kind` says which."""


class Tensor(_Part):
    """An output."""

    name: Name
    """The tensor's name in an answer."""
    datatype: Datatype
    """Of its elements."""
    shape: tuple[int, ...]
    """-1 for the batch."""


class Parity(_Part):
    """How closely the ONNX model reproduced scikit-learn on the held-out rows."""

    rows: int = Field(ge=1)
    """Held-out rows that both models answered."""
    labels_different: int = Field(ge=0)
    """Rows with another label."""
    probability_difference: float = Field(ge=0)
    """Largest absolute difference of any probability."""
    tolerance: float = Field(gt=0)
    """The largest that was allowed."""


class Runtime(_Part):
    """How to run the model."""

    format: Literal["onnx", "skops"]
    """What the file is: ONNX Runtime runs the one, scikit-learn behind skops' safe loader the other."""
    file: Name
    """Relative path of the model's file inside the artifact."""
    reason: str | None = None
    """Why it is not ONNX. None when it is."""
    parity: Parity | None = None
    """Measured for ONNX; for skops, what was measured when the conversion was refused, if it got that far."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if (self.format == "onnx") != (self.reason is None):
            state = "is missing" if self.reason is None else f"got {self.reason!r}"
            wrong.append(problem(f"{state} with format {self.format}, expected a reason for skops and none for onnx", "reason"))
        parity = self.parity if self.format == "onnx" else None
        if parity and (parity.labels_different or parity.probability_difference > parity.tolerance):
            wrong.append(
                problem(
                    "got a difference that forbids onnx, expected equal labels and probabilities within tolerance", "parity"
                )
            )
        return agreed(self, wrong)


class NumericHistogram(_Part):
    """Counts of training rows between edges; the first and last bin also take what lies outside."""

    kind: Literal["numeric"] = "numeric"
    """Tells it from counts of words."""
    edges: tuple[float, ...]
    """Ascending inner edges: n edges make n + 1 bins; a value equal to an edge falls in the bin on its right."""
    counts: tuple[Count, ...]
    """Rows in each bin."""
    missing: Count = 0
    """Rows without a value."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if len(self.counts) != len(self.edges) + 1:
            wrong.append(problem(f"got {len(self.counts)} for {len(self.edges)} edges, expected one more than edges", "counts"))
        if any(right <= left for left, right in pairwise(self.edges)):
            wrong.append(problem("got edges that do not ascend, expected each above the one before", "edges"))
        return agreed(self, wrong)


class CategoricalHistogram(_Part):
    """Counts of training rows per word."""

    kind: Literal["categorical"] = "categorical"
    """Tells it from counts between edges."""
    counts: dict[str, Count]
    """Word → rows."""
    missing: Count = 0
    """Rows without a word."""


Histogram = Annotated[NumericHistogram | CategoricalHistogram, Field(discriminator="kind")]
"""What a column looked like. `kind` says which."""


class Reference(_Part):
    """What the training rows looked like: the other side of every drift comparison."""

    rows: int = Field(ge=1)
    """Training rows behind the histograms."""
    features: dict[str, Histogram]
    """Column → histogram."""
    predictions: dict[str, Count]
    """The model's own predictions on the held-out rows, by class."""


class Example(_Part):
    """Rows and the answers this artifact must give for them, wherever it runs."""

    inputs: dict[str, tuple[float | int | str | None, ...]]
    """Column → values, a value a row."""
    labels: tuple[str | int, ...]
    """The expected label of each row, one of `classes`."""
    probabilities: tuple[tuple[float, ...], ...]
    """A row a row, in the order of `classes`."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Largest absolute difference of a probability."""


class Metric(_Part):
    """A figure with its spread."""

    value: float
    """The figure; the mean where there were folds."""
    spread: float | None = None
    """Standard deviation over folds, where there were folds."""


class Data(_Part):
    """What it was trained on."""

    source: str
    """Where it was read from, as configured."""
    sha256: Digest
    """Of the file's bytes as read."""
    rows: Count
    """Rows after cleaning."""
    target: Name
    """The column that is predicted."""
    cleaning: dict[str, Count] = Field(default_factory=dict)
    """What was done, counted: `{"duplicates": 3, "missing-rows-dropped": 0, …}`."""


class Training(_Part):
    """How it came to be."""

    digest: Digest
    """Of the (data, code, configuration) triple."""
    code_revision: str
    """Git commit, with `-dirty` where the tree was; `unknown` outside a checkout."""
    seed: int
    """Of the split, the search and the fit."""
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
    """Of its bytes."""
    size: Count
    """Bytes."""


class ArtifactContract(_Part):
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
        wrong = _twice("inputs", names) + _twice("classes", self.classes)
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


def _twice(field: str, words: Sequence[str]) -> list[Problem]:
    repeated = sorted({word for word in words if words.count(word) > 1})
    return [problem(f"got {repeated} more than once, expected every name once", field)] if repeated else []


def _strangers(known: Sequence[str], words: Iterable[str], *path: str) -> list[Problem]:
    unknown = sorted(set(words) - set(known))
    return [problem(f"got {unknown}, expected some of {list(known)}", *path)] if unknown else []
