"""What only an API server can decide about our own objects: versions, subresources, events, leases."""

import pytest

from kanarya_contracts.names import ANNOTATION_REQUEST, ConditionType, Reason, Verb
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRolloutStatus, Request, VersionRef
from kanarya_contracts.testing import changed, rollout_document
from kanarya_rollout.decide import Decision, Event, degraded
from kanarya_rollout.lease import DURATION, RENEW_WITHIN, Lease
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.events import KubernetesEvents
from kanarya_rollout.ports.kubernetes import KubernetesStore
from kanarya_rollout.testing import EPOCH


@pytest.fixture
def api(api_server):
    return KubernetesApi.connected(str(api_server.kubeconfig))


@pytest.fixture
def space(api_server):
    """A namespace with a rollout `iris`."""
    name = api_server.namespace()
    gateway = {"gatewayRef": {"name": "public", "namespace": "gateways"}}
    api_server.apply(_path(name), changed(rollout_document(), "spec.traffic", gateway))
    return name


def _path(space):
    return f"/apis/kanarya.dev/v1alpha1/namespaces/{space}/modelrollouts/iris"


def test_rollouts_are_named_with_their_namespace_and_read_as_they_were_written(api, space):
    store = KubernetesStore(api, [space])
    assert store.names() == (f"{space}/iris",)
    rollout, _ = store.get(f"{space}/iris")
    assert rollout.spec.registry.model == "iris"
    assert rollout.metadata.namespace == space
    assert f"{space}/iris" in KubernetesStore(api).names()
    assert store.get(f"{space}/none") is None


def test_rollouts_that_rest_cost_one_call_a_turn(api, space, monkeypatch):
    store = KubernetesStore(api, [space])
    (name,) = store.names()
    asked = []
    monkeypatch.setattr(api, "get", lambda path, **_: asked.append(path))
    rollout, _ = store.get(name)
    assert (rollout.metadata.name, asked) == ("iris", [])
    store.get(name)
    assert len(asked) == 1


def test_a_status_comes_back_as_it_was_written_and_leaves_the_spec_alone(api, space):
    store = KubernetesStore(api, [space])
    rollout, version = store.get(f"{space}/iris")
    status = ModelRolloutStatus(
        canary_weight=10, current_step_index=0, started_at=EPOCH, candidate=VersionRef(version="2", digest=None, uri="s3://b/2")
    )
    newer = store.write_status(f"{space}/iris", status, resource_version=version)
    after, now = store.get(f"{space}/iris")
    assert (after.status, after.spec, now) == (status, rollout.spec, newer)
    assert after.metadata.generation == rollout.metadata.generation


def test_a_status_decided_from_an_old_object_is_refused(api, api_server, space):
    store = KubernetesStore(api, [space])
    _, version = store.get(f"{space}/iris")
    api_server.merge(_path(space), {"metadata": {"labels": {"touched": "yes"}}})
    with pytest.raises(Conflict):
        store.write_status(f"{space}/iris", ModelRolloutStatus(), resource_version=version)


def test_a_status_of_a_rollout_that_was_deleted_is_a_conflict(api, api_server, space):
    store = KubernetesStore(api, [space])
    _, version = store.get(f"{space}/iris")
    api_server.delete(_path(space))
    with pytest.raises(Conflict):
        store.write_status(f"{space}/iris", ModelRolloutStatus(), resource_version=version)


def test_a_request_is_an_annotation_that_the_controller_reads(api, space):
    store = KubernetesStore(api, [space])
    asked = Request(id="1", verb=Verb.PAUSE, by="ada")
    store.request(f"{space}/iris", asked)
    rollout, _ = store.get(f"{space}/iris")
    assert Request.model_validate_json(rollout.metadata.annotations[ANNOTATION_REQUEST]) == asked
    with pytest.raises(KanaryaError, match=f"there is no rollout '{space}/none'; there are: {space}/iris"):
        store.request(f"{space}/none", asked)


def test_an_event_said_again_counts_up_in_the_one_that_is_there(api, api_server, space):
    rollout, _ = KubernetesStore(api, [space]).get(f"{space}/iris")
    event = Event(type="Warning", reason=Reason.GATE_REFUSED, message="it fails more often")
    other = Event(type="Normal", reason=Reason.VERIFYING, message="version 2 is on its way")
    events = KubernetesEvents(api, instance="pod-1")
    decision = Decision(now=EPOCH, status=rollout.status, backends=None, weights=None, events=(event, other))
    events.decided(rollout, decision, wrote=False)
    for _ in range(3):
        events.decided(rollout, decision, wrote=True)
    found = api_server.get(f"/api/v1/namespaces/{space}/events")["items"]
    assert {(one["reason"], one["type"], one["count"]) for one in found} == {
        ("GateRefused", "Warning", 3),
        ("Verifying", "Normal", 3),
    }
    assert {one["involvedObject"]["uid"] for one in found} == {rollout.metadata.model_extra["uid"]}


def test_one_of_two_controllers_leads_and_the_other_follows_when_it_lets_go(api, space):
    first = Lease(api, namespace=space, name="rollout", identity="first")
    second = Lease(api, namespace=space, name="rollout", identity="second")
    assert (first.tend(), second.tend(), first.tend()) == (True, False, True)
    first.release()
    assert (second.tend(), first.tend()) == (True, False)


def test_a_lease_that_nobody_renews_is_taken_only_after_its_old_holder_has_stopped(api, space):
    now = [0.0]
    first = Lease(api, namespace=space, name="rollout", identity="first", monotonic=lambda: now[0])
    second = Lease(api, namespace=space, name="rollout", identity="second", monotonic=lambda: now[0])
    assert first.tend()
    assert not second.tend()
    now[0] = RENEW_WITHIN
    assert (first.held, second.tend()) == (False, False)
    now[0] = DURATION
    assert second.tend()
    assert not first.tend()


def test_a_controller_that_lost_its_lease_writes_nothing_more(api, space):
    fenced = KubernetesStore(api.fenced(lambda: False), [space])
    _, version = fenced.get(f"{space}/iris")
    with pytest.raises(Unreachable, match="does not lead any more"):
        fenced.write_status(f"{space}/iris", ModelRolloutStatus(), resource_version=version)


def test_an_api_server_that_is_away_is_unreachable_and_named(api_server, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server.kubeconfig.read_text().replace(api_server.url, "https://127.0.0.1:1"))
    with pytest.raises(Unreachable, match=r"https://127\.0\.0\.1:1"):
        KubernetesStore(KubernetesApi.connected(str(kubeconfig))).names()


def test_conditions_are_taken_by_the_schema_as_the_controller_writes_them(api, space):
    store = KubernetesStore(api, [space])
    rollout, version = store.get(f"{space}/iris")
    held = degraded(rollout.status, Reason.REGISTRY_UNREACHABLE, "MLflow is away", EPOCH)
    store.write_status(f"{space}/iris", held, resource_version=version)
    assert store.get(f"{space}/iris")[0].status.is_true(ConditionType.DEGRADED)
