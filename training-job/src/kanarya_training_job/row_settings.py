"""What a training configuration may say about rows: where they come from, what they must be, which are held out. Part of
`settings`, read by the steps up to the split."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from kanarya_contracts.artifact import Personal


def is_remote(source: str) -> bool:
    """Whether a source is fetched over a network (`s3://…`, `https://…`) rather than read from a file."""
    return "://" in source


def _source(value: str, info: ValidationInfo) -> str:
    """Check the scheme; make a relative path relative to the configuration file, not to wherever one stands."""
    if is_remote(value):
        if urlsplit(value).scheme not in {"s3", "https"}:
            raise ValueError(f"got {value!r}, expected a path, s3://… or https://…")
        return value
    directory = (info.context or {}).get("directory", Path())
    return str(Path(directory) / value)


Source = Annotated[str, Field(min_length=1), AfterValidator(_source)]


class Strict(BaseModel):
    """How every part is read: unknown keys are problems, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class DataSource(Strict):
    """Where the rows come from."""

    source: Source
    """A file's path (relative to the configuration), `s3://bucket/key` or `https://…`. S3 takes its endpoint and credentials
    from the usual `AWS_*` variables: no secret stands in a configuration."""

    format: Literal["csv", "parquet"] | None = None
    """Default: Parquet if the name ends in `.parquet` or `.pq`, else CSV."""

    encoding: str = "utf-8"
    """Of a CSV. UTF-8 by default and never guessed: a wrong guess changes words without a trace."""

    separator: str = Field(default=",", min_length=1, max_length=1)
    """Of a CSV, one character."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(
                f"got {value!r}, expected an encoding that Python knows, such as utf-8, latin-1 or cp1252"
            ) from None
        return value


class Feature(Strict):
    """The data contract of one column."""

    kind: Literal["numeric", "categorical"] = "numeric"
    """Numbers, or words."""

    minimum: float | None = None
    """Numeric: the smallest value that can be true, in the column's own unit. A smaller one is an error in the data."""

    maximum: float | None = None
    """Numeric: the largest value that can be true."""

    categories: tuple[str, ...] | None = None
    """Categorical: the words allowed. Default: whatever the training rows hold."""

    unknown: Literal["refuse", "accept"] = "refuse"
    """Categorical: what the server does with a word not seen in training: answer 400, or predict as if it said nothing."""

    personal: Personal | None = None
    """What becomes of a value in the server's request log, where there is one: `hash` keeps a digest under the server's key,
    `drop` nothing. The artifact itself has the column's range or words, its histogram and a few rows, whatever this says."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "categorical" and (self.minimum is not None or self.maximum is not None):
            raise ValueError("minimum and maximum are for numeric columns, this one is categorical")
        if self.kind == "numeric" and (self.categories is not None or self.unknown != "refuse"):
            raise ValueError("categories and unknown are for categorical columns, this one is numeric")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is above maximum {self.maximum:g}")
        return self


class Quality(Strict):
    """The data contract of the table as a whole."""

    minimum_rows: int = Field(default=20, ge=4, strict=True)
    """Fewer rows than this are an error: a truncated download should not become a model."""

    classes: tuple[str, ...] | None = None
    """The values that a classifier's target may have, as text. Default: whatever it holds."""

    maximum_categories: int = Field(default=100, ge=1, strict=True)
    """A categorical column with more words than this is taken for an identifier and refused."""


class Cleaning(Strict):
    """What is done about rows that are not as they should be. Everything done is counted, logged and kept in the artifact."""

    missing: Literal["refuse", "drop", "impute"] = "refuse"
    """`refuse`: a missing value is an error. `drop`: its row goes. `impute`: numbers get the training median, inside the
    model, so that the server accepts a missing number too; rows with a missing word or target go: the V2 protocol has no
    missing word."""

    infinite: Literal["refuse", "missing"] = "refuse"
    """An infinity in a feature is an error, or becomes a missing value (then `missing` must be `drop` or `impute`)."""

    duplicates: Literal["drop", "keep"] = "drop"
    """Rows equal in every feature and the target. Dropped by default: a twin on both sides of the split is a leak."""

    outliers: Literal["keep", "drop", "clip"] = "keep"
    """Of training rows alone: held-out rows stay as they are. `drop`: the row goes. `clip`: the value moves to its bound."""

    outlier_factor: float = Field(default=3.0, gt=0)
    """How many interquartile ranges beyond the quartiles is an outlier. 3 is Tukey's "far out"."""

    @model_validator(mode="after")
    def _missing_is_dealt_with(self) -> Self:
        if self.infinite == "missing" and self.missing == "refuse":
            raise ValueError("infinite is missing, and missing is refuse: set missing to drop or impute, or infinite to refuse")
        return self


class Split(Strict):
    """Which rows are held out: never trained on, never searched on, and the same for the champion in the comparison."""

    test: float | None = Field(default=None, gt=0, lt=1)
    """The fraction held out, drawn by `seed` in proportion to the classes. Default: 0.25 where `evaluation` is not given."""

    evaluation: Source | None = None
    """A file of held-out rows instead (path, `s3://` or `https://`, read as `data` is). All of `data` is then trained on."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.test is not None and self.evaluation is not None:
            raise ValueError("has both test and evaluation, expected one: a fraction to draw, or a file that is held out")
        return self

    @property
    def fraction(self) -> float:
        """The fraction held out when rows are drawn."""
        return 0.25 if self.test is None else self.test
