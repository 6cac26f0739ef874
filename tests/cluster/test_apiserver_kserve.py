"""Our part of an InferenceService in a real API server, with KServe's CRD as it is installed: whole, or without a schema."""

import httpx
import pytest

from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.observation import Backend
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.example import Examples
from kanarya_rollout.ports.installation import KServe
from kanarya_rollout.ports.kserve import KServeServing
from kanarya_rollout.testing import a_rollout, digest

MODEL = {"modelFormat": {"name": "kanarya"}, "protocolVersion": "v2", "env": [{"name": "THREADS", "value": "1"}]}


def ref(version):
    return VersionRef(version=version, digest=digest(version), uri=f"mlflow-artifacts:/1/models/m-{version}/artifacts")


def metadata(request):
    """Every version's server answers, and serves what its address says."""
    version = request.url.host.split("-v")[1].split("-")[0]
    return httpx.Response(200, json={"properties": {"digest": digest(version)}})


class World:
    def __init__(self, server, stand_in, **predictor):
        self.server = server
        self.space = server.namespace()
        self.cluster = stand_in.StandIn(server, self.space)
        self.api = KubernetesApi.connected(str(server.kubeconfig))
        document = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "iris", "labels": {"networking.kserve.io/visibility": "cluster-local"}},
            "spec": {"predictor": {"minReplicas": 1, "model": MODEL, **predictor}},
        }
        server.apply(self.cluster.service, document, manager="kubectl")

    def serving(self, **options):
        rollout = a_rollout()
        here = rollout.model_copy(update={"metadata": rollout.metadata.model_copy(update={"namespace": self.space})})
        examples = Examples("http://mlflow.test", transport=httpx.MockTransport(self.answer))
        options.setdefault("kserve", KServe(self.api, namespace=self.space))
        return KServeServing(self.api, here, examples=examples, artifacts_root="s3://mlflow/artifacts", **options)

    def answer(self, request):
        """The servers answer; the registry is asked for no contract, because its artifacts are not there."""
        return metadata(request) if request.url.host.endswith(".svc") else httpx.Response(404)

    def spec(self):
        return self.server.get(self.cluster.service)["spec"]


@pytest.fixture(scope="module", params=["inferenceservices", "inferenceservices-small"])
def server(api_server, request):
    api_server.install(request.param)
    return api_server


@pytest.fixture
def world(server, stand_in):
    return World(server, stand_in)


def test_the_stable_version_is_the_predictor_and_others_are_canaries_without_traffic(world):
    world.serving().ensure(ref("7"), [ref("8")])
    spec = world.spec()
    assert spec["predictor"]["name"] == "v7"
    assert spec["predictor"]["model"]["storageUri"] == "s3://mlflow/artifacts/1/models/m-7/artifacts"
    assert spec["predictor"]["model"]["protocolVersion"] == "v2"
    (canary,) = spec["canary"]
    assert (canary["trafficPercent"], canary["predictor"]["name"]) == (0, "v8")
    environment = {one["name"]: one["value"] for one in canary["predictor"]["model"]["env"]}
    assert environment == {
        "THREADS": "1",
        "KANARYA_MODEL_NAME": "iris",
        "KANARYA_MODEL_VERSION": "8",
        "KANARYA_MODEL_DIGEST": digest("8"),
    }


def test_asking_again_for_the_same_writes_nothing(world):
    world.serving().ensure(ref("7"), [ref("8")])
    before = world.server.get(world.cluster.service)["metadata"]["resourceVersion"]
    world.serving().ensure(ref("7"), [ref("8")])
    assert world.server.get(world.cluster.service)["metadata"]["resourceVersion"] == before


def test_a_promotion_and_the_end_of_the_old_champion_restart_no_pod(world):
    serving, cluster = world.serving(), world.cluster
    serving.ensure(ref("7"), [ref("8")])
    cluster.turn()
    pods = dict(cluster.pods)
    serving.ensure(ref("8"), [ref("7")])
    cluster.turn()
    assert cluster.pods == pods
    serving.ensure(ref("8"))
    cluster.turn()
    assert cluster.pods == {"iris-v8-predictor": pods["iris-v8-predictor"]}


def test_each_version_has_the_pods_that_a_person_asked_for_through_a_whole_rollout(server, stand_in):
    world = World(server, stand_in, minReplicas=3)
    serving = world.serving()

    def pods():
        return stand_in.replicas(server.get(world.cluster.service))

    serving.ensure(ref("7"))
    assert pods() == {"iris-v7-predictor": 3}
    serving.ensure(ref("7"), [ref("8")])
    assert pods() == {"iris-v7-predictor": 3, "iris-v8-predictor": 3}
    serving.ensure(ref("8"), [ref("7")])
    assert pods() == {"iris-v8-predictor": 3, "iris-v7-predictor": 3}
    serving.ensure(ref("8"))
    assert pods() == {"iris-v8-predictor": 3}


def test_what_else_a_person_changes_in_mid_rollout_stays_and_reaches_the_candidate(world):
    serving = world.serving()
    serving.ensure(ref("7"), [ref("8")])
    model = {**world.spec()["predictor"]["model"]}
    model["env"] = [*model["env"], {"name": "COLOUR", "value": "blue"}]
    world.server.merge(
        world.cluster.service, {"spec": {"predictor": {"minReplicas": 4, "model": model}}}, manager="kubectl-edit"
    )
    serving.ensure(ref("7"), [ref("8")])
    spec = world.spec()
    assert spec["canary"][0]["predictor"]["minReplicas"] == 4
    for predictor in (spec["predictor"], spec["canary"][0]["predictor"]):
        assert {"name": "COLOUR", "value": "blue"} in predictor["model"]["env"]


def test_a_version_put_there_by_hand_is_left_alone_and_named_until_it_is_as_it_was(world):
    serving = world.serving()
    serving.ensure(ref("7"))
    by_hand = {**world.spec()["predictor"], "name": "v6"}
    by_hand["model"] = {**by_hand["model"], "storageUri": "s3://elsewhere/6"}
    world.server.apply(
        world.cluster.service,
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "iris", "labels": {"networking.kserve.io/visibility": "cluster-local"}},
            "spec": {"predictor": by_hand},
        },
        manager="kubectl-edit",
    )
    with pytest.raises(Conflict, match="v6 at s3://elsewhere/6"):
        serving.ensure(ref("7"))
    with pytest.raises(Unreachable, match="someone else wrote the predictors"):
        serving.backends()
    assert world.spec()["predictor"]["name"] == "v6"
    put_back = {"name": "v7", "model": {**by_hand["model"], "storageUri": f"s3://mlflow/artifacts{ref('7').uri[17:]}"}}
    put_back["model"]["env"] = [
        one if one["name"] != "KANARYA_MODEL_DIGEST" else {**one, "value": digest("7")} for one in by_hand["model"]["env"]
    ]
    world.server.merge(world.cluster.service, {"spec": {"predictor": put_back}}, manager="kubectl-edit")
    serving.ensure(ref("7"))
    assert serving.backends()["7"].state == "Starting"


def test_backends_are_those_of_the_spec_with_what_their_pods_do(world):
    serving, cluster = world.serving(), world.cluster
    serving.ensure(ref("7"), [ref("8")])
    assert serving.backends()["8"] == Backend(version="8", state="Starting", message="KServe has not made its Deployment yet")
    cluster.turn()
    assert {version: one.state for version, one in serving.backends().items()} == {"7": "Ready", "8": "Ready"}
    ended = {"exitCode": 2, "message": "kanarya-model: /mnt/models: model.onnx: has digest sha256:bad…, expected sha256:good…"}
    container = {"name": "kserve-container", "image": "", "imageID": "", "restartCount": 3, "ready": False}
    container |= {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
    cluster.pod_status("iris-v8-predictor", {"conditions": [], "containerStatuses": [container]})
    assert serving.backends()["8"] == Backend(
        version="8", state="Refused", message="/mnt/models: model.onnx: has digest sha256:bad…, expected sha256:good…"
    )


def test_an_inferenceservice_that_cannot_be_rolled_out_is_told_every_reason(server, stand_in):
    world = World(server, stand_in, canaryTrafficPercent=10)
    world.server.merge(
        world.cluster.service,
        {
            "metadata": {
                "labels": {"networking.kserve.io/visibility": None},
                "annotations": {"serving.kserve.io/deploymentMode": "Knative"},
            },
            "spec": {"transformer": {"containers": [{"name": "t", "image": "t"}]}},
        },
    )
    with pytest.raises(Unreachable) as told:
        world.serving().ensure(ref("7"))
    for word in ("deployment mode is Knative", "cluster-local", "spec.transformer", "canaryTrafficPercent"):
        assert word in str(told.value)


def test_an_inferenceservice_that_is_not_there_is_named(server, stand_in):
    world = World(server, stand_in)
    server.delete(world.cluster.service)
    with pytest.raises(Unreachable, match=f"no InferenceService {world.space}/iris; apply it"):
        world.serving().backends()


def test_a_version_that_kserve_cannot_fetch_holds_everything_with_the_reason(world):
    serving = world.serving()
    with pytest.raises(Unreachable, match="register it in S3"):
        serving.ensure(VersionRef(version="7", digest=digest("7"), uri="file:///tmp/7"))
    with pytest.raises(Unreachable, match="register it in S3"):
        serving.backends()
