"""What a training configuration may say. Read by every step; `configuration.load_settings` makes one from a YAML file.

Strict: an unknown key is an error, so that a misspelt option is never a silently ignored one. Needs pydantic alone, because
the command reads configurations before it pays for the libraries that train.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE
from kanarya_contracts.problems import Problem, agreed, problem, repeated
from kanarya_training_job.row_settings import Cleaning, DataSource, Feature, Quality, Split, Strict
from kanarya_training_job.tasks import HYPERPARAMETERS, METRICS, OF_LABELS, PLAIN, Family, MetricName, Task


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


ColumnName = Annotated[str, Field(min_length=1)]
GridValue = Annotated[object, AfterValidator(_grid_value)]


class Candidate(Strict):
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


class Search(Strict):
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


class Conversion(Strict):
    """The compiled form of the model."""

    onnx: bool = True
    """Convert to ONNX and serve that if it reproduces scikit-learn on the held-out rows. False: serve the skops file."""

    tolerance: float = Field(default=1e-4, gt=0, le=0.01)
    """Largest absolute difference of any probability on any held-out row; of a regression's numbers, as a share of the largest.
    Labels must all be equal whatever this says. Float32 arithmetic alone differs by about 1e-6; a tree that takes the other
    branch differs by 0.01 and more."""


class Comparison(Strict):
    """The offline comparison with the version that serves, on the same held-out rows."""

    against: str = Field(default=ALIAS_STABLE, min_length=1)
    """The alias of the version to compare with. None has it: then there is nothing to compare with, and the gate is open."""

    metric: MetricName | None = None
    """What is compared. Default: accuracy, or rmse of a regression."""

    tolerance: float = Field(default=0.0, ge=0)
    """How much worse is still let through, in the metric's own unit. 0: not worse at all."""


class Registry(Strict):
    """Where the version goes. The address is not here: it belongs to the place, not to the model."""

    experiment: str | None = Field(default=None, min_length=1)
    """MLflow's experiment. Default: the model's name."""

    alias: str | None = Field(default=ALIAS_CANDIDATE, pattern=r"^[a-z][a-z0-9-]{0,62}$")
    """Set on the version, as the very last act. `challenger` starts a rollout. null: register and set none."""


class Settings(Strict):
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
