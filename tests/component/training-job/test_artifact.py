"""The artifact: built, held to its contract, read back by what will serve it and by MLflow."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts import artifact
from kanarya_contracts.artifact import CategoricalColumn, NumericColumn, NumericHistogram
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import card, identity, package, pipeline, reference, workspace
from kanarya_training_job.features import Column, Rows
from kanarya_training_job.outcome import Event
from kanarya_training_job.package import Package
from kanarya_training_job.prepare import prepare
from kanarya_training_job.quiet_mlflow import mlflow
from kanarya_training_job.settings import Settings

Make = Callable[..., Settings]
Build = Callable[..., Package]


def silent(_: Event) -> None:
    pass


@pytest.fixture
def build(make_settings: Make, tmp_path: Path) -> Build:
    """Everything up to the registry."""

    def make(**changes: object) -> Package:
        chosen = make_settings(**changes)
        return pipeline.build(chosen, prepare(chosen, silent), workspace.make(tmp_path, "iris"), silent)

    return make


@pytest.fixture
def mixed(tmp_path: Path) -> dict[str, object]:
    """Settings of rows with numbers, some missing, words, and whole numbers as classes."""
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"size": chance.normal(size=80), "colour": chance.choice(["red", "green"], 80)})
    frame["kind"] = (frame["size"] + (frame["colour"] == "red") > 0.5).astype(int)
    frame.loc[::9, "size"] = np.nan
    frame.to_csv(tmp_path / "mixed.csv", index=False)
    return {
        "data": {"source": str(tmp_path / "mixed.csv")},
        "target": "kind",
        "features": {"size": {}, "colour": {"kind": "categorical", "unknown": "accept"}},
        "cleaning": {"missing": "impute"},
        "search": {"folds": 3, "candidates": [{"family": "logistic-regression", "grid": {}}]},
    }


def test_an_artifact_says_what_it_takes_gives_and_came_from(build: Build, iris: Path) -> None:
    built = build()
    contract = built.contract
    assert [(column.name, column.datatype) for column in contract.inputs] == [
        (name, Datatype.FP64) for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")
    ]
    assert [(output.name, output.datatype, output.shape) for output in contract.outputs] == [
        ("label", Datatype.BYTES, (-1,)),
        ("probabilities", Datatype.FP32, (-1, 3)),
    ]
    (target,) = contract.targets
    assert (target.name, target.classes) == ("species", ("setosa", "versicolor", "virginica"))
    assert (contract.runtime.format, contract.runtime.file, contract.runtime.reason) == ("onnx", "model.onnx", None)
    assert contract.data.sha256 == artifact.digest(iris.read_bytes())
    assert contract.data.cleaning == {"duplicates": 1}
    assert sum(contract.reference.predictions["species"].counts.values()) == 149 - contract.reference.rows
    assert set(contract.example.outputs["label"]) == set(target.classes)
    assert contract.metrics["cv-accuracy"].spread is not None
    assert contract.metrics["holdout-accuracy"].value > 0.8
    assert built.digest == artifact.digest((built.directory / "kanarya.json").read_bytes())
    assert set(contract.files) == {
        *("MLmodel", "MODEL_CARD.md", "conda.yaml", "model.onnx", "model.skops", "python_env.yaml", "requirements.txt")
    }


def test_numbers_words_and_missing_values_come_with_their_contract(build: Build, mixed: Mapping[str, object]) -> None:
    contract = build(**mixed).contract
    size, colour = contract.inputs
    assert isinstance(size, NumericColumn)
    assert isinstance(colour, CategoricalColumn)
    assert size.nullable
    assert (colour.categories, colour.unknown) == (("green", "red"), "accept")
    assert contract.targets[0].classes == ("0", "1")
    assert contract.outputs[0].datatype == Datatype.INT64
    assert set(contract.example.outputs["label"]) == {0, 1}
    assert contract.data.cleaning["missing-values-imputed"] == 9
    assert contract.runtime.format == "onnx"


def test_without_onnx_skops_serves_and_the_reason_is_kept(build: Build, mixed: Mapping[str, object]) -> None:
    contract = build(**mixed, conversion={"onnx": False}).contract
    assert (contract.runtime.format, contract.runtime.file) == ("skops", "model.skops")
    assert contract.runtime.reason == "conversion.onnx is false in the configuration"
    assert contract.outputs[1].datatype == Datatype.FP64
    assert "model.onnx" not in contract.files


def test_mlflow_loads_the_artifact_and_answers_the_example(build: Build) -> None:
    built = build()
    example = built.contract.example
    model = mlflow.sklearn.load_model(str(built.directory))
    assert tuple(model.predict(reference.frame_of(example).to_numpy())) == example.outputs["label"]


def test_a_byte_changed_is_named(build: Build) -> None:
    built = build()
    path = built.directory / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(KanaryaError, match=r"model\.onnx: has digest sha256:.*, expected sha256:"):
        package.open_checked(built.directory)


def test_a_contract_changed_is_told_from_the_one_that_was_registered(build: Build) -> None:
    built = build()
    path = built.directory / "kanarya.json"
    path.write_bytes(path.read_bytes() + b"\n")
    package.open_checked(built.directory)
    with pytest.raises(KanaryaError, match="it was changed since"):
        package.open_checked(built.directory, expected=built.digest)


def test_an_example_that_is_not_reproduced_is_said(build: Build) -> None:
    built = build()
    example = built.contract.example
    reversed_labels = tuple(reversed(example.outputs["label"]))
    wrong = example.model_copy(update={"outputs": {**example.outputs, "label": reversed_labels}})
    (built.directory / "kanarya.json").write_bytes(built.contract.model_copy(update={"example": wrong}).dumps())
    with pytest.raises(KanaryaError, match=r"is not what its contract says:\n  row 0: label"):
        package.open_checked(built.directory)


def test_a_directory_without_a_contract_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(KanaryaError, match=r"has no readable kanarya\.json: No such file or directory"):
        package.open_checked(tmp_path)


def test_the_same_training_twice_gives_the_same_predictions(build: Build) -> None:
    candidates = [{"family": "random-forest", "grid": {"n_estimators": [10]}}]
    first, second = (build(search={"folds": 3, "candidates": candidates}).contract.training for _ in range(2))
    assert first.predictions_digest == second.predictions_digest
    assert first.digest == second.digest


def test_another_seed_is_another_training(build: Build) -> None:
    first, second = (build(seed=seed).contract.training for seed in (0, 1))
    assert first.predictions_digest != second.predictions_digest
    assert first.digest != second.digest


def test_held_out_rows_can_be_a_file(build: Build, make_settings: Make, tmp_path: Path) -> None:
    drawn = prepare(make_settings(), silent)
    workspace.write_rows(drawn.train, tmp_path / "train.csv")
    workspace.write_rows(drawn.holdout, tmp_path / "holdout.csv")
    changes = {"data": {"source": str(tmp_path / "train.csv")}, "split": {"evaluation": str(tmp_path / "holdout.csv")}}
    again = prepare(make_settings(**changes), silent)
    assert again.train.frame.to_numpy().tolist() == drawn.train.frame.to_numpy().tolist()
    assert again.holdout.frame.to_numpy().tolist() == drawn.holdout.frame.to_numpy().tolist()
    assert build(**changes).contract.training.predictions_digest == build().contract.training.predictions_digest


def test_the_card_names_everything_it_rests_on(build: Build) -> None:
    built = build()
    text = (built.directory / card.FILE).read_text()
    for part in (
        "# iris",
        "decision-tree",
        "max_depth = 3",
        "| petal_length | FP64 |",
        "cv-accuracy",
        "0123456",
        "held-out rows",
    ):
        assert part in text


# --- identity --------------------------------------------------------------------------------------------------------

DATA = [f"sha256:{'0' * 64}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"registry": {"alias": "champion", "experiment": "other"}},
        {"comparison": {"against": "other", "tolerance": 0.1}},
        {"data": {"source": "elsewhere/iris.csv"}},
        {"search": {"folds": 3, "n_jobs": 2, "candidates": [{"family": "decision-tree", "grid": {"max_depth": [3]}}]}},
    ],
    ids=["where it goes", "what it is compared with", "where the data lie", "how many processes"],
)
def test_what_cannot_change_the_model_does_not_make_another_training(make_settings: Make, changes: dict[str, object]) -> None:
    assert identity.training_digest(make_settings(**changes), DATA) == identity.training_digest(make_settings(), DATA)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"model": "other"},
        {"cleaning": {"duplicates": "keep"}},
        {"split": {"test": 0.3}},
        {"metrics": ["accuracy"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_can_change_the_model_makes_another_training(make_settings: Make, changes: dict[str, object]) -> None:
    assert identity.training_digest(make_settings(**changes), DATA) != identity.training_digest(make_settings(), DATA)


def test_other_bytes_and_other_libraries_make_another_training(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity.training_digest(make_settings(), DATA)
    assert identity.training_digest(make_settings(), [f"sha256:{'1' * 64}"]) != before
    monkeypatch.setattr(identity, "libraries", lambda: {"scikit-learn": "0.1"})
    assert identity.training_digest(make_settings(), DATA) != before


def test_the_revision_is_what_the_image_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(identity.REVISION_VARIABLE, "abc-dirty")
    assert identity.code_revision() == "abc-dirty"


# --- reference -------------------------------------------------------------------------------------------------------


def histogram_of(values: list[float]) -> NumericHistogram:
    frame = pd.DataFrame({"x": values, "y": ["a"] * len(values)})
    rows = Rows(frame=frame, columns=(Column(name="x", kind="numeric"),), targets=("y",))
    found = reference.reference(rows, {}, None).features["x"]
    assert isinstance(found, NumericHistogram)
    return found


@settings(max_examples=40, deadline=None)  # pandas takes milliseconds for each
@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=60).filter(lambda v: not np.isnan(v).all()))
def test_a_histogram_counts_every_row_once(values: list[float]) -> None:
    found = histogram_of(values)
    assert sum(found.counts) + found.missing == len(values)
    assert list(found.edges) == sorted(set(found.edges))
    for value, count in Counter(value for value in values if not np.isnan(value)).items():
        assert found.counts[sum(edge <= value for edge in found.edges)] >= count


def test_a_histograms_bins_hold_about_a_tenth_each() -> None:
    assert histogram_of([float(value) for value in range(100)]).counts == (10,) * 10


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-9999, 9999).map(lambda number: number / 7), min_size=1, max_size=60))
def test_an_answer_is_in_the_same_bin_in_float32(values: list[float]) -> None:
    numbers = np.array(values)
    edges = reference._between(numbers)
    own, in_float32 = (np.searchsorted(edges, one, side="right") for one in (numbers, np.float32(numbers)))
    assert np.array_equal(own, in_float32)


# --- disk ------------------------------------------------------------------------------------------------------------


def test_a_work_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KanaryaError, match=r"cannot write .*file.*Not a directory.*choose another --work-dir"):
        workspace.make(tmp_path / "file" / "work", "iris")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_said(make_settings: Make) -> None:
    with pytest.raises(KanaryaError, match=r"cannot write /dev/full: No space left on device\. Free some space"):
        workspace.write_rows(prepare(make_settings(), silent).train, Path("/dev/full"))


def test_every_training_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    assert workspace.make(tmp_path, "iris").directory != workspace.make(tmp_path, "iris").directory


def test_dataclasses_of_the_interface_are_frozen() -> None:
    event = Event(step="load", message="iris.csv")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.step = "other"  # type: ignore[misc]
