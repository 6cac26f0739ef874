"""Families, their search, their conversion, and what a stored model may name."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from kanarya_contracts.artifact import PLACE, CategoricalTarget, Target, says_place
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import families, identity, reference, runtime, safety
from kanarya_training_job.conversion import convert
from kanarya_training_job.families import Goal
from kanarya_training_job.features import Column, Rows, onnx_feed
from kanarya_training_job.quality import validate
from kanarya_training_job.search import Progress, _OneByOne, search
from kanarya_training_job.settings import Candidate, Conversion, Settings
from kanarya_training_job.source import read
from kanarya_training_job.tasks import HYPERPARAMETERS, Family, Task

FAMILIES = [(task, family) for task, families_ in HYPERPARAMETERS.items() for family in families_]
MIXED = [False, True]
"""Numbers and one target; numbers and words, and two targets."""
MIXED_IDS = ["numbers, one target", "numbers and words, two targets"]
Make = Callable[..., Settings]


def some_rows(*, mixed: bool, missing: bool = False, task: Task = "classification") -> Rows:
    """Sixty rows of targets that depend on two numbers, and on a word where there is one."""
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"length": chance.normal(size=60).round(3), "width": chance.normal(size=60).round(3)})
    columns = [Column(name="length", kind="numeric"), Column(name="width", kind="numeric")]
    sums = {"y": frame["length"] + frame["width"], "z": frame["length"] - frame["width"]}
    if mixed:
        frame.insert(1, "colour", chance.choice(["red", "green", "blue"], 60).astype(object))
        columns.insert(1, Column(name="colour", kind="categorical"))
        sums["z"] += frame["colour"] == "red"
    targets = ("y", "z") if mixed else ("y",)
    for target in targets:
        classes = [f"class-{int(value > -0.5) + int(value > 0.5)}" for value in sums[target]]
        frame[target] = classes if task == "classification" else 1000 * sums[target] ** 2
    if missing:
        frame.loc[::7, "width"] = np.nan
    return Rows(frame=frame, columns=tuple(columns), targets=targets, task=task)


def targets(rows: Rows, estimator: Any) -> tuple[Target, ...]:
    return reference.targets(rows, families.classes_of(estimator), bounds={}, like=None)


@cache
def fitted(family: Family, *, mixed: bool, task: Task = "classification") -> Pipeline:
    """Fitted on `some_rows` with missing numbers; small where the family is large."""
    rows = some_rows(mixed=mixed, missing=True, task=task)
    small = {"random-forest": {"n_estimators": 5}, "hist-gradient-boosting": {"max_iter": 5}}.get(family, {})
    pipeline = families.pipeline(family, rows.columns, rows.frame, Goal.of(rows), impute=True, seed=0)
    return pipeline.set_params(**families.inside(family, small, Goal.of(rows))).fit(rows.matrix, rows.labels)


@pytest.mark.parametrize("mixed", MIXED, ids=MIXED_IDS)
@pytest.mark.parametrize(("task", "family"), FAMILIES)
def test_a_grid_may_vary_only_what_the_model_has(task: Task, family: Family, mixed: bool) -> None:
    rows = some_rows(mixed=mixed, task=task)
    goal = Goal.of(rows)
    known = families.pipeline(family, rows.columns, rows.frame, goal, impute=False, seed=0).get_params()
    assert set(families.inside(family, dict.fromkeys(HYPERPARAMETERS[task][family]), goal)) <= set(known)
    assert set(families.RECIPES[task][family].grid) <= HYPERPARAMETERS[task][family]


@pytest.mark.parametrize("mixed", MIXED, ids=MIXED_IDS)
@pytest.mark.parametrize(("task", "family"), FAMILIES)
def test_every_family_is_served_as_onnx_with_scikit_learns_answers(task: Task, family: Family, mixed: bool) -> None:
    rows = some_rows(mixed=mixed, missing=True, task=task)
    estimator = fitted(family, mixed=mixed, task=task)
    expected = runtime.of_estimator(estimator, rows.columns, targets(rows, estimator))(rows.frame)
    converted = convert(estimator, targets(rows, estimator), rows, expected, Conversion())
    assert converted.reason is None
    assert converted.parity is not None
    assert (converted.parity.rows, converted.parity.labels_different) == (60, 0)


@pytest.mark.parametrize("mixed", MIXED, ids=MIXED_IDS)
@pytest.mark.parametrize("family", ["logistic-regression", "decision-tree", "random-forest"])
def test_a_graph_says_the_place_of_every_label_among_its_classes(family: Family, mixed: bool) -> None:
    rows = some_rows(mixed=mixed, missing=True)
    estimator = fitted(family, mixed=mixed)
    of_each = targets(rows, estimator)
    expected = runtime.of_estimator(estimator, rows.columns, of_each)(rows.frame)
    content = convert(estimator, of_each, rows, expected, Conversion()).onnx
    assert content is not None
    onnx.checker.check_model(onnx.load_from_string(content))
    session = onnxruntime.InferenceSession(content)
    for target in of_each:
        assert isinstance(target, CategoricalTarget)
        assert says_place(session.get_modelmeta().custom_metadata_map, target.label, target.classes)
        labels, places = session.run([target.label, f"{target.label}{PLACE}"], onnx_feed(rows.frame, rows.columns))
        assert labels.tolist() == [target.classes[place] for place in places]
        assert len(set(labels.tolist())) > 1


@pytest.mark.parametrize("mixed", MIXED, ids=MIXED_IDS)
@pytest.mark.parametrize(("task", "family"), FAMILIES)
def test_every_family_is_stored_in_types_of_our_list_and_answers_the_same_from_there(
    task: Task, family: Family, mixed: bool
) -> None:
    rows = some_rows(mixed=mixed, missing=True, task=task)
    estimator = fitted(family, mixed=mixed, task=task)
    loaded = runtime.of_skops(skops.io.dumps(estimator), rows.columns, targets(rows, estimator))(rows.frame)
    expected = runtime.of_estimator(estimator, rows.columns, targets(rows, estimator))(rows.frame)
    assert list(loaded) == list(rows.targets)
    assert identity.predictions_digest(loaded) == identity.predictions_digest(expected)


def test_a_word_that_training_never_saw_is_answered_as_if_it_said_nothing() -> None:
    rows = some_rows(mixed=True)
    estimator = fitted("decision-tree", mixed=True)
    strange = rows.frame.assign(colour="violet")
    assert len(runtime.of_estimator(estimator, rows.columns, targets(rows, estimator))(strange)["y"].labels) == 60


# --- conversion ------------------------------------------------------------------------------------------------------


def test_what_float32_cannot_tell_apart_is_not_served_as_onnx() -> None:
    """Seconds since 1970 need 31 bits, float32 has 24."""
    seconds = 1.7e9 + np.arange(200.0)
    frame = pd.DataFrame({"when": seconds, "y": np.where(np.arange(200) % 20 < 10, "a", "b")})
    rows = Rows(frame=frame, columns=(Column(name="when", kind="numeric"),), targets=("y",))
    estimator = Pipeline([("model", HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5))]).fit(
        rows.matrix, rows.labels
    )
    expected = runtime.of_estimator(estimator, rows.columns, targets(rows, estimator))(frame)
    converted = convert(estimator, targets(rows, estimator), rows, expected, Conversion())
    assert converted.onnx is None
    assert converted.parity is not None
    assert converted.reason is not None
    assert "ONNX does not reproduce scikit-learn on the held-out rows" in converted.reason
    assert f"{converted.parity.labels_different} of 200 labels differ" in converted.reason


def test_what_cannot_be_converted_is_not_served_as_onnx() -> None:
    rows = some_rows(mixed=False)
    estimator = Pipeline([("model", VotingClassifier([("one", LogisticRegression())], voting="soft"))]).fit(
        rows.matrix, rows.labels
    )
    expected = runtime.of_estimator(estimator, rows.columns, targets(rows, estimator))(rows.frame)
    converted = convert(estimator, targets(rows, estimator), rows, expected, Conversion())
    assert (converted.onnx, converted.parity) == (None, None)
    assert converted.reason is not None
    assert converted.reason.startswith("the conversion failed: ")


def test_conversion_can_be_turned_off() -> None:
    rows = some_rows(mixed=False)
    estimator = fitted("gaussian-nb", mixed=False)
    expected = runtime.of_estimator(estimator, rows.columns, targets(rows, estimator))(rows.frame)
    assert (
        convert(estimator, targets(rows, estimator), rows, expected, Conversion(onnx=False)).reason
        == "conversion.onnx is false in the configuration"
    )


# --- safety ----------------------------------------------------------------------------------------------------------


def test_a_type_that_is_not_on_the_list_is_named() -> None:
    rows = some_rows(mixed=False)
    network = MLPClassifier(max_iter=400, random_state=0, tol=0.1).fit(rows.matrix, rows.labels)
    with pytest.raises(KanaryaError, match=r"sklearn\.neural_network\._stochastic_optimizers\.AdamOptimizer"):
        safety.trusted_types(skops.io.dumps(network))


def test_a_function_that_runs_commands_is_named_and_not_loaded() -> None:
    content = skops.io.dumps(Pipeline([("harm", FunctionTransformer(os.system))]))
    with pytest.raises(KanaryaError, match=r"posix\.system|nt\.system"):
        runtime.of_skops(content, [], [])


@pytest.mark.parametrize("name", ["sklearn.tree._treehouse.Tree", "numpy.dtypes", "sklearn", "sklearn.utils._testing.X"])
def test_a_name_that_only_resembles_an_allowed_one_is_not_allowed(name: str) -> None:
    assert not safety._is_allowed(name)


# --- search ----------------------------------------------------------------------------------------------------------


def iris_rows(settings: Settings) -> Rows:
    return validate(read(settings.data), settings)


def candidates(*families_: str) -> list[Candidate]:
    return [Candidate.model_validate({"family": family, "grid": {}}) for family in families_]


def test_progress_is_reported_candidate_by_candidate_with_the_best_so_far(make_settings: Make) -> None:
    settings = make_settings(
        search={
            "folds": 3,
            "candidates": [{"family": "decision-tree", "grid": {"max_depth": [1, 2]}}, *candidates("gaussian-nb")],
        }
    )
    seen: list[Progress] = []
    found = search(iris_rows(settings), settings, seen.append)
    assert [(one.done, one.total, one.trial.family) for one in seen] == [
        (1, 3, "decision-tree"),
        (2, 3, "decision-tree"),
        (3, 3, "gaussian-nb"),
    ]
    scores = [one.trial.metrics["accuracy"].value for one in seen]
    assert [one.best for one in seen] == [max(scores[: place + 1]) for place in range(3)]
    assert found.best.metrics["accuracy"].value == max(scores)
    assert all(one.trial.metrics["accuracy"].spread is not None for one in seen)


def test_of_equals_the_one_listed_first_wins(make_settings: Make) -> None:
    same = [{"family": "decision-tree", "grid": {"max_depth": [depth]}} for depth in (30, 20)]
    settings = make_settings(search={"folds": 3, "candidates": same})
    assert search(iris_rows(settings), settings, lambda _: None).best.parameters == {"max_depth": 30}


def test_a_smaller_log_loss_wins_and_is_reported_with_its_own_sign(make_settings: Make) -> None:
    trees = {"family": "decision-tree", "grid": {"max_depth": [20, 2]}}  # a full tree is certain, and now and then wrong
    settings = make_settings(search={"folds": 3, "scoring": "log-loss", "candidates": [trees]})
    found = search(iris_rows(settings), settings, lambda _: None)
    assert found.best.parameters == {"max_depth": 2}
    assert all(trial.metrics["log-loss"].value > 0 for trial in found.trials)


def test_the_listener_stays_here_when_folds_are_fitted_in_other_processes() -> None:
    grid = _OneByOne(LogisticRegression(), {"C": [1.0]})
    grid.each = lambda _: None  # could not travel
    assert "each" not in grid.__getstate__()


def test_a_value_that_scikit_learn_refuses_is_said_with_its_family(make_settings: Make) -> None:
    settings = make_settings(search={"folds": 3, "candidates": [{"family": "decision-tree", "grid": {"max_depth": [-1]}}]})
    with pytest.raises(KanaryaError, match=r"search: decision-tree cannot be fitted: The 'max_depth' parameter"):
        search(iris_rows(settings), settings, lambda _: None)
