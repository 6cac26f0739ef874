"""What local mode takes, and what it refuses with file, line and field."""

from pathlib import Path

import pytest
import yaml

from kanarya_cli.local import manifests
from kanarya_cli.local.manifests import InvalidManifests
from kanarya_contracts.testing import rollout_document

SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: iris
spec:
  predictor:
    model:
      modelFormat: {name: kanarya}
"""


def rollout(**changes: object) -> str:
    return yaml.safe_dump({**rollout_document(), **changes}, sort_keys=False)


def refused(*paths: Path) -> str:
    with pytest.raises(InvalidManifests) as caught:
        manifests.read(paths)
    return str(caught.value)


def write(directory: Path, text: str, name: str = "all.yaml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_the_iris_manifests_are_taken_as_they_stand() -> None:
    found = manifests.read([Path(__file__).parents[3] / "manifests" / "iris"])

    assert [one.metadata.name for one in found.services] == ["iris"]
    assert [one.spec.target_ref.name for one in found.rollouts] == ["iris"]
    assert found.notes == ()


def test_several_documents_in_one_file_and_several_files_are_one_set(tmp_path: Path) -> None:
    write(tmp_path, f"---\n{SERVICE}---\n---\n{rollout()}", "a.yaml")
    write(tmp_path, SERVICE.replace("name: iris", "name: wine"), "b.yml")

    found = manifests.read([tmp_path])

    assert [one.metadata.name for one in found.services] == ["iris", "wine"]
    assert len(found.rollouts) == 1


def test_every_problem_of_every_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    first = write(tmp_path, SERVICE.replace("name: kanarya", "name: sklearn") + "  transformer: {}\n", "a.yaml")
    second = write(tmp_path, SERVICE.replace("  name: iris", "  name: Iris"), "b.yaml")

    text = refused(tmp_path)

    assert f"{first}: 2 problems" in text
    assert "line 9: spec.transformer: cannot be honoured on one machine" in text
    assert "line 8: spec.predictor.model.modelFormat.name: got 'sklearn', expected 'kanarya'" in text
    assert f"{second}: 1 problem\n  line 4: metadata.name: got 'Iris', expected text that matches" in text


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("    containers: []", "line 9: spec.predictor.containers"),
        ("    canaryTrafficPercent: 10", "line 9: spec.predictor.canaryTrafficPercent"),
        ("      storage: {key: a}", "line 9: spec.predictor.model.storage"),
        ("      args: [--x]", "line 9: spec.predictor.model.args"),
        ("  explainer: {}", "line 9: spec.explainer"),
        ("      protocolVersion: v1", "line 9: spec.predictor.model.protocolVersion: got 'v1', expected 'v2'"),
        ("      env: [{name: A, valueFrom: {}}]", "line 9: spec.predictor.model.env[0]: got ['name', 'valueFrom']"),
    ],
)
def test_a_field_that_would_do_nothing_here_is_refused(tmp_path: Path, field: str, place: str) -> None:
    text = refused(write(tmp_path, f"{SERVICE}{field}\n"))

    assert place in text


def test_what_makes_no_difference_on_one_machine_is_a_note(tmp_path: Path) -> None:
    path = write(tmp_path, f"{SERVICE}      resources: {{}}\n      storageUri: s3://a/b\n    minReplicas: 3\n")

    found = manifests.read([path])

    assert found.notes == (
        f"{path}: spec.predictor.minReplicas is 3; local mode runs one server for each version",
        f"{path}: spec.predictor.name and model.storageUri are the controller's to set; the registry says what runs",
        f"{path}: spec.predictor.model.resources makes no difference on one machine",
    )


def test_a_target_that_is_not_in_the_set_is_named_with_those_that_are(tmp_path: Path) -> None:
    said = refused(write(tmp_path, SERVICE.replace("name: iris", "name: wine") + "---\n" + rollout()))

    assert "spec.targetRef.name: got 'iris', but there is no such InferenceService; there are: wine" in said


def test_two_rollouts_cannot_share_a_target(tmp_path: Path) -> None:
    second = rollout(metadata={"name": "other"})

    said = refused(write(tmp_path, f"{SERVICE}---\n{rollout()}---\n{second}"))

    assert "targetRef 'iris' is that of rollout 'iris' already" in said


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "metadata.name: got 'iris', which is there already" in refused(write(tmp_path, f"{SERVICE}---\n{SERVICE}"))


def test_other_kinds_are_refused_by_name(tmp_path: Path) -> None:
    said = refused(write(tmp_path, "apiVersion: v1\nkind: Secret\n---\n- 1\n"))

    assert "line 2: kind: got Secret (v1); local mode runs InferenceService (serving.kserve.io/v1beta1) or ModelRollout" in said
    assert "got no resource" in said


def test_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    said = refused(write(tmp_path, f"{SERVICE}kind: ModelRollout\n"))

    assert "line 9: kind: is there twice, first on line 2" in said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: [", "is not YAML"),
        (b"a: \xff", "cannot be read"),
        (b"a: 2026-13-45", "is not YAML: month must be in 1..12"),
        (b"a: &a [*a]", "is nested too deeply, or inside itself"),
        (b"a: !!python/object/apply:os.getcwd []", "is not YAML: could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "all.yaml"
    path.write_bytes(content)

    assert told in refused(path)


def test_a_path_that_is_not_there_and_an_empty_directory_are_told(tmp_path: Path) -> None:
    said = refused(tmp_path / "no.yaml", tmp_path)

    assert "no.yaml: 1 problem\n  cannot be read: No such file or directory" in said
    assert "has no .yaml file" in said


def test_a_kustomization_is_noted_and_left_alone(tmp_path: Path) -> None:
    write(tmp_path, SERVICE)
    write(tmp_path, "resources: [all.yaml]", "kustomization.yaml")

    assert "is not applied" in manifests.read([tmp_path]).notes[0]
