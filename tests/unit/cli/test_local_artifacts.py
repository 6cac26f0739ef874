"""An artifact is what was registered, or it is refused before anything reads its model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kanarya_cli.local import artifacts
from kanarya_cli.local.artifacts import NotFetched, Refused
from kanarya_contracts.artifact import digest
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.rollout import VersionRef
from kanarya_contracts.testing import FILES, contract

CONTENT = contract().dumps()
REF = VersionRef(version="7", digest=digest(CONTENT), uri="")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    for name, content in {**FILES, CONTRACT_FILE: CONTENT}.items():
        (directory / name).write_bytes(content)
    return directory


def obtain(source: Path, *, ref: VersionRef = REF) -> Path:
    into = source.parent / "artifacts" / "iris" / "7"
    artifacts.obtain(ref.model_copy(update={"uri": f"file://{source}"}), into, registry="")
    return into


def test_what_was_registered_is_fetched_whole(source: Path) -> None:
    into = obtain(source)

    assert sorted(path.name for path in into.iterdir()) == sorted([*FILES, CONTRACT_FILE])
    assert list(into.parent.iterdir()) == [into]


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda at: (at / "model.onnx").write_bytes(b"an ONNX mode1\n"), "model.onnx: has digest sha256:"),
        (lambda at: (at / "model.onnx").unlink(), "model.onnx: is missing"),
        (lambda at: (at / "extra.py").write_bytes(b""), "extra.py: is not in kanarya.json"),
        (lambda at: (at / CONTRACT_FILE).unlink(), "the artifact has no kanarya.json"),
        (lambda at: (at / CONTRACT_FILE).write_bytes(CONTENT + b"\n"), "was registered"),
    ],
    ids=["altered", "missing", "extra", "no-contract", "other-contract"],
)
def test_what_is_not_what_was_registered_is_refused_and_leaves_nothing(
    source: Path, harm: Callable[[Path], object], told: str
) -> None:
    harm(source)

    with pytest.raises(Refused, match=told):
        obtain(source)

    assert list((source.parent / "artifacts" / "iris").iterdir()) == []


def test_a_version_without_a_digest_is_refused(source: Path) -> None:
    with pytest.raises(Refused, match="nobody vouches"):
        obtain(source, ref=VersionRef(version="7"))


def test_a_contract_that_is_none_is_refused_although_its_digest_is_right(source: Path) -> None:
    (source / CONTRACT_FILE).write_bytes(b"{}")

    with pytest.raises(Refused, match="is missing and required"):
        obtain(source, ref=VersionRef(version="7", digest=digest(b"{}")))


def test_a_copy_that_changed_on_our_disk_is_fetched_anew(source: Path) -> None:
    into = obtain(source)
    (into / "model.onnx").write_bytes(b"other")

    assert (obtain(source) / "model.onnx").read_bytes() == FILES["model.onnx"]


def test_a_scheme_that_local_mode_cannot_fetch_is_refused_by_name(source: Path) -> None:
    ref = REF.model_copy(update={"uri": "s3://bucket/iris"})

    with pytest.raises(Refused, match="not 's3://bucket/iris'"):
        artifacts.obtain(ref, source.parent / "there", registry="")


def test_a_disk_that_takes_nothing_says_nothing_about_the_artifact(source: Path) -> None:
    (source.parent / "artifacts").write_text("a file where a directory should be")

    with pytest.raises(NotFetched, match="cannot be written"):
        obtain(source)
