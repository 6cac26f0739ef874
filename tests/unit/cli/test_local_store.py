"""ModelRollouts as files: who may write what, and what happens to a file that is not whole."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kanarya_cli.local import files
from kanarya_cli.local.files import NotWritten
from kanarya_cli.local.store import FileStore, ServiceStore
from kanarya_contracts.names import ANNOTATION_REQUEST, Verb
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRolloutStatus, Request
from kanarya_contracts.serving import InferenceService
from kanarya_contracts.testing import rollout
from kanarya_rollout.ports import Conflict


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    found = FileStore(tmp_path)
    found.apply(rollout())
    return found


def version(store: FileStore) -> str:
    found = store.get("iris")
    assert found is not None
    return found[1]


def test_an_empty_state_directory_has_no_rollouts(tmp_path: Path) -> None:
    assert FileStore(tmp_path).names() == ()
    assert FileStore(tmp_path).get("iris") is None


def test_spec_status_and_requests_do_not_disturb_each_other(store: FileStore) -> None:
    status = ModelRolloutStatus(canary_weight=25, current_step_index=1)
    store.write_status("iris", status, resource_version=version(store))
    store.request("iris", Request(id="a", verb=Verb.PAUSE, by="me"))
    changed = rollout()
    store.apply(changed.model_copy(update={"spec": changed.spec.model_copy(update={"progress_deadline_seconds": 7})}))

    found = store.get("iris")

    assert found is not None
    assert found[0].status == status
    assert found[0].spec.progress_deadline_seconds == 7
    assert found[0].metadata.generation == 2
    assert Request.model_validate_json(found[0].metadata.annotations[ANNOTATION_REQUEST]).id == "a"


def test_applying_the_same_spec_again_changes_no_generation(store: FileStore) -> None:
    assert store.apply(rollout()).metadata.generation == 1


def test_every_write_has_a_resource_version_of_its_own(store: FileStore) -> None:
    seen = [version(store)]
    seen.append(store.write_status("iris", ModelRolloutStatus(), resource_version=seen[-1]))
    store.request("iris", Request(id="a", verb=Verb.PAUSE))
    seen.append(version(store))

    assert len(set(seen)) == len(seen)


def test_a_status_that_rests_on_an_older_object_is_a_conflict(store: FileStore) -> None:
    old = version(store)
    store.request("iris", Request(id="a", verb=Verb.ABORT))

    with pytest.raises(Conflict, match="written by somebody else"):
        store.write_status("iris", ModelRolloutStatus(canary_weight=50), resource_version=old)


def test_a_status_of_a_rollout_that_is_gone_is_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="is not there any more"):
        FileStore(tmp_path).write_status("iris", ModelRolloutStatus(), resource_version="1")


def test_a_request_to_a_rollout_that_is_not_there_names_those_that_are(store: FileStore) -> None:
    with pytest.raises(KanaryaError, match="there is no rollout 'wine'; there are: iris"):
        store.request("wine", Request(id="a", verb=Verb.ABORT))


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[: len(text) // 2], lambda _: "", lambda _: '{"kind": "Other"}', lambda text: text.replace('"1"', '"x"')],
    ids=["truncated", "empty", "foreign", "no-number"],
)
def test_a_file_that_is_not_whole_is_named_and_never_overwritten(tmp_path: Path, store: FileStore, damage) -> None:
    path = tmp_path / "rollouts" / "iris.json"
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()

    for act in (
        lambda: store.get("iris"),
        lambda: store.apply(rollout()),
        lambda: store.request("iris", Request(id="a", verb=Verb.ABORT)),
    ):
        with pytest.raises(KanaryaError, match="Move it away and apply the manifests again") as caught:
            act()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_disk_that_is_full_loses_nothing(store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version(store)

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotWritten, match=r"No space left on device\. Nothing was lost"):
        store.write_status("iris", ModelRolloutStatus(canary_weight=50), resource_version=before)
    monkeypatch.undo()

    assert version(store) == before
    assert sorted(path.name for path in (tmp_path / "rollouts").iterdir()) == [".lock", "iris.json"]


def test_a_state_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(NotWritten, match=r"cannot be written: .* is a file, expected a directory"):
        FileStore(tmp_path / "state").apply(rollout())


@pytest.fixture
def nobody() -> Iterator[None]:
    """Not root, who may write anywhere, for the length of a test."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_a_directory_that_is_not_ours_is_told(tmp_path: Path, nobody: None) -> None:
    if os.geteuid() != 65534:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    with pytest.raises(NotWritten, match="Permission denied"):
        files.write(tmp_path / "a.json", b"{}")


def test_a_service_is_kept_and_a_change_of_it_is_noticed(tmp_path: Path) -> None:
    document = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}}},
    }
    service = InferenceService.model_validate(document)
    store = ServiceStore(tmp_path)
    document["spec"]["predictor"]["model"]["env"] = [{"name": "A", "value": "b"}]
    other = InferenceService.model_validate(document)

    assert [store.apply(one) for one in (service, service, other)] == [False, False, True]
    assert store.get("iris") == other


def test_a_service_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KanaryaError, match="kanarya local up -f"):
        ServiceStore(tmp_path).get("iris")
