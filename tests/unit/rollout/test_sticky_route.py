"""An A/B test on a cluster: the route and the policy beside it, and in which order the gateway is given what."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.names import BUCKET_HEADER
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.ports.api import Refused
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.ports.httproute import STICKY_RULE, Route, desired
from kanarya_rollout.ports.script import SCRIPT
from kanarya_rollout.sticky import Sticky, Zone
from kanarya_rollout.testing import a_rollout

GATEWAY = {"name": "public", "namespace": "gateways"}
TEST = {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.1"}}
ROLLOUT = a_rollout(traffic={"gatewayRef": GATEWAY}, strategy={"abTest": TEST})
REST = Sticky(header="x-user-id", salt="iris/", zones=(Zone(version=None, first=0),))
USERS = Sticky(header="x-user-id", salt="iris/8", zones=(Zone(version="8", first=0),))


class Server:
    """Objects by kind, and a gateway that has its word on each when it is told to."""

    def __init__(self, *, knows_policies: bool = True) -> None:
        self.objects: dict[str, dict] = {"inferenceservices": {"metadata": {"uid": "u"}}}
        self.knows_policies = knows_policies
        self.applied: list[str] = []

    def get(self, path):
        return copy.deepcopy(self.objects.get(self.kind(path)))

    def items(self, path, **query):
        return []

    def apply(self, path, body, *, force):
        kind = self.kind(path)
        if kind == "envoyextensionpolicies" and not self.knows_policies:
            raise Refused("there is no such kind", status=404, said="404")
        before = self.objects.get(kind, {"metadata": {"generation": 0}, "status": {}})
        metadata = {
            **body["metadata"],
            "generation": before["metadata"]["generation"] + (before.get("spec") != body["spec"]),
            "managedFields": [
                {
                    "manager": "kanarya-rollout",
                    "operation": "Apply",
                    "fieldsV1": {"f:spec": {f"f:{field}": {} for field in body["spec"]}},
                }
            ],
        }
        self.objects[kind] = {**copy.deepcopy(body), "metadata": metadata, "status": before["status"]}
        self.applied.append(kind)
        return self.get(path)

    def delete(self, path):
        self.objects.pop(self.kind(path), None)

    def kind(self, path):
        return path.split("/")[-2]

    @property
    def route(self):
        return self.objects["httproutes"]

    @property
    def policy(self):
        return self.objects.get("envoyextensionpolicies")

    def says(self, *, lua: bool = True):
        """The gateway's word on what is there, now."""
        for found, place in ((self.route, "parents"), (self.policy, "ancestors")):
            if found is not None:
                refused = place == "ancestors" and not lua
                condition = {
                    "type": "Accepted",
                    "status": "False" if refused else "True",
                    "message": "Lua: feature is disabled in the Gateway" if refused else "",
                    "observedGeneration": found["metadata"]["generation"],
                }
                reference = {"parentRef" if place == "parents" else "ancestorRef": GATEWAY}
                found["status"] = {place: [{**reference, "conditions": [condition]}]}

    @property
    def targets(self):
        return [target.get("sectionName") for target in self.policy["spec"]["targetRefs"]]


def passes(server: Server, traffic: GatewayTraffic, weights, sticky, *, times: int, lua: bool = True) -> list:
    """What was in force at the beginning of each pass; the gateway has its word in between."""
    seen = []
    for _ in range(times):
        seen.append(traffic.in_force())
        traffic.route(weights, sticky=sticky)
        server.says(lua=lua)
    return seen


def settled() -> tuple[Server, GatewayTraffic]:
    """A champion serves, and the gateway tells its users apart."""
    server = Server()
    traffic = GatewayTraffic(server, ROLLOUT)
    passes(server, traffic, {"7": 100}, REST, times=4)
    return server, traffic


@given(st.integers(0, 100))
def test_the_weight_of_users_is_read_back_from_the_route(weight):
    document = desired(ROLLOUT, {"7": 100 - weight, "8": weight}, sticky=USERS, service_uid="u")
    assert Route.model_validate(document).weights == {"7": 100 - weight, "8": weight}


def test_buckets_below_the_weight_are_the_candidates_and_everybody_else_is_the_champions():
    split, users, *_ = desired(ROLLOUT, {"7": 63, "8": 37}, sticky=USERS, service_uid="u")["spec"]["rules"]
    assert {one["name"]: one["weight"] for one in split["backendRefs"]} == {"iris-v7-predictor": 63, "iris-v8-predictor": 0}
    assert users["name"] == STICKY_RULE
    assert [one["name"] for one in users["backendRefs"]] == ["iris-v8-predictor"]
    assert users["matches"] == [
        {
            "path": {"type": "PathPrefix", "value": "/"},
            "headers": [{"name": BUCKET_HEADER, "type": "RegularExpression", "value": "[0-2][0-9]|3[0-6]"}],
        }
    ]


@pytest.mark.parametrize("weights", [{"7": 100}, {"7": 100, "8": 0}, {"7": 0, "8": 100}, {"7": 60, "8": 40}])
def test_the_split_and_the_users_stand_in_the_same_place_whatever_versions_come_and_go(weights):
    rules = desired(ROLLOUT, weights, sticky=USERS, service_uid="u")["spec"]["rules"]
    assert [rule.get("name") for rule in rules][:2] == [None, STICKY_RULE]
    assert len([rule for rule in rules if rule.get("name")]) == 1


def test_a_policy_is_tried_on_the_rule_that_nobody_meets_before_it_holds_for_the_route():
    server = Server()
    traffic = GatewayTraffic(server, ROLLOUT)
    traffic.route({"7": 100}, sticky=REST)
    assert server.policy is None  # the gateway has not seen the rule that it begins with
    server.says()
    passes(server, traffic, {"7": 100}, REST, times=1)
    assert server.targets == [STICKY_RULE]
    assert server.policy["spec"]["lua"] == [{"type": "Inline", "inline": SCRIPT, "filterContext": REST.context}]
    passes(server, traffic, {"7": 100}, REST, times=1)
    assert server.targets == [None]
    applied = len(server.applied)
    assert passes(server, traffic, {"7": 100}, REST, times=3)[-1] == {"7": 100}
    assert len(server.applied) == applied


def test_a_gateway_that_runs_no_scripts_is_told_so_and_its_route_goes_on():
    server = Server()
    traffic = GatewayTraffic(server, ROLLOUT)
    traffic.route({"7": 100}, sticky=REST)
    server.says(lua=False)
    passes(server, traffic, {"7": 100}, REST, times=1, lua=False)
    for _ in range(3):
        with pytest.raises(Unsupported, match=r"does not tell users apart: .*: Lua: feature is disabled in the Gateway"):
            traffic.in_force()
        traffic.route({"7": 100}, sticky=REST)
        server.says(lua=False)
    assert server.targets == [STICKY_RULE]
    server.says()
    assert passes(server, traffic, {"7": 100}, REST, times=3)[-1] == {"7": 100}
    assert server.targets == [None]


def test_a_gateway_that_stops_to_run_scripts_gets_its_route_back_from_the_policy():
    server, traffic = settled()
    server.says(lua=False)
    with pytest.raises(Unsupported):
        traffic.in_force()
    traffic.route({"7": 100}, sticky=REST)
    assert server.targets == [STICKY_RULE]


def test_a_cluster_without_such_policies_is_told_what_is_needed():
    server = Server(knows_policies=False)
    traffic = GatewayTraffic(server, ROLLOUT)
    traffic.route({"7": 100}, sticky=REST)
    server.says()
    traffic.in_force()
    traffic.route({"7": 100}, sticky=REST)
    with pytest.raises(Unsupported, match=r"needs the EnvoyExtensionPolicy of Envoy Gateway 1\.9 or later"):
        traffic.in_force()


def test_users_are_split_only_when_the_gateway_tells_them_apart_by_this_tests_salt():
    server, traffic = settled()
    traffic.in_force()
    with pytest.raises(Unreachable, match="has not yet taken the policy"):
        traffic.route({"7": 50, "8": 50}, sticky=USERS)
    assert not Route.model_validate(server.route).splits_users
    assert server.policy["spec"]["lua"][0]["filterContext"]["salt"] == "iris/8"
    assert server.targets == [None]  # the script is the one that was taken
    server.says()
    seen = passes(server, traffic, {"7": 50, "8": 50}, USERS, times=2)
    assert seen == [{"7": 100, "8": 0}, {"7": 50, "8": 50}]


def test_a_policy_that_somebody_deleted_is_no_split_that_is_in_force_and_is_made_again():
    server, traffic = settled()
    passes(server, traffic, {"7": 100}, USERS, times=2)
    passes(server, traffic, {"7": 50, "8": 50}, USERS, times=2)
    server.delete("/envoyextensionpolicies/iris-rollout")
    assert traffic.in_force() == {}
    with pytest.raises(Unreachable):
        traffic.route({"7": 50, "8": 50}, sticky=USERS)
    server.says()
    for _ in range(4):
        traffic.in_force()
        try:
            traffic.route({"7": 50, "8": 50}, sticky=USERS)
        except Unreachable:
            assert not Route.model_validate(server.route).splits_users
        server.says()
    assert traffic.in_force() == {"7": 50, "8": 50}


def test_a_candidate_is_taken_out_whatever_becomes_of_the_policy():
    server, traffic = settled()
    passes(server, traffic, {"7": 100}, USERS, times=2)
    passes(server, traffic, {"7": 50, "8": 50}, USERS, times=2)
    server.knows_policies = False
    server.delete("/envoyextensionpolicies/iris-rollout")
    traffic.route({"7": 100, "8": 0}, sticky=REST)
    assert Route.model_validate(server.route).weights == {"7": 100, "8": 0}


def test_a_rollout_that_is_none_of_users_any_more_lets_go_of_the_policy():
    server, traffic = settled()
    traffic.route({"7": 100}, sticky=None)
    assert server.policy is None
    assert not Route.model_validate(server.route).knows_users


def test_a_gateway_that_has_yet_to_say_again_what_it_said_takes_no_users_version_away():
    server, traffic = settled()
    passes(server, traffic, {"7": 100}, USERS, times=2)
    passes(server, traffic, {"7": 50, "8": 50}, USERS, times=2)
    server.policy["status"] = {}
    traffic.in_force()
    traffic.route({"7": 50, "8": 50}, sticky=USERS)
    assert Route.model_validate(server.route).weights == {"7": 50, "8": 50}
    assert server.targets == [None]
