"""An HTTPRoute's object: what it asks for, whose it is, what the gateway says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.rollout import GatewayRef
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports.httproute import Route, desired
from kanarya_rollout.testing import a_rollout

ROLLOUT = a_rollout(traffic={"gatewayRef": {"name": "public", "namespace": "gateways"}})


def parsed(document, *, generation=1, conditions=(), parent=None, managed=()):
    metadata = {**document["metadata"], "generation": generation, "managedFields": list(managed)}
    parents = [{"parentRef": parent or {"name": "public", "namespace": "gateways"}, "conditions": list(conditions)}]
    return Route.model_validate({**document, "metadata": metadata, "status": {"parents": parents}})


def condition(kind, status="True", *, generation=1, reason="", message=""):
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": reason, "message": message}


GATEWAY = GatewayRef(name="public", namespace="gateways")
DOCUMENT = desired(ROLLOUT, {"7": 90, "8": 10}, service_uid="uid")


@given(st.dictionaries(st.from_regex(r"[1-9][0-9]{0,3}", fullmatch=True), st.integers(0, 100), min_size=1, max_size=3))
def test_the_weights_that_are_asked_for_are_read_back(weights):
    read = parsed(desired(ROLLOUT, weights, service_uid="uid")).weights
    assert read == (weights if len(weights) > 1 else dict.fromkeys(weights, 100))


@given(st.none() | st.builds(Copies, version=st.sampled_from(["7", "8"]), percent=st.integers(1, 100)))
def test_the_copies_that_are_asked_for_are_read_back(copies):
    document = desired(ROLLOUT, {"7": 100, "8": 0}, copies, service_uid="uid")
    assert parsed(document).copies == copies
    mirrors = [one for rule in document["spec"]["rules"] for one in rule["filters"] if one["type"] == "RequestMirror"]
    assert len(mirrors) == (copies is not None)  # who asks for a version by its number is copied to nobody


def test_a_request_says_that_it_is_copied_if_it_is_and_no_client_says_so():
    copies = Copies(version="8", percent=100)
    split, *by_version = desired(ROLLOUT, {"7": 100, "8": 0}, copies, service_uid="uid")["spec"]["rules"]
    marks = split["filters"][0]["requestHeaderModifier"]
    assert marks == {"set": [{"name": "x-kanarya-mirrored-to", "value": "8"}]}
    for rule in (*by_version, *DOCUMENT["spec"]["rules"]):
        assert rule["filters"] == [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-kanarya-mirrored-to"]}}
        ]


@pytest.mark.parametrize("weights", [{"7": 100}, {"7": 90, "8": 10}, {"10": 0, "7": 0, "8": 100}])
def test_the_split_stands_in_the_same_place_whatever_versions_come_and_go(weights):
    rules = desired(ROLLOUT, weights, service_uid="uid")["spec"]["rules"]
    assert [rule["matches"][0]["path"]["value"] for rule in rules].index("/") == 0


def test_a_route_without_hostnames_takes_every_host():
    assert "hostnames" not in DOCUMENT["spec"]


def managed(manager="kanarya-rollout", operation="Apply", *fields):
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {} for field in fields}}}


@pytest.mark.parametrize(
    ("entries", "ours"),
    [
        ([managed("kanarya-rollout", "Apply", "f:parentRefs", "f:rules")], True),
        ([managed("kanarya-rollout", "Apply", "f:parentRefs"), managed("kubectl-edit", "Update", "f:rules")], False),
        ([managed("kanarya-rollout", "Update", "f:parentRefs", "f:rules")], False),
        ([managed("helm", "Apply", "f:parentRefs", "f:rules")], False),
        ([], False),
    ],
)
def test_a_route_is_ours_while_nobody_else_has_written_its_rules(entries, ours):
    assert parsed(DOCUMENT, managed=entries).ours is ours


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], "pending"),
        ([condition("Accepted"), condition("ResolvedRefs")], "in force"),
        ([condition("Accepted")], "in force"),
        ([condition("Accepted"), condition("ResolvedRefs"), condition("Programmed")], "in force"),
        ([condition("Accepted", generation=1), condition("ResolvedRefs", generation=2)], "pending"),
        ([condition("Accepted", generation=1), condition("ResolvedRefs", generation=1)], "pending"),
        ([condition("Accepted"), condition("Programmed", "Unknown")], "in force"),
        ([condition("Accepted", "False")], "refused"),
        ([condition("Accepted", "False", generation=1), condition("ResolvedRefs", "True", generation=2)], "pending"),
    ],
)
def test_a_route_is_in_force_when_the_gateway_has_accepted_this_generation(conditions, state):
    present = 1 if state in {"in force", "refused"} or not conditions else 2
    assert parsed(DOCUMENT, generation=present, conditions=conditions).verdict(GATEWAY).state == state


def test_what_another_gateway_says_of_the_route_does_not_count():
    conditions = [condition("Accepted")]
    other = parsed(DOCUMENT, conditions=conditions, parent={"name": "private", "namespace": "gateways"})
    assert other.verdict(GATEWAY).state == "pending"
    near = parsed(DOCUMENT, conditions=conditions, parent={"name": "public"})
    assert near.verdict(GATEWAY).state == "pending"
    assert near.verdict(GatewayRef(name="public")).state == "in force"


def test_a_refusal_says_why():
    wrong = condition("ResolvedRefs", "False", reason="BackendNotFound", message="no Service iris-v8-predictor")
    verdict = parsed(DOCUMENT, conditions=[condition("Accepted"), wrong]).verdict(GATEWAY)
    assert (verdict.state, verdict.message) == ("refused", "ResolvedRefs: BackendNotFound: no Service iris-v8-predictor")
