"""The HTTPRoute of ours in a real API server: who owns it, when it is in force, what a hand edit does."""

import pytest

from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.testing import a_rollout

GATEWAY = {"name": "public", "namespace": "gateways"}
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"


class World:
    """A namespace with an InferenceService, and what its gateway's controller says."""

    def __init__(self, server):
        self.server = server
        self.space = server.namespace()
        self.service = f"/apis/serving.kserve.io/v1beta1/namespaces/{self.space}/inferenceservices/iris"
        self.path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.space}/httproutes/iris-rollout"
        document = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "iris"},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}}},
        }
        server.apply(self.service, document)

    def traffic(self):
        rollout = a_rollout(traffic={"gatewayRef": GATEWAY, "hostnames": ["iris.example.com"]})
        metadata = rollout.metadata.model_copy(update={"namespace": self.space})
        api = KubernetesApi.connected(str(self.server.kubeconfig))
        return GatewayTraffic(api, rollout.model_copy(update={"metadata": metadata}))

    def route(self):
        return self.server.get(self.path)

    def confirm(self, *, generation=None, resolved="True", reason="ResolvedRefs"):
        """As Envoy Gateway does, for this generation or an older one."""
        seen = generation or self.route()["metadata"]["generation"]
        conditions = [
            {
                "type": kind,
                "status": status,
                "reason": said,
                "message": "",
                "observedGeneration": seen,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, status, said in (("Accepted", "True", "Accepted"), ("ResolvedRefs", resolved, reason))
        ]
        parents = [{"parentRef": GATEWAY, "controllerName": CONTROLLER, "conditions": conditions}]
        self.server.merge(f"{self.path}/status", {"status": {"parents": parents}}, manager="envoy-gateway")


@pytest.fixture(scope="module")
def server(api_server):
    api_server.install("inferenceservices-small")
    return api_server


@pytest.fixture
def world(server):
    return World(server)


def test_weights_are_asked_for_and_in_force_once_the_gateway_has_said_so_of_this_generation(world):
    traffic = world.traffic()
    assert traffic.in_force() == {}
    traffic.route({"7": 90, "8": 10})
    assert traffic.in_force() == {}
    world.confirm()
    assert traffic.in_force() == {"7": 90, "8": 10}


def test_until_the_gateway_has_seen_a_new_weight_the_last_one_it_confirmed_is_in_force(world):
    traffic = world.traffic()
    traffic.route({"7": 90, "8": 10})
    world.confirm()
    assert traffic.in_force() == {"7": 90, "8": 10}
    traffic.route({"7": 0, "8": 100})
    assert traffic.in_force() == {"7": 90, "8": 10}
    world.confirm()
    assert traffic.in_force() == {"7": 0, "8": 100}


@pytest.mark.parametrize("percent", [100, 20])
def test_copies_are_asked_for_and_in_force_once_the_gateway_has_said_so_of_this_generation(world, percent):
    traffic, copies = world.traffic(), Copies(version="8", percent=percent)
    traffic.route({"7": 100, "8": 0}, copies)
    assert (traffic.in_force(), traffic.copies()) == ({}, None)
    world.confirm()
    assert (traffic.in_force(), traffic.copies()) == ({"7": 100, "8": 0}, copies)
    traffic.route({"7": 95, "8": 5})
    assert (traffic.in_force(), traffic.copies()) == ({"7": 100, "8": 0}, copies)
    world.confirm()
    assert (traffic.in_force(), traffic.copies()) == ({"7": 95, "8": 5}, None)


def test_a_restarted_controller_knows_nothing_in_force_until_the_gateway_confirms(world):
    world.traffic().route({"7": 100})
    world.confirm()
    world.traffic().route({"7": 90, "8": 10})
    fresh = world.traffic()
    assert fresh.in_force() == {}
    world.confirm()
    assert fresh.in_force() == {"7": 90, "8": 10}


def test_the_route_leads_to_the_services_that_kserve_makes_and_to_a_version_by_its_path(world):
    world.traffic().route({"7": 90, "8": 10})
    route = world.route()
    assert route["spec"]["hostnames"] == ["iris.example.com"]
    rules = {
        rule["matches"][0]["path"]["value"]: {one["name"]: (one["port"], one["weight"]) for one in rule["backendRefs"]}
        for rule in route["spec"]["rules"]
    }
    assert rules == {
        "/v2/models/iris/versions/7": {"iris-v7-predictor": (80, 1)},
        "/v2/models/iris/versions/8": {"iris-v8-predictor": (80, 1)},
        "/": {"iris-v7-predictor": (80, 90), "iris-v8-predictor": (80, 10)},
    }


def test_asking_again_for_the_same_writes_nothing(world):
    traffic = world.traffic()
    traffic.route({"7": 100})
    before = world.route()["metadata"]["resourceVersion"]
    traffic.route({"7": 100})
    again = world.traffic()
    again.in_force()
    again.route({"7": 100})
    assert world.route()["metadata"]["resourceVersion"] == before


def test_a_hand_edit_is_seen_and_overwritten_only_when_asked_for_after_that(world):
    traffic = world.traffic()
    traffic.route({"7": 100})
    world.confirm()
    traffic.in_force()
    by_hand = world.route()["spec"]["rules"]
    by_hand[0]["backendRefs"][0]["weight"] = 42
    world.server.merge(world.path, {"spec": {"rules": by_hand}}, manager="kubectl-edit")
    with pytest.raises(Conflict, match="kubectl-edit"):
        traffic.route({"7": 90, "8": 10})
    assert traffic.in_force() is None
    assert world.traffic().in_force() is None
    traffic.route({"7": 90, "8": 10})
    world.confirm()
    assert traffic.in_force() == {"7": 90, "8": 10}


def test_a_label_of_somebody_else_on_the_route_is_no_hand_edit(world):
    traffic = world.traffic()
    traffic.route({"7": 100})
    world.server.merge(world.path, {"metadata": {"labels": {"team": "flowers"}}}, manager="kubectl-label")
    world.confirm()
    assert traffic.in_force() == {"7": 100}
    traffic.route({"7": 90, "8": 10})
    assert world.route()["metadata"]["labels"]["team"] == "flowers"


def test_a_route_of_that_name_that_is_not_ours_is_left_alone(world):
    world.server.apply(
        world.path,
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "iris-rollout"},
            "spec": {"parentRefs": [GATEWAY], "rules": [{"backendRefs": [{"name": "mine", "port": 80}]}]},
        },
    )
    assert world.traffic().in_force() is None


def test_a_gateway_that_refuses_the_route_says_why(world):
    traffic = world.traffic()
    traffic.route({"7": 100})
    world.confirm(resolved="False", reason="BackendNotFound")
    with pytest.raises(Unreachable, match=r"Gateway gateways/public refuses .*iris-rollout: ResolvedRefs: BackendNotFound"):
        traffic.in_force()


def test_a_route_that_somebody_deleted_is_made_again(world):
    traffic = world.traffic()
    traffic.route({"7": 100})
    world.confirm()
    world.server.delete(world.path)
    assert traffic.in_force() == {}
    traffic.route({"7": 100})
    assert world.route() is not None


def test_the_route_belongs_to_the_inferenceservice_and_waits_for_it(world):
    traffic = world.traffic()
    traffic.route({"7": 100})
    owner = world.route()["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("InferenceService", world.server.get(world.service)["metadata"]["uid"])
    world.server.delete(world.path)
    world.server.delete(world.service)
    traffic.in_force()
    with pytest.raises(Unreachable, match="nothing to route to"):
        traffic.route({"7": 100})


def test_a_rollout_without_a_gateway_is_told_so():
    with pytest.raises(Unreachable, match=r"spec\.traffic\.gatewayRef is missing"):
        GatewayTraffic(None, a_rollout()).in_force()
