"""A training against a real MLflow: what it registers, what it refuses, what it recognises, and what others then see."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kanarya_training_job as job
from kanarya_contracts import artifact
from kanarya_contracts.names import TAG_COMPARISON, TAG_DIGEST, TAG_TRAINING
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job.quiet_mlflow import MlflowClient, RestException, mlflow

Make = Callable[..., job.Settings]


@pytest.fixture
def client(mlflow_uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)


@pytest.fixture
def train(mlflow_uri: str, tmp_path: Path) -> Callable[..., job.Outcome]:
    def run(settings: job.Settings, **options: Any) -> job.Outcome:
        return job.train(settings, registry_uri=mlflow_uri, work_dir=tmp_path / "work", **options)

    return run


Train = Callable[..., job.Outcome]


def holder(client: MlflowClient, model: str, alias: str) -> str | None:
    try:
        return str(client.get_model_version_by_alias(model, alias).version)
    except RestException:
        return None


def test_a_version_is_all_there_for_whoever_looks(settings: Make, train: Train, client: MlflowClient, tmp_path: Path) -> None:
    events: list[job.Event] = []
    outcome = train(settings(), alias="champion", report=events.append)
    version = client.get_model_version(outcome.model, outcome.version)
    assert [event.step for event in events if event.total is None] == [
        *("load", "validate", "clean", "split", "evaluate", "package", "compare", "register", "register"),
    ]
    assert (outcome.trained, outcome.alias, outcome.comparison.verdict) == (True, "champion", "no-champion")
    assert holder(client, outcome.model, "champion") == outcome.version == "1"
    assert version.tags[TAG_DIGEST] == outcome.digest == artifact.digest((outcome.artifact_dir / "kanarya.json").read_bytes())
    assert version.tags[TAG_TRAINING].startswith("sha256:")
    assert version.run_id == outcome.run_id

    run = client.get_run(outcome.run_id)
    contract = artifact.parse((outcome.artifact_dir / "kanarya.json").read_bytes())
    assert run.info.status == "FINISHED"
    assert run.data.params.items() >= {"family": "decision-tree", "max_depth": "3", "seed": "0", "folds": "2"}.items()
    assert run.data.metrics["holdout-accuracy"] == outcome.metrics["holdout-accuracy"]
    assert run.data.metrics["cv-accuracy-spread"] == contract.metrics["cv-accuracy"].spread
    (dataset,) = run.inputs.dataset_inputs
    assert contract.data.sha256.removeprefix("sha256:").startswith(dataset.dataset.digest)
    assert json.loads(dataset.dataset.profile)["sha256"] == contract.data.sha256
    files = {file.path for file in client.list_artifacts(outcome.run_id)}
    assert files == {"confusion-matrix.png", "roc.png", "search.json", "MODEL_CARD.md"}
    assert (tmp_path / "work").is_dir()


def test_mlflow_itself_loads_the_champion_and_predicts_right(
    settings: Make, train: Train, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forest = [{"family": "random-forest", "grid": {"n_estimators": [10]}}]
    outcome = train(settings(search={"folds": 2, "candidates": forest}), alias="champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    model = mlflow.sklearn.load_model(f"models:/{outcome.model}@champion")
    rows = pd.read_csv(outcome.holdout_rows_file)
    right = (model.predict(rows.drop(columns="species").to_numpy()) == rows["species"]).mean()
    assert len(rows) == 45
    assert right == outcome.metrics["holdout-accuracy"] > 0.9


def test_a_worse_model_is_refused_and_leaves_nothing(
    settings: Make, train: Train, client: MlflowClient, worse: dict[str, Any]
) -> None:
    good = train(settings(), alias="champion")
    with pytest.raises(job.ComparisonRefused, match=r"on 45 held-out rows is worse than version 1's") as caught:
        train(settings(**worse))
    assert caught.value.comparison.champion_version == "1"
    assert len(client.search_model_versions(f"name = '{good.model}'")) == 1
    assert holder(client, good.model, "challenger") is None


def test_an_override_registers_a_worse_model_and_is_recorded(
    settings: Make, train: Train, client: MlflowClient, worse: dict[str, Any]
) -> None:
    train(settings(), alias="champion")
    outcome = train(settings(**worse), override=job.Override(reason="to see it caught live", by="ada"))
    recorded = json.loads(client.get_model_version(outcome.model, outcome.version).tags[TAG_COMPARISON])
    assert holder(client, outcome.model, "challenger") == outcome.version == "2"
    assert recorded["override"] == {"by": "ada", "reason": "to see it caught live"}
    assert (recorded["verdict"], recorded["champion_version"]) == ("worse", "1")
    assert recorded["candidate"] < recorded["champion"]


def test_an_unchanged_training_is_recognised_and_the_alias_still_set(
    settings: Make, train: Train, client: MlflowClient, worse: dict[str, Any]
) -> None:
    first = train(settings(**worse), alias="champion")
    better = train(settings())
    events: list[job.Event] = []
    again = train(settings(), alias="other", report=events.append)
    assert (first.trained, better.trained, again.trained) == (True, True, False)
    assert (again.version, again.digest, again.metrics) == (better.version, better.digest, better.metrics)
    assert any("not trained again" in event.message for event in events)
    assert holder(client, again.model, "other") == better.version
    assert pd.read_csv(again.holdout_rows_file).equals(pd.read_csv(better.holdout_rows_file))


def test_a_recognised_version_does_not_take_an_alias_back_from_a_better_one(
    settings: Make, train: Train, client: MlflowClient, worse: dict[str, Any]
) -> None:
    train(settings(**worse), alias="champion")
    better = train(settings(), alias="champion")
    with pytest.raises(job.ComparisonRefused):
        train(settings(**worse), alias="champion")
    assert holder(client, better.model, "champion") == better.version


def test_a_version_can_be_made_again_and_answers_the_same(settings: Make, train: Train) -> None:
    first, second = train(settings()), train(settings(), retrain=True)
    contracts = [artifact.parse((one.artifact_dir / "kanarya.json").read_bytes()) for one in (first, second)]
    assert (first.version, second.version, second.trained) == ("1", "2", True)
    assert contracts[0].training.predictions_digest == contracts[1].training.predictions_digest


def test_a_version_whose_files_were_altered_is_trained_again(
    settings: Make, train: Train, client: MlflowClient, mlflow_uri: str, tmp_path: Path
) -> None:
    first = train(settings())
    spoil(client, first, tmp_path)
    events: list[job.Event] = []
    again = train(settings(), report=events.append)
    assert (again.trained, again.version) == (True, "2")
    assert any("version 1 came of this training but is not whole" in event.message for event in events)


def test_a_champion_that_nobody_vouches_for_is_no_measure(
    settings: Make, train: Train, client: MlflowClient, tmp_path: Path
) -> None:
    first = train(settings(), alias="champion")
    spoil(client, first, tmp_path)
    with pytest.raises(job.ComparisonRefused, match=r"cannot be compared with: .*not what its contract says"):
        train(settings(seed=1))


def test_a_champion_with_other_features_is_no_measure(settings: Make, train: Train) -> None:
    train(settings(), alias="champion")
    with pytest.raises(job.ComparisonRefused, match="it needs petal_length, petal_width, sepal_width"):
        train(settings(features={"sepal_length": {}}))


def test_no_alias_is_set_where_none_is_asked_for(settings: Make, train: Train, client: MlflowClient) -> None:
    outcome = train(settings(registry={"alias": None}))
    assert outcome.alias is None
    assert client.get_registered_model(outcome.model).aliases == {}


def test_an_experiment_that_was_deleted_is_said(settings: Make, train: Train, client: MlflowClient) -> None:
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(job.RegistryError, match="the experiment 'gone' was deleted"):
        train(settings(registry={"experiment": "gone"}))


def spoil(client: MlflowClient, outcome: job.Outcome, scratch: Path) -> None:
    """Overwrite a registered version's model file, as somebody with access to the store could."""
    logged = client.get_model_version(outcome.model, outcome.version).source.removeprefix("models:/")
    (scratch / "spoilt").mkdir()
    (scratch / "spoilt" / "model.onnx").write_bytes(b"another model")
    client.log_model_artifacts(logged, str(scratch / "spoilt"))


def test_an_artifact_from_elsewhere_is_registered_whole_and_uncompared(
    train: Train, settings: Make, client: MlflowClient, mlflow_uri: str, tmp_path: Path
) -> None:
    directory = train(settings(), alias="champion").artifact_dir
    contract = artifact.parse((directory / "kanarya.json").read_bytes())
    (directory / "kanarya.json").write_bytes(contract.model_copy(update={"training": None}).dumps())

    adopted = job.adopt(directory, registry_uri=mlflow_uri, alias="challenger")

    version = client.get_model_version(adopted.model, adopted.version)
    assert (adopted.version, holder(client, adopted.model, "challenger")) == ("2", "2")
    assert version.tags == {TAG_DIGEST: artifact.digest((directory / "kanarya.json").read_bytes())}
    assert client.get_run(version.run_id).info.status == "FINISHED"

    (directory / "MLmodel").write_text("altered")
    with pytest.raises(KanaryaError, match=r"is not what its contract says:\n  MLmodel: has 7 bytes"):
        job.adopt(directory, registry_uri=mlflow_uri, alias="challenger")
    assert holder(client, adopted.model, "challenger") == "2"
