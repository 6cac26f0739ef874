"""gRPC in the route, in a real API server: its schema takes the object, a port that comes is seen, a hand edit of it too."""

import pytest

from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Conflict
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.ports.httproute import GRPC_PATH, Route
from kanarya_rollout.sticky import Sticky, Zone
from kanarya_rollout.testing import a_rollout

GATEWAY = {"name": "public", "namespace": "gateways"}
NO_TEST = Sticky(header="x-user-id", salt="iris/", zones=(Zone(version=None, first=0),))
"""Of an A/B rollout that has no candidate now."""
REST, GRPC = {"name": "http", "containerPort": 8080}, {"name": "grpc", "containerPort": 8081}


class World:
    """A namespace with an InferenceService and the Deployments of versions 7 and 8, without gRPC."""

    def __init__(self, server):
        self.server = server
        self.space = server.namespace()
        self.path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.space}/httproutes/iris-rollout"
        service = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "iris"},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}}},
        }
        server.apply(f"/apis/serving.kserve.io/v1beta1/namespaces/{self.space}/inferenceservices/iris", service)
        self.open(REST)

    def traffic(self):
        rollout = a_rollout(traffic={"gatewayRef": GATEWAY, "hostnames": ["iris.example.com"]})
        metadata = rollout.metadata.model_copy(update={"namespace": self.space})
        api = KubernetesApi.connected(str(self.server.kubeconfig))
        return GatewayTraffic(api, rollout.model_copy(update={"metadata": metadata}))

    def open(self, *ports):
        """KServe brings a runtime's ports into every Deployment."""
        for version in ("7", "8"):
            name = f"iris-v{version}-predictor"
            labels = {"app": f"isvc.{name}", "serving.kserve.io/inferenceservice": "iris"}
            pod = {"containers": [{"name": "kserve-container", "image": "model", "ports": list(ports)}]}
            body = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "labels": labels},
                "spec": {
                    "selector": {"matchLabels": {"app": labels["app"]}},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            }
            self.server.apply(f"/apis/apps/v1/namespaces/{self.space}/deployments/{name}", body, manager="kserve")

    @property
    def rules(self):
        return self.server.get(self.path)["spec"]["rules"]

    @property
    def grpc(self):
        """Weights of the split of gRPC, by Service and port."""
        splits = [rule for rule in self.rules if rule["matches"][0]["path"]["value"] == GRPC_PATH]
        return {(one["name"], one["port"]): one["weight"] for rule in splits[:1] for one in rule["backendRefs"]}


@pytest.fixture(scope="module")
def server(api_server):
    api_server.install("inferenceservices-small")
    return api_server


@pytest.fixture
def world(server):
    return World(server)


def turn(traffic, weights, copies=None, sticky=None):
    traffic.in_force()
    traffic.route(weights, copies, sticky)


@pytest.mark.parametrize(
    ("weights", "copies"), [({"7": 80, "8": 20}, None), ({"7": 100, "8": 0}, Copies(version="8", percent=20))]
)
def test_the_api_server_takes_a_route_that_splits_and_copies_grpc(world, weights, copies):
    world.open(REST, GRPC)
    turn(world.traffic(), weights, copies)
    assert world.grpc == {(f"iris-v{version}-predictor", 8081): weight for version, weight in weights.items()}
    route = Route.model_validate(world.server.get(world.path))
    assert (route.weights, route.copies, route.ours) == (weights, copies, True)


def test_grpc_joins_a_route_that_is_there_when_the_runtime_opens_it_and_rests_places_stay(world):
    turn(world.traffic(), {"7": 90, "8": 10}, None, NO_TEST)
    before = world.rules
    world.open(REST, GRPC)
    turn(world.traffic(), {"7": 90, "8": 10}, None, NO_TEST)  # a controller that has begun anew
    assert world.grpc == {("iris-v7-predictor", 8081): 90, ("iris-v8-predictor", 8081): 10}
    assert [rule for rule in world.rules if rule in before] == before
    assert world.rules[0] == before[0]
    assert len({rule["name"] for rule in world.rules if "name" in rule}) == 2


def test_weights_of_rest_and_of_grpc_change_in_one_generation(world):
    world.open(REST, GRPC)
    traffic = world.traffic()
    turn(traffic, {"7": 90, "8": 10})
    before = world.server.get(world.path)["metadata"]["generation"]
    turn(traffic, {"7": 50, "8": 50})
    after = world.server.get(world.path)
    assert after["metadata"]["generation"] == before + 1
    assert {one["weight"] for rule in after["spec"]["rules"][:2] for one in rule["backendRefs"]} == {50}


def test_a_hand_edit_of_grpcs_weights_is_seen_and_not_fought(world):
    world.open(REST, GRPC)
    traffic = world.traffic()
    turn(traffic, {"7": 90, "8": 10})
    rules = world.rules
    rules[1]["backendRefs"][1]["weight"] = 77
    world.server.merge(world.path, {"spec": {"rules": rules}}, manager="kubectl-edit")
    with pytest.raises(Conflict, match="kubectl-edit"):
        traffic.route({"7": 50, "8": 50})
    assert traffic.in_force() is None
    assert world.traffic().in_force() is None
