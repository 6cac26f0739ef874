"""What a training configuration may say. Read by every step; `configuration.load_settings` makes one from a YAML file.

Strict: an unknown key is an error, so that a misspelt option is never a silently ignored one. Needs pydantic alone, because
the command reads configurations before it pays for the libraries that train.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kanarya_contracts.artifact import Personal
from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE
from kanarya_contracts.problems import Problem, agreed, problem, repeated
from kanarya_training_job.tasks import HYPERPARAMETERS, METRICS, OF_LABELS, PLAIN, Family, MetricName, Task


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


def _grid_value(value: object) -> object:
    """A scalar. YAML 1.1 reads `1e-3` as a word, which no estimator would take for a number."""
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"got {value!r}, expected a number, a word, true, false or null")
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        raise ValueError(f"got the text {value!r}, which YAML does not read as a number; write {number}")
    return value


def _listed(value: object) -> object:
    """One column's name as a list of one."""
    return (value,) if isinstance(value, str) else value


Source = Annotated[str, Field(min_length=1), AfterValidator(_source)]
ColumnName = Annotated[str, Field(min_length=1)]
GridValue = Annotated[object, AfterValidator(_grid_value)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class DataSource(_Strict):
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


class Feature(_Strict):
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


class Quality(_Strict):
    """The data contract of the table as a whole."""

    minimum_rows: int = Field(default=20, ge=4, strict=True)
    """Fewer rows than this are an error: a truncated download should not become a model."""

    classes: tuple[str, ...] | None = None
    """The values that a classifier's target may have, as text. Default: whatever it holds."""

    maximum_categories: int = Field(default=100, ge=1, strict=True)
    """A categorical column with more words than this is taken for an identifier and refused."""


class Cleaning(_Strict):
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


class Split(_Strict):
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


class Candidate(_Strict):
    """A model family and the hyperparameters to try."""

    family: Family
    grid: Mapping[str, tuple[GridValue, ...]] | None = None
    """Hyperparameter → values; every combination is tried. Default: the family's own grid. `{}` tries its defaults alone."""

    @model_validator(mode="after")
    def _known_parameters(self) -> Self:
        known = frozenset[str]().union(*(families.get(self.family, ()) for families in HYPERPARAMETERS.values()))
        empty = sorted(name for name, values in (self.grid or {}).items() if not values)
        self._check(known)
        if empty:
            raise ValueError(f"grid has no value for {', '.join(empty)}")
        return self

    def check(self, task: Task) -> None:
        """Raise ValueError if the task has no such family, or the family no such parameter there."""
        families = HYPERPARAMETERS[task]
        if self.family not in families:
            raise ValueError(f"got {self.family}, expected one of {', '.join(families)} for {task}")
        self._check(families[self.family])

    def _check(self, known: frozenset[str]) -> None:
        unknown = sorted((self.grid or {}).keys() - known)
        if unknown:
            raise ValueError(f"grid has {', '.join(unknown)}, expected some of {', '.join(sorted(known))} for {self.family}")


class Search(_Strict):
    """Grid search with cross-validation, stratified by the classes of one target, the same folds for every candidate."""

    folds: int = Field(default=5, ge=2, le=50, strict=True)
    """Every class needs at least this many training rows."""

    scoring: MetricName | None = None
    """What the winner is best at, on the mean over folds. Default: accuracy, or rmse of a regression. Of equals, the one listed
    first wins: list the simplest first."""

    n_jobs: int = Field(default=1, ge=1, strict=True)
    """Processes that fit folds. 1 by default: a container's share of a CPU is rarely what a library believes it to be."""

    candidates: tuple[Candidate, ...] | None = Field(default=None, min_length=1)
    """The families, simplest first. Default: a linear model, nearest neighbours and a forest, each with its own grid."""


class Conversion(_Strict):
    """The compiled form of the model."""

    onnx: bool = True
    """Convert to ONNX and serve that if it reproduces scikit-learn on the held-out rows. False: serve the skops file."""

    tolerance: float = Field(default=1e-4, gt=0, le=0.01)
    """Largest absolute difference of any probability on any held-out row; of a regression's numbers, as a share of the largest.
    Labels must all be equal whatever this says. Float32 arithmetic alone differs by about 1e-6; a tree that takes the other
    branch differs by 0.01 and more."""


class Comparison(_Strict):
    """The offline comparison with the version that serves, on the same held-out rows."""

    against: str = Field(default=ALIAS_STABLE, min_length=1)
    """The alias of the version to compare with. None has it: then there is nothing to compare with, and the gate is open."""

    metric: MetricName | None = None
    """What is compared. Default: accuracy, or rmse of a regression."""

    tolerance: float = Field(default=0.0, ge=0)
    """How much worse is still let through, in the metric's own unit. 0: not worse at all."""


class Registry(_Strict):
    """Where the version goes. The address is not here: it belongs to the place, not to the model."""

    experiment: str | None = Field(default=None, min_length=1)
    """MLflow's experiment. Default: the model's name."""

    alias: str | None = Field(default=ALIAS_CANDIDATE, pattern=r"^[a-z][a-z0-9-]{0,62}$")
    """Set on the version, as the very last act. `challenger` starts a rollout. null: register and set none."""


class Settings(_Strict):
    """A training configuration."""

    model: str = Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
    """The registered model's name, and the name in the server's URL: lower case letters, digits and hyphens."""

    seed: int = Field(default=0, ge=0, lt=2**32, strict=True)
    """Of every draw: the split, the folds, the models. Same data, code, configuration and seed: same predictions."""

    data: DataSource
    task: Task = "classification"
    """`classification`: the target is words or whole numbers, and classes are told apart. `regression`: it is numbers, and they
    are estimated."""

    target: Annotated[tuple[ColumnName, ...], BeforeValidator(_listed), Field(min_length=1)]
    """The column to predict, or a list of them: a model each, in one artifact."""

    error_bounds: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Of a regression: target → the error, in its own unit, that is counted for any larger one. Live feedback is counted as
    shares of it. Default: the champion's, so that both are measured alike; without one, the distance between the training
    rows' 5th and 95th percentile."""

    features: Mapping[str, Feature] | None = Field(default=None, min_length=1)
    """Column → its contract, in the model's order. Default: every column but the target, of the kind it looks like."""

    quality: Quality = Quality()
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
    search: Search = Search()
    metrics: tuple[MetricName, ...] | None = Field(default=None, min_length=1)
    """What is measured, on the folds and on the held-out rows. Default: all that the task has; several targets of classes have
    those of labels alone. `search.scoring` and `comparison.metric` always are."""

    conversion: Conversion = Conversion()
    comparison: Comparison = Comparison()
    registry: Registry = Registry()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = repeated("target", self.target)
        both = [name for name in self.target if name in (self.features or {})]
        if both:
            wrong.append(
                problem(f"has the target {', '.join(map(repr, both))}: the model would be given the answer", "features")
            )
        if self.quality.classes is not None and (self.task == "regression" or self.several):
            wrong.append(problem("is for one target of classes", "quality", "classes"))
        allowed = self.target if self.task == "regression" else ()
        strange = sorted(self.error_bounds.keys() - set(allowed))
        if strange:
            expected = f"some of {', '.join(allowed)}" if allowed else "none: a label is right or wrong"
            wrong.append(problem(f"has {', '.join(strange)}, expected {expected}", "error_bounds"))
        for index, candidate in enumerate(self.search.candidates or ()):
            try:
                candidate.check(self.task)
            except ValueError as error:
                wrong.append(problem(str(error), "search", "candidates", index))
        return agreed(self, wrong + self._metric_problems())

    def _metric_problems(self) -> list[Problem]:
        known = ", ".join(self._metrics)
        what = f"{self.task} of several targets" if self.several else self.task
        places = [("search", "scoring", self.search.scoring), ("comparison", "metric", self.comparison.metric)]
        wrong = [
            problem(f"got {metric}, expected one of {known} for {what}", section, field)
            for section, field, metric in places
            if metric is not None and metric not in self._metrics
        ]
        strange = [metric for metric in self.metrics or () if metric not in self._metrics]
        if strange:
            wrong.append(problem(f"got {', '.join(strange)}, expected some of {known} for {what}", "metrics"))
        return wrong

    @property
    def several(self) -> bool:
        """Whether there is more than one target."""
        return len(self.target) > 1

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What the search tries."""
        return self.search.candidates or tuple(Candidate(family=family) for family in PLAIN[self.task])

    @property
    def scoring(self) -> MetricName:
        """What the search goes by."""
        return self.search.scoring or self._metrics[0]

    @property
    def compared_by(self) -> MetricName:
        """What candidate and champion are compared by."""
        return self.comparison.metric or self._metrics[0]

    @property
    def measured(self) -> tuple[MetricName, ...]:
        """`metrics`, with what the search and the comparison go by."""
        return tuple(dict.fromkeys((*(self.metrics or self._metrics), self.scoring, self.compared_by)))

    @property
    def _metrics(self) -> tuple[MetricName, ...]:
        """What the task has."""
        return OF_LABELS if self.task == "classification" and self.several else METRICS[self.task]
