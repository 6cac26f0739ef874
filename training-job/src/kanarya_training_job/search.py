"""Grid search over model families with cross-validation, the same folds for every candidate; stratified where one target has
classes.

Called by the pipeline. Reports candidate by candidate; keeps the spread over folds, because a mean without it says little on
few rows. Deterministic: same rows, settings and seed give the same winner.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid, StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from kanarya_contracts.artifact import Metric
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import evaluation, families, split
from kanarya_training_job.families import Goal
from kanarya_training_job.features import Rows
from kanarya_training_job.settings import Candidate, Settings
from kanarya_training_job.tasks import Family, MetricName


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate and how it did."""

    family: Family
    parameters: dict[str, object]
    """By the names a configuration uses."""
    metrics: dict[MetricName, Metric]
    """Mean over folds, with the standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One more candidate is done."""

    trial: Trial
    done: int
    total: int
    best: float
    """Of `search.scoring`, so far."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The winner, fitted on all training rows."""

    estimator: Pipeline
    best: Trial
    trials: tuple[Trial, ...]


class _OneByOne(GridSearchCV):  # type: ignore[misc]  # scikit-learn publishes no types
    """GridSearchCV that takes its candidates one at a time, through scikit-learn's own hook, and says so after each."""

    each: Callable[[Mapping[str, Any]], None] | None = None
    """Given scikit-learn's results so far (`cv_results_`)."""

    def _run_search(self, evaluate_candidates: Callable[[list[dict[str, object]]], Mapping[str, Any]]) -> None:
        for parameters in ParameterGrid(self.param_grid):
            results = evaluate_candidates([parameters])
            if self.each is not None:
                self.each(results)

    def __getstate__(self) -> dict[str, object]:
        """Without the listener, which stays in this process when folds are fitted in others."""
        state: dict[str, object] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "each"}


def search(train: Rows, settings: Settings, report: Callable[[Progress], None]) -> Found:
    """Try every candidate, fit the winner on all training rows.

    Raises KanaryaError where scikit-learn refuses a hyperparameter's value or the rows.
    """
    goal = Goal.of(train)
    total = sum(len(ParameterGrid(families.grid(candidate, goal))) for candidate in settings.candidates)
    trials: list[Trial] = []

    def finished(trial: Trial) -> None:
        trials.append(trial)
        best = _best(trials, settings).metrics[settings.scoring].value
        report(Progress(trial=trial, done=len(trials), total=total, best=best))

    for candidate in settings.candidates:
        _try(candidate, train, settings, finished)
    best = _best(trials, settings)
    estimator = _pipeline(best.family, train, settings).set_params(**families.inside(best.family, best.parameters, goal))
    with threadpool_limits(1):
        estimator.fit(train.matrix, train.labels)
    return Found(estimator=estimator, best=best, trials=tuple(trials))


def _try(candidate: Candidate, train: Rows, settings: Settings, finished: Callable[[Trial], None]) -> None:
    """Every combination of one family's grid."""
    folds = StratifiedKFold if split.stratified(train) else KFold
    search = _OneByOne(
        _pipeline(candidate.family, train, settings),
        families.grid(candidate, Goal.of(train)),
        scoring=evaluation.scorers(settings.measured, train),
        cv=folds(settings.search.folds, shuffle=True, random_state=settings.seed),
        n_jobs=settings.search.n_jobs,
        refit=False,
        error_score="raise",
    )
    search.each = lambda results: finished(_latest(candidate.family, results, settings.measured))
    try:
        with threadpool_limits(1):  # more threads only wait for each other on few rows, and their sums differ in the last bit
            search.fit(train.matrix, train.labels)
    except ValueError as error:
        raise KanaryaError(f"search: {candidate.family} cannot be fitted: {' '.join(str(error).split())}") from error


def _latest(family: Family, results: Mapping[str, Any], measured: Sequence[MetricName]) -> Trial:
    """The last candidate of scikit-learn's results."""
    metrics = {}
    for metric in measured:
        sign = -1.0 if metric in evaluation.SMALLER_IS_BETTER else 1.0
        mean, spread = results[f"mean_test_{metric}"][-1], results[f"std_test_{metric}"][-1]
        metrics[metric] = Metric(value=sign * float(mean), spread=float(spread))
    return Trial(family=family, parameters=families.outside(results["params"][-1]), metrics=metrics)


def _best(trials: Sequence[Trial], settings: Settings) -> Trial:
    """The best mean over folds; of equals, the first. Twelve decimals: the order of a sum must not decide."""
    metric = settings.scoring
    return max(trials, key=lambda trial: round(evaluation.advantage(metric, trial.metrics[metric].value, 0.0), 12))


def _pipeline(family: Family, train: Rows, settings: Settings) -> Pipeline:
    impute = settings.cleaning.missing == "impute"
    return families.pipeline(family, train.columns, train.frame, Goal.of(train), impute=impute, seed=settings.seed)
