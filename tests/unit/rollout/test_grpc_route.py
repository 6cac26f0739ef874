"""gRPC in a rollout's route: the same split as REST in the same object, where the versions have a port for it."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.names import BUCKET_HEADER
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.ports.grpc_port import grpc_port
from kanarya_rollout.ports.httproute import GRPC_PATH, STICKY_RULE, Route, desired
from kanarya_rollout.sticky import Sticky, Zone
from kanarya_rollout.testing import a_rollout

ROLLOUT = a_rollout(traffic={"gatewayRef": {"name": "public", "namespace": "gateways"}, "hostnames": ["iris.example.com"]})
USERS = Sticky(header="x-user-id", salt="iris/8", zones=(Zone(version="8", first=0),))
WEIGHTS = st.integers(0, 100).map(lambda weight: {"7": 100 - weight, "8": weight})
COPIES = st.none() | st.builds(Copies, version=st.just("8"), percent=st.integers(1, 100))


def rules(*given, grpc_port=8081):
    return desired(ROLLOUT, *given, service_uid="uid", grpc_port=grpc_port)["spec"]["rules"]


def of(document, path):
    """The rules for a path."""
    return [rule for rule in document if rule["matches"][0]["path"]["value"] == path]


def as_rest(rule):
    """A rule for gRPC as it would be for REST."""
    text = json.dumps(rule).replace(f'"{GRPC_PATH}"', '"/"').replace('"port": 8081', '"port": 80')
    return json.loads(text.replace(f'"{STICKY_RULE}-grpc"', f'"{STICKY_RULE}"'))


def test_the_route_of_a_rollout_without_grpc_is_to_the_byte_what_it_was_before_there_was_any():
    before = Path(__file__).with_name("routes-without-grpc.jsonl").read_text(encoding="utf-8")
    asked = [
        ({"7": 100}, None, None),
        ({"7": 75, "8": 25}, None, None),
        ({"7": 100, "8": 0}, Copies(version="8", percent=20), None),
        ({"7": 63, "8": 37}, None, USERS),
    ]
    assert "".join(json.dumps(desired(ROLLOUT, *one, service_uid="uid")) + "\n" for one in asked) == before


@given(WEIGHTS, COPIES, st.none() | st.just(USERS))
def test_grpc_is_split_and_copied_as_rest_is_and_rest_as_it_was(weights, copies, sticky):
    with_grpc = rules(weights, copies, sticky)
    assert [as_rest(rule) for rule in of(with_grpc, GRPC_PATH)] == of(with_grpc, "/")
    others = [rule for rule in with_grpc if rule not in of(with_grpc, GRPC_PATH)]
    assert others == rules(weights, copies, sticky, grpc_port=None)


@given(WEIGHTS, COPIES, st.none() | st.just(USERS), st.none() | st.integers(1, 65535))
def test_what_the_route_asks_for_is_read_back_whether_it_has_grpc_or_not(weights, copies, sticky, port):
    document = desired(ROLLOUT, weights, copies, sticky, service_uid="uid", grpc_port=port)
    route = Route.model_validate(document)
    assert (route.weights, route.copies, route.grpc_port) == (weights, copies, port)


def test_a_user_of_an_ab_test_has_the_same_version_over_grpc():
    rest, grpc = (one for path in ("/", GRPC_PATH) for one in of(rules({"7": 63, "8": 37}, None, USERS), path)[1:])
    assert grpc["matches"][0]["headers"] == rest["matches"][0]["headers"]
    assert grpc["matches"][0]["headers"][0]["name"] == BUCKET_HEADER
    assert grpc["backendRefs"] == [{"name": "iris-v8-predictor", "port": 8081, "weight": 1}]


@pytest.mark.parametrize("weights", [{"7": 100}, {"7": 100, "8": 0}, {"7": 0, "8": 100}, {"8": 100}])
@pytest.mark.parametrize("sticky", [None, USERS])
def test_a_split_stands_in_the_same_place_whatever_versions_and_users_come_and_go(weights, sticky):
    assert [rule["matches"][0]["path"]["value"] for rule in rules(weights, None, sticky)][:2] == ["/", GRPC_PATH]


# --- where it comes from ------------------------------------------------------------------------------------------------------

REST, GRPC = {"name": "http", "containerPort": 8080}, {"name": "grpc", "containerPort": 8081}


def deployment(version, *ports, service="iris"):
    container = {"name": "kserve-container", **({"ports": list(ports)} if ports else {})}
    return {
        "metadata": {"name": f"{service}-v{version}-predictor"},
        "spec": {"template": {"spec": {"containers": [container, {"name": "proxy", "ports": [REST, GRPC]}]}}},
    }


@pytest.mark.parametrize(
    ("deployments", "port"),
    [
        ([deployment("7", REST, GRPC), deployment("8", REST, GRPC)], 8081),
        ([deployment("7", REST, {"name": "h2c-port", "containerPort": 9000})], 9000),
        ([deployment("7", REST), deployment("8", REST)], None),
        ([deployment("7"), deployment("8")], None),  # as KServe's own runtimes have it
        ([deployment("7", GRPC)], None),  # the Service's 80
        ([deployment("7", REST, GRPC), deployment("8", REST)], None),  # KServe changes them one after the other
        ([deployment("7", REST, GRPC), deployment("6", REST)], 8081),  # one that the route does not name
        ([deployment("7", REST, GRPC)], 8081),  # the other one is about to be made
    ],
)
def test_grpc_has_a_port_where_every_version_opens_one_behind_its_first(deployments, port):
    assert grpc_port(deployments, "iris", {"7", "8"}, before=None) == port
    assert grpc_port(deployments, "iris", {"7", "8"}, before=8081) == port


def test_versions_that_have_no_deployment_now_keep_the_port_that_they_had():
    assert grpc_port([deployment("7", REST, service="rose")], "iris", {"7", "8"}, before=8081) == 8081


class Server:
    """An API server with one route, and Deployments unless it does not answer for them."""

    def __init__(self, *deployments):
        self.deployments = deployments
        self.route = None
        self.writes = 0

    def get(self, path):
        return copy.deepcopy(self.route) if "httproutes" in path else {"metadata": {"uid": "u"}}

    def items(self, path, **query):
        assert (path, query) == (
            "/apis/apps/v1/namespaces/default/deployments",
            {"labelSelector": "serving.kserve.io/inferenceservice=iris"},
        )
        if self.deployments is None:
            raise Unreachable("the API server does not answer")
        return list(self.deployments)

    def apply(self, path, body, *, force):
        fields = {"f:spec": {f"f:{field}": {} for field in body["spec"]}}
        managed = [{"manager": "kanarya-rollout", "operation": "Apply", "fieldsV1": fields}]
        self.writes += 1
        metadata = {**body["metadata"], "generation": self.writes, "managedFields": managed}
        self.route = {**copy.deepcopy(body), "metadata": metadata}
        return self.get(path)

    def delete(self, path): ...

    @property
    def grpc(self):
        return Route.model_validate(self.route).grpc_port


def passes(traffic, weights):
    traffic.in_force()
    traffic.route(weights)


def test_grpc_comes_into_the_route_and_leaves_it_with_the_runtimes_port_in_one_write_each():
    server = Server(deployment("7", REST))
    traffic, seen = GatewayTraffic(server, ROLLOUT), []
    for deployments in ([deployment("7", REST)], [deployment("7", REST, GRPC)], [deployment("7", REST)]):
        server.deployments = deployments
        for _ in range(3):
            passes(traffic, {"7": 100})
        seen.append((server.grpc, server.writes))
    assert seen == [(None, 1), (8081, 2), (None, 3)]


def test_a_candidate_is_taken_out_over_grpc_too_while_deployments_cannot_be_read():
    server = Server(deployment("7", REST, GRPC), deployment("8", REST, GRPC))
    passes(GatewayTraffic(server, ROLLOUT), {"7": 50, "8": 50})
    server.deployments = None
    passes(GatewayTraffic(server, ROLLOUT), {"7": 100, "8": 0})  # a controller that has begun anew
    (split,) = of(server.route["spec"]["rules"], GRPC_PATH)
    assert {one["name"]: one["weight"] for one in split["backendRefs"]} == {"iris-v7-predictor": 100, "iris-v8-predictor": 0}
