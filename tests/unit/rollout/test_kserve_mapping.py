"""Versions to the fields of an InferenceService that are ours, and back; no API server needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.ports.inferenceservice import (
    Placed,
    covers,
    desired,
    owned,
    placed,
    present,
    problems,
    replicas,
    service_name,
    version_of_service,
)
from kanarya_rollout.ports.installation import Installation
from kanarya_rollout.testing import digest


def service(**predictor):
    return {
        "metadata": {"name": "iris", "labels": {"networking.kserve.io/visibility": "cluster-local"}},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}, **predictor}},
    }


def at(version):
    return Placed(version=version, digest=digest(version), storage_uri=f"s3://mlflow/{version}")


def test_what_is_written_is_what_is_read():
    document = desired(service(), at("7"), [at("8"), at("9")])
    assert present(document) == (at("7"), at("8"), at("9"))


def test_a_manifest_without_our_fields_is_nobodys():
    assert present(service()) == ()
    assert problems(service(), kserve=Installation()) == []


def test_the_document_that_is_given_is_left_as_it_is():
    before = service(labels={"team": "flowers"})
    desired(before, at("7"), [at("8")])
    assert before == service(labels={"team": "flowers"})


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("mlflow-artifacts:/1/models/m-8/artifacts", "s3://mlflow/artifacts/1/models/m-8/artifacts"),
        ("mlflow-artifacts://mlflow:5000/1/models/m-8/artifacts", "s3://mlflow/artifacts/1/models/m-8/artifacts"),
        ("s3://other/8", "s3://other/8"),
    ],
)
def test_an_artifact_behind_mlflows_proxy_is_fetched_from_where_mlflow_keeps_it(uri, wanted):
    assert placed(VersionRef(version="8", digest=digest("8"), uri=uri), "s3://mlflow/artifacts/").storage_uri == wanted


@pytest.mark.parametrize(
    ("ref", "root", "said"),
    [
        (VersionRef(version="8", digest=digest("8"), uri="mlflow-artifacts:/1/8"), None, "KANARYA_ROLLOUT_ARTIFACTS_ROOT"),
        (VersionRef(version="8", digest=digest("8"), uri="/tmp/8"), "s3://mlflow", "register it in S3"),
        (VersionRef(version="8", digest=None, uri="s3://b/8"), None, "has no digest"),
    ],
)
def test_a_version_that_cannot_be_fetched_says_what_is_missing(ref, root, said):
    with pytest.raises(ValueError, match=said):
        placed(ref, root)


@given(
    asked=st.integers(1, 9), most=st.sampled_from([0, 3, 20]), others=st.lists(st.sampled_from("789"), unique=True, max_size=3)
)
def test_the_pods_a_person_asked_for_are_read_back_through_any_number_of_canaries(asked, most, others):
    asked = min(asked, most) if most else asked
    document = service(minReplicas=asked, **({"maxReplicas": most} if most else {}))
    written = desired(document, at("1"), [at(one) for one in others])
    assert replicas(written) == asked
    assert replicas(desired(written, at("1"), [])) == asked


def test_a_person_who_writes_the_manifest_again_in_mid_rollout_is_heard():
    written = desired(service(minReplicas=2), at("7"), [at("8")])
    written["spec"]["predictor"]["minReplicas"] = 5
    assert replicas(written) == 5
    assert replicas(service(minReplicas=0)) == 1


@given(st.from_regex(r"[0-9]{1,6}", fullmatch=True))
def test_a_versions_service_is_named_so_that_it_can_be_read(version):
    assert version_of_service("iris", service_name("iris", version)) == version


@pytest.mark.parametrize("name", ["iris-predictor", "rose-v7-predictor", "iris-v7", "iris-transformer", "iris-v-predictor"])
def test_services_of_others_have_no_version(name):
    assert version_of_service("iris", name) is None


def test_defaults_that_the_api_server_added_are_no_difference():
    assert covers({"a": 1, "b": [{"c": 2, "d": 3}]}, {"b": [{"c": 2}]})
    assert not covers({"b": [{"c": 2}, {"c": 4}]}, {"b": [{"c": 2}]})
    assert not covers({"a": None}, {"a": {"b": 1}})


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        ({"manager": "kanarya-rollout", "fieldsV1": {"f:spec": {"f:predictor": {"f:name": {}}}}}, True),
        ({"manager": "kanarya-rollout", "fieldsV1": {"f:spec": {}}}, True),
        ({"manager": "kanarya-rollout", "fieldsV1": {"f:spec": {"f:predictor": {"f:labels": {}}}}}, False),
        ({"manager": "kubectl", "fieldsV1": {"f:spec": {}}}, False),
        ({"manager": "kanarya-rollout", "fieldsV1": {"f:status": {}}, "subresource": "status"}, False),
    ],
)
def test_who_wrote_last_is_read_from_the_managed_fields(entry, ours):
    assert owned({"metadata": {"managedFields": [entry]}}) is ours


def test_a_storage_uri_set_by_hand_is_refused_before_anything_of_ours_is_there():
    wrong = problems(service(model={"modelFormat": {"name": "kanarya"}, "storageUri": "s3://b/1"}), kserve=Installation())
    assert wrong == ["it sets spec.predictor.model.storageUri, which is the controller's to set; leave it out"]


def test_a_predictor_that_a_person_named_is_refused():
    wrong = problems(service(name="mine"), kserve=Installation())
    assert wrong == ["it sets spec.predictor.name to mine, which is the controller's to set; leave it out"]


def test_where_kserve_makes_no_routes_its_label_is_not_asked_for():
    bare = {"metadata": {"name": "iris"}, "spec": service()["spec"]}
    assert problems(bare, kserve=Installation(own_routes=False)) == []
    assert len(problems(bare, kserve=Installation())) == 1
