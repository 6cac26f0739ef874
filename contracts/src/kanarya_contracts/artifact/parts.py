"""What the document is made of: columns, how to run the model, reference histograms, where it came from."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.problems import agreed, problem, repeated

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""`sha256:` and 64 hexadecimal digits."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
"""Name of a model, tensor or file."""

Count = Annotated[int, Field(ge=0)]
"""How many."""

Personal = Literal["hash", "drop"]
"""How what is about a person is kept in a request log: as a digest under the server's key, or not at all."""


class Part(BaseModel):
    """How every part of the document is read: unknown fields are problems, no NaN, values do not change."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class NumericColumn(Part):
    """A column of numbers."""

    kind: Literal["numeric"] = "numeric"
    """Tells it from a column of words."""
    name: Name
    """The column's name in the training data and the tensor's name in a request."""
    datatype: Datatype = Datatype.FP64
    """What the server announces and expects; any but BYTES."""
    minimum: float
    """Smallest value in the training rows. A value outside is drift, and answered."""
    maximum: float
    """Largest value in the training rows."""
    nullable: bool = False
    """Whether the model accepts a missing value (NaN)."""
    personal: Personal | None = None
    """What becomes of a value in a request log. None: it is about nobody, and is kept as it is."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if self.datatype is Datatype.BYTES:
            wrong.append(problem("got 'BYTES', expected a datatype of numbers", "datatype"))
        if self.minimum > self.maximum:
            wrong.append(problem(f"got {self.minimum:g}, expected at most maximum, {self.maximum:g}", "minimum"))
        return agreed(self, wrong)


class CategoricalColumn(Part):
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
    personal: Personal | None = None
    """What becomes of a word in a request log. None: it is about nobody, and is kept as it is."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return agreed(self, repeated("categories", self.categories))


Column = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]
"""An input. `kind` says which."""


class Parity(Part):
    """How closely the ONNX model reproduced scikit-learn on the held-out rows."""

    rows: int = Field(ge=1)
    """Held-out rows that both models answered."""
    labels_different: int = Field(ge=0)
    """Labels that were another."""
    largest_difference: float = Field(ge=0)
    """Of any probability; of any number, as a share of the largest that scikit-learn answered."""
    tolerance: float = Field(gt=0)
    """The largest that was allowed."""


Format = Literal["onnx", "skops", "lightgbm", "xgboost"]
"""What a model's file is, named after what reads it."""


class Runtime(Part):
    """How to run the model."""

    format: Format
    """What the file is: ONNX Runtime runs `onnx`, scikit-learn behind skops' safe loader `skops`; `lightgbm` is LightGBM's
    text, `xgboost` XGBoost's JSON or UBJSON. None of them holds code."""
    file: Name
    """Relative path of the model's file inside the artifact."""
    reason: str | None = None
    """Why it is not ONNX. None when it is."""
    parity: Parity | None = None
    """Measured where training converted; for skops, when the conversion was refused, if it got that far."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if (self.format == "onnx") != (self.reason is None):
            state = "is missing" if self.reason is None else f"got {self.reason!r}"
            wrong.append(
                problem(
                    f"{state} with format {self.format}, expected a reason for every other format and none for onnx", "reason"
                )
            )
        parity = self.parity if self.format == "onnx" else None
        if parity and (parity.labels_different or parity.largest_difference > parity.tolerance):
            wrong.append(
                problem("got a difference that forbids onnx, expected equal labels and numbers within tolerance", "parity")
            )
        return agreed(self, wrong)


class NumericHistogram(Part):
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


class CategoricalHistogram(Part):
    """Counts of training rows per word."""

    kind: Literal["categorical"] = "categorical"
    """Tells it from counts between edges."""
    counts: dict[str, Count]
    """Word → rows."""
    missing: Count = 0
    """Rows without a word."""


Histogram = Annotated[NumericHistogram | CategoricalHistogram, Field(discriminator="kind")]
"""What a column looked like. `kind` says which."""


class Reference(Part):
    """What the training rows looked like: the other side of every drift comparison."""

    rows: int = Field(ge=1)
    """Training rows behind the histograms."""
    features: dict[str, Histogram]
    """Column → histogram."""
    predictions: dict[str, Histogram]
    """Target → the model's own predictions on the held-out rows, by class or between edges. Live predictions are counted in
    these bins, so versions whose predictions are compared have the same edges."""


class Metric(Part):
    """A figure with its spread."""

    value: float
    """The figure; the mean where there were folds."""
    spread: float | None = None
    """Standard deviation over folds, where there were folds."""


class Data(Part):
    """What it was trained on."""

    source: str
    """Where it was read from, as configured."""
    sha256: Digest
    """Of the file's bytes as read."""
    rows: Count
    """Rows after cleaning."""
    cleaning: dict[str, Count] = Field(default_factory=dict)
    """What was done, counted: `{"duplicates": 3, "missing-rows-dropped": 0, …}`."""


class Training(Part):
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


class FileDigest(Part):
    """A file's content."""

    sha256: Digest
    """Of its bytes."""
    size: Count
    """Bytes."""
