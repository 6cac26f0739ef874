"""The image's entry point: its exit status is what a Job acts on."""

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import kanarya_training_job as job
from kanarya_training_job.__main__ import main

Make = Callable[..., job.Settings]
Write = Callable[..., str]


@pytest.fixture
def written(settings: Make, tmp_path: Path) -> Write:
    """A configuration as a file."""

    def write(**changes: Any) -> str:
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(settings(**changes).model_dump(mode="json")))
        return str(path)

    return write


@contextmanager
def small_files_only(largest: int) -> Iterator[None]:
    """No file may grow beyond this many bytes, as on a disk with a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_registered_version_is_0_and_a_line_of_json(
    written: Write, mlflow_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANARYA_OUTCOME_FILE", str(tmp_path / "termination-log"))
    assert main([written(), "--registry", mlflow_uri, "--work-dir", str(tmp_path / "work"), "--alias", "champion"]) == 0
    said = capsys.readouterr()
    outcome = json.loads(said.out)
    assert (outcome["version"], outcome["alias"], outcome["trained"]) == ("1", "champion", True)
    assert said.out.count("\n") == 1
    last_words = json.loads((tmp_path / "termination-log").read_text())
    assert {name: last_words[name] for name in ("version", "alias", "digest")} == {
        name: outcome[name] for name in ("version", "alias", "digest")
    }
    assert "🏃" not in said.err


def test_a_refusal_is_1_until_somebody_overrides(
    written: Write, mlflow_uri: str, tmp_path: Path, worse: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--registry", mlflow_uri, "--work-dir", str(tmp_path / "work")]
    assert main([written(), *where, "--alias", "champion"]) == 0
    assert main([written(**worse), *where]) == 1
    assert "is worse than version 1's" in capsys.readouterr().err
    assert main([written(**worse), *where, "--override-comparison", "a reason"]) == 2
    assert "needs --by" in capsys.readouterr().err
    assert main([written(**worse), *where, "--override-comparison", "a reason", "--by", "ada"]) == 0


def test_bad_input_is_2_and_says_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.yaml").write_text("model: Iris\nsource: x\n")
    assert main([str(tmp_path / "job.yaml"), "--registry", "http://127.0.0.1:9"]) == 2
    said = capsys.readouterr().err
    assert all(
        part in said for part in ("4 problems", "model: got 'Iris'", "source: is not a known field", "target: is missing")
    )


def test_an_address_that_is_none_is_2_because_to_ask_again_would_not_help(
    written: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([written(), "--registry", "mlflow:5000"]) == 2
    assert "kanarya-training-job: the registry's address is 'mlflow:5000', expected" in capsys.readouterr().err


def test_a_registry_that_is_down_is_3(written: Write, tmp_path: Path) -> None:
    assert main([written(), "--registry", "http://127.0.0.1:9", "--work-dir", str(tmp_path / "work")]) == 3


def test_a_disk_that_takes_no_more_is_2_and_says_which_file(
    written: Write, mlflow_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written()
    with small_files_only(6_000):
        status = main([config, "--registry", mlflow_uri, "--work-dir", str(tmp_path / "work")])
    assert status == 2
    said = capsys.readouterr().err
    assert "cannot write" in said
    assert "File too large" in said


def test_a_fault_of_ours_is_not_taken_for_a_refusal(
    written: Write, mlflow_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("kanarya_training_job.pipeline.run", fault)
    assert main([written(), "--registry", mlflow_uri, "--work-dir", str(tmp_path / "work")]) == 70
