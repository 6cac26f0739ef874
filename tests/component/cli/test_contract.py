"""`kanarya contract` and what it refuses, as a person types it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from typer.testing import CliRunner

from kanarya_cli.app import app
from kanarya_contracts import artifact
from kanarya_contracts.problems import KanaryaError
from kanarya_model.__main__ import main as server
from kanarya_model.testing import NUMBERS, build

SPECIES = ["setosa", "versicolor", "virginica"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A graph that nobody vouches for, and rows with the truth beside them."""
    directory = tmp_path_factory.mktemp("elsewhere")
    iris, rows = load_iris(), directory / "rows.csv"
    with rows.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*NUMBERS, "species"])
        writer.writerows([*row, SPECIES[target]] for row, target in zip(iris.data.tolist(), iris.target, strict=True))
    return str(build(directory / "made") / "model.onnx"), str(rows)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["contract", *arguments, "--name", "flowers"])


def test_a_model_becomes_an_artifact_that_the_server_checks(
    model: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, rows = model
    out = tmp_path / "flowers"

    said = run(file, "--rows", rows, "--target", f"species={','.join(SPECIES)}", "--into", str(out), "--output", "json")

    assert said.exit_code == 0, said.output
    document = json.loads(said.stdout)
    assert document["digest"] == artifact.digest((out / "kanarya.json").read_bytes())
    assert (document["task"], document["outputs"]) == ("classification", ["label", "probabilities"])
    assert document["metrics"]["rows-accuracy"] > 0.95
    assert server(["check", str(out)]) == 0
    assert "flowers (onnx, sha256:" in capsys.readouterr().out


def test_words_without_their_order_and_a_bound_that_is_none_are_refused(model: tuple[str, str], tmp_path: Path) -> None:
    file, rows = model
    into = ("--into", str(tmp_path / "out"))

    unordered = run(file, "--rows", rows, "--target", "species", *into)
    unbounded = run(file, "--rows", rows, "--error-bound", "species=much", *into)

    assert isinstance(unordered.exception, KanaryaError)
    assert "give --target species=FIRST,SECOND,…" in str(unordered.exception)
    assert "--error-bound: got 'species=much', expected TARGET=NUMBER" in str(unbounded.exception)
    assert not (tmp_path / "out").exists()
