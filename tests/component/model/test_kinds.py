"""Models of every task, trained by the training job on real rows and served by a real server, against scikit-learn itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import load_diabetes, load_iris

from kanarya_cli.local.scrape import series_of
from kanarya_cli.local.serving import Server
from kanarya_training_job import Settings, pipeline, safety, workspace
from kanarya_training_job.package import SKOPS_FILE, Package
from kanarya_training_job.prepare import prepare


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Package]:
    """An artifact of these rows, and no registry."""
    monkeypatch.setenv("KANARYA_CODE_REVISION", "0123456")

    def train(frame: pd.DataFrame, **changes: Any) -> Package:
        frame.to_csv(tmp_path / "rows.csv", index=False)
        document = {"model": "m", "data": {"source": str(tmp_path / "rows.csv")}, **changes}
        settings = Settings.model_validate(document)
        return pipeline.build(settings, prepare(settings, print), workspace.make(tmp_path, "m"), print)

    return train


def patients() -> pd.DataFrame:
    """442 patients: ten measurements, and how far the illness went in a year."""
    rows = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    return rows.assign(sex=np.where(rows["sex"] == 1, "one", "two"))


def only(family: str, **grid: list[object]) -> dict[str, object]:
    return {"folds": 3, "candidates": [{"family": family, "grid": grid}]}


def served(server: Any, built: Package, rows: pd.DataFrame) -> dict[str, Any]:
    """The server's outputs for some rows, each as an array."""
    columns = built.contract.inputs
    body = {
        "inputs": [
            {"name": one.name, "datatype": one.datatype, "shape": [len(rows)], "data": rows[one.name].tolist()}
            for one in columns
        ]
    }
    answer = server.http.post("/v2/models/m/infer", json=body)
    assert answer.status_code == 200, answer.text
    return {one["name"]: np.reshape(one["data"], one["shape"]) for one in answer.json()["outputs"]}


def original(built: Package) -> Any:
    """The pipeline as scikit-learn has it."""
    content = (built.directory / SKOPS_FILE).read_bytes()
    return skops.io.loads(content, trusted=safety.trusted_types(content))


def test_a_regression_is_served_as_onnx_with_its_bins_and_its_errors_counted(trained, serve):
    frame = patients()
    built = trained(frame, task="regression", target="progression", search=only("random-forest", n_estimators=[20]))
    server = serve(built.directory, "--version", "3")
    (target,) = built.contract.targets

    got = served(server, built, frame)["value"]
    asked_before = server.http.post(
        "/v1/models/m:predict", json={"instances": [frame.drop(columns="progression").iloc[0].to_dict()]}
    )
    said = {"model_version": "3", "predictions": got.tolist(), "labels": frame["progression"].tolist()}
    counted = server.http.post("/v2/models/m/feedback", json=said)

    assert built.contract.runtime.format == "onnx"
    assert {"holdout-rmse", "holdout-mae", "holdout-r2", "cv-rmse"} <= built.contract.metrics.keys()
    assert built.contract.metrics["holdout-r2"].value > 0.1
    expected = original(built).predict(frame[[one.name for one in built.contract.inputs]])
    assert np.allclose(got, expected, rtol=1e-5)
    assert asked_before.json() == {"predictions": [pytest.approx(expected[0], rel=1e-5)]}
    assert counted.json() == {"counted": 442}
    shares = np.minimum(np.abs(got - frame["progression"]) / target.error_bound, 1)
    scraped = Server(version="3", port=server.port, pid=1, created=0.0)
    gates_see = {(one.kind, one.of): one.value for one in series_of(scraped, server.http.get("/metrics").text)}
    assert gates_see["scores", None] == 442
    assert gates_see["score-sum", None] == pytest.approx(1e6 * shares.sum(), abs=1)
    assert gates_see["score-squares", None] == pytest.approx(1e6 * (shares**2).sum(), abs=1)
    assert (gates_see["right", None], gates_see["wrong", None]) == (0, 0)
    edges = built.contract.reference.predictions["progression"].edges
    bins = np.bincount(np.searchsorted(edges, [*got, got[0]], side="right"), minlength=10)
    assert [gates_see["predictions", str(number)] for number in range(10)] == bins.tolist()


def test_two_regressions_in_one_artifact_are_served_by_scikit_learn_where_onnx_is_off(trained, serve):
    frame = patients()
    built = trained(
        frame,
        task="regression",
        target=["progression", "bmi"],
        error_bounds={"bmi": 4},
        search=only("ridge", alpha=[1.0]),
        conversion={"onnx": False},
    )
    server = serve(built.directory)

    got = served(server, built, frame)

    assert built.contract.runtime.format == "skops"
    assert [(one.name, one.error_bound) for one in built.contract.targets] == [("progression", 230.0), ("bmi", 4.0)]
    expected = original(built).predict(frame[[one.name for one in built.contract.inputs]])
    assert np.allclose(np.stack([got["progression.value"], got["bmi.value"]], axis=1), expected, rtol=1e-12)
    refused = server.http.post("/v2/models/m/feedback", json={"model_version": "1", "predictions": [1], "labels": [2]})
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


@pytest.mark.parametrize("onnx", [True, False], ids=["onnx", "skops"])
def test_several_classes_are_told_apart_at_once_each_with_its_probabilities(trained, serve, onnx):
    iris = load_iris(as_frame=True).frame.rename(columns={"target": "species"})
    iris["wide"] = np.where(iris["sepal width (cm)"] + 0.1 * iris["petal width (cm)"] > 3.1, "wide", "narrow")
    built = trained(iris, target=["species", "wide"], search=only("logistic-regression", C=[1.0]), conversion={"onnx": onnx})
    server = serve(built.directory, "--version", "5")

    got = served(server, built, iris)
    rows = [
        dict(zip(("species", "wide"), row, strict=True)) for row in zip(got["species.label"], got["wide.label"], strict=True)
    ]
    instance = iris[[one.name for one in built.contract.inputs]].iloc[[0, 149]].to_numpy().tolist()
    asked_before = server.http.post("/v1/models/m:predict", json={"instances": instance})
    labels = {name: iris[name].astype(str).tolist() for name in ("species", "wide")}
    predictions = {name: got[f"{name}.label"].tolist() for name in labels}
    counted = server.http.post(
        "/v2/models/m/feedback", json={"model_version": "5", "predictions": predictions, "labels": labels}
    )

    estimator, table = original(built), iris[[one.name for one in built.contract.inputs]].to_numpy()
    expected = estimator.predict(table)
    assert built.contract.runtime.format == ("onnx" if onnx else "skops")
    assert np.array_equal(np.stack([got["species.label"], got["wide.label"]], axis=1), expected)
    for name, shares in zip(labels, estimator.predict_proba(table), strict=True):
        assert np.allclose(got[f"{name}.probabilities"], shares, atol=1e-5)
    assert asked_before.json()["predictions"] == [rows[0], rows[149]]
    assert counted.json() == {"counted": 150}
    right = (expected == np.stack(list(labels.values()), axis=1)).all(axis=1).sum()
    assert server.metric("kanarya_model_feedback_total") == 150
    series = server.http.get("/metrics").text
    assert f'kanarya_model_feedback_total{{model="m",outcome="right",version="5"}} {float(right)}' in series
    assert 'class="wide=narrow"' in series
