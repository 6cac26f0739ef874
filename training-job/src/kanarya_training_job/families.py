"""Model families: scikit-learn pipelines and the grids tried where a configuration gives none. Called by the search.

A family is a classifier with probabilities, or a regressor, and whether it wants its numbers scaled. Several targets have a
model each, of the same family and hyperparameters, behind one preparation. Preparation is part of the pipeline, so it is fitted
on training folds alone and travels inside the artifact. Trees are not scaled: it gains them nothing, and float32 arithmetic
before a threshold would send ONNX down the other branch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from kanarya_training_job.features import Column, Rows, all_numeric
from kanarya_training_job.settings import Candidate
from kanarya_training_job.tasks import Family, Task

Value = TypeVar("Value")
Grid = Mapping[str, Sequence[object]]
"""Hyperparameter → values, by the names a configuration uses."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a family is built."""

    make: Callable[[int], Any]
    """Seed → classifier or regressor. One thread each: parallelism is the search's."""
    grid: Grid
    """Tried where the configuration gives none. Holds the library's defaults, so a search is never worse than no search."""
    scaled: bool = False
    """Whether numbers are brought to mean 0 and variance 1 first."""
    inner: str = ""
    """Prefix of the hyperparameters where the classifier wraps another one."""


_FOREST: Grid = {"n_estimators": [100], "max_depth": [None, 8], "min_samples_leaf": [1, 3]}
_BOOSTING: Grid = {"learning_rate": [0.05, 0.1], "max_leaf_nodes": [15, 31]}
_NEIGHBOURS: Grid = {"n_neighbors": [5, 9, 15], "weights": ["uniform", "distance"]}
_TREE: Grid = {"max_depth": [None, 3, 6], "min_samples_leaf": [1, 5]}

_CLASSIFIERS: Mapping[Family, Recipe] = {
    "logistic-regression": Recipe(
        make=lambda seed: LogisticRegression(max_iter=1000, random_state=seed), grid={"C": [0.1, 1.0, 10.0]}, scaled=True
    ),
    "random-forest": Recipe(make=lambda seed: RandomForestClassifier(n_jobs=1, random_state=seed), grid=_FOREST),
    "hist-gradient-boosting": Recipe(
        make=lambda seed: HistGradientBoostingClassifier(early_stopping=False, random_state=seed), grid=_BOOSTING
    ),
    "k-nearest-neighbours": Recipe(make=lambda _: KNeighborsClassifier(n_jobs=1), grid=_NEIGHBOURS, scaled=True),
    "decision-tree": Recipe(make=lambda seed: DecisionTreeClassifier(random_state=seed), grid=_TREE),
    "gaussian-nb": Recipe(make=lambda _: GaussianNB(), grid={"var_smoothing": [1e-9, 1e-3]}, scaled=True),
    # A support vector machine's own probabilities are deprecated in scikit-learn 1.9; calibration replaces them.
    "svc": Recipe(
        make=lambda seed: CalibratedClassifierCV(SVC(random_state=seed), ensemble=False, n_jobs=1),
        grid={"C": [0.1, 1.0, 10.0], "gamma": ["scale"]},
        scaled=True,
        inner="estimator__",
    ),
}

_REGRESSORS: Mapping[Family, Recipe] = {
    "ridge": Recipe(make=lambda seed: Ridge(random_state=seed), grid={"alpha": [0.1, 1.0, 10.0]}, scaled=True),
    "random-forest": Recipe(make=lambda seed: RandomForestRegressor(n_jobs=1, random_state=seed), grid=_FOREST),
    "hist-gradient-boosting": Recipe(
        make=lambda seed: HistGradientBoostingRegressor(early_stopping=False, random_state=seed), grid=_BOOSTING
    ),
    "k-nearest-neighbours": Recipe(make=lambda _: KNeighborsRegressor(n_jobs=1), grid=_NEIGHBOURS, scaled=True),
    "decision-tree": Recipe(make=lambda seed: DecisionTreeRegressor(random_state=seed), grid=_TREE),
    "svr": Recipe(make=lambda _: SVR(), grid={"C": [0.1, 1.0, 10.0], "epsilon": [0.1]}, scaled=True),
}

RECIPES: Mapping[Task, Mapping[Family, Recipe]] = {"classification": _CLASSIFIERS, "regression": _REGRESSORS}


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a training's models are for."""

    task: Task = "classification"
    several: bool = False
    """Whether there is more than one target."""

    @staticmethod
    def of(rows: Rows) -> "Goal":
        """The goal of whoever trains on these rows."""
        return Goal(task=rows.task, several=rows.several)


def pipeline(
    family: Family, columns: Sequence[Column], frame: pd.DataFrame, goal: Goal, *, impute: bool, seed: int
) -> Pipeline:
    """An unfitted pipeline with the steps `prepare` (where there is something to prepare) and `model`.

    `frame` holds the training rows: the words a categorical column may have are theirs, the same in every fold.
    """
    recipe = RECIPES[goal.task][family]
    numbers = [
        *([("impute", SimpleImputer(strategy="median"))] if impute else []),
        *([("scale", StandardScaler())] if recipe.scaled else []),
    ]
    steps = numbers if all_numeric(columns) else [("columns", _mixed(columns, frame, numbers))]
    model = recipe.make(seed)
    if goal.several:
        model = MultiOutputClassifier(model) if goal.task == "classification" else MultiOutputRegressor(model)
    return Pipeline([*steps, ("model", model)])


def _mixed(columns: Sequence[Column], frame: pd.DataFrame, numbers: list[tuple[str, Any]]) -> ColumnTransformer:
    numeric = [column.name for column in columns if column.kind == "numeric"]
    words = [column.name for column in columns if column.kind == "categorical"]
    encoder = OneHotEncoder(
        categories=[sorted(frame[name].unique()) for name in words],
        handle_unknown="ignore",  # a word that only held-out rows have; at serving, the contract says what becomes of it
        sparse_output=False,
    )
    parts = [("words", encoder, words)]
    if numeric:
        parts.insert(0, ("numbers", Pipeline(numbers) if numbers else "passthrough", numeric))
    return ColumnTransformer(parts)


def grid(candidate: Candidate, goal: Goal) -> dict[str, list[object]]:
    """The candidate's grid, or its family's own, by the pipeline's parameter names."""
    chosen: Grid = RECIPES[goal.task][candidate.family].grid if candidate.grid is None else candidate.grid
    return inside(candidate.family, {name: list(values) for name, values in chosen.items()}, goal)


def inside(family: Family, parameters: Mapping[str, Value], goal: Goal) -> dict[str, Value]:
    """A configuration's names (`C`) as the pipeline has them (`model__estimator__C`)."""
    wrapped = "estimator__" if goal.several else ""
    return {f"model__{wrapped}{RECIPES[goal.task][family].inner}{name}": value for name, value in parameters.items()}


def outside(parameters: Mapping[str, object]) -> dict[str, object]:
    """The pipeline's names as a configuration has them."""
    return {name.rpartition("__")[2]: value for name, value in parameters.items()}


def classes_of(estimator: Pipeline) -> list[list[str]]:
    """Each target's classes as text, in the order of its probabilities; of a regression, none."""
    given = getattr(estimator, "classes_", [])
    several = given if isinstance(given, list) else [given]
    return [[str(one) for one in classes.tolist()] for classes in several]
