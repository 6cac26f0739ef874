"""The users of an A/B test of several in one route: everyone has one version, and each challenger's rule keeps its place."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.names import BUCKET_HEADER
from kanarya_rollout.ports.httproute import GRPC_PATH, Route, desired
from kanarya_rollout.sticky import BUCKETS, Sticky, Zone
from kanarya_rollout.testing import a_rollout

GATEWAY = {"name": "public", "namespace": "gateways"}
ROLLOUT = a_rollout(traffic={"gatewayRef": GATEWAY})
CHALLENGERS = ("11", "12", "13", "14")
PORTS = st.sampled_from([None, 8081])


@st.composite
def a_split(draw: st.DrawFn) -> tuple[dict[str, int], Sticky]:
    """Splits of one to four challengers, some of whom have no users, or are in no test any more."""
    weights, zones, first = {}, [], 0
    for version in CHALLENGERS[: draw(st.integers(1, 4))]:
        split = draw(st.integers(1, 24))
        here, away = draw(st.booleans()), draw(st.booleans())
        zones.append(Zone(version=version if here else None, first=first))
        weights |= {version: 0 if away else split} if here else {}
        first += split
    weights["7"] = 100 - sum(weights.values())
    return weights, Sticky(header="x-user-id", salt="iris/11", zones=tuple(zones))


def rules_of(weights, sticky, port=None):
    return desired(ROLLOUT, weights, sticky=sticky, service_uid="uid", grpc_port=port)["spec"]["rules"]


def answers(rules, path: str, number: int) -> set[str]:
    """Versions that a user in that bucket may get, as Gateway API chooses a rule: the better match asks for a header, too."""
    here = [rule for rule in rules if rule["matches"][0]["path"]["value"] == path]
    asked = [(rule, header) for rule in here for header in rule["matches"][0].get("headers", [])]
    matching = [rule for rule, header in asked if re.fullmatch(header["value"], f"{number:02d}")]
    chosen = matching[0] if matching else next(rule for rule in here if "headers" not in rule["matches"][0])
    assert len(matching) <= 1
    return {ref["name"].split("-")[1].removeprefix("v") for ref in chosen["backendRefs"] if ref["weight"]}


@given(a_split(), PORTS)
def test_every_bucket_gets_one_version_and_as_many_get_it_as_it_has_percents(test, port):
    weights, sticky = test
    rules = rules_of(weights, sticky, port)
    for path in ("/", GRPC_PATH) if port else ("/",):
        got = [answers(rules, path, number) for number in range(BUCKETS)]
        for zone in sticky.zones:
            count = weights.get(zone.version, 0)
            assert all(one == {zone.version} for one in got[zone.first : zone.first + count])
        assert {version: got.count({version}) for version in weights} == weights


@given(a_split(), PORTS)
def test_what_is_asked_for_is_read_back(test, port):
    weights, sticky = test
    route = Route.model_validate(desired(ROLLOUT, weights, sticky=sticky, service_uid="uid", grpc_port=port))
    assert {version: share for version, share in route.weights.items() if share} == {
        version: share for version, share in weights.items() if share
    }
    assert (route.knows_users, route.splits_users) == (True, sticky.splits(weights))


@given(a_split(), PORTS)
def test_a_challengers_rule_has_its_place_and_its_name_whoever_else_comes_and_goes(test, port):
    weights, sticky = test
    names = [rule.get("name") for rule in rules_of(weights, sticky, port)]
    doors = 2 if port else 1
    ours = ["sticky", "sticky-grpc", "sticky-2", "sticky-2-grpc", "sticky-3", "sticky-3-grpc", "sticky-4", "sticky-4-grpc"]
    expected = [name for name in ours[: 2 * len(sticky.zones)] if port or not name.endswith("-grpc")]
    assert names[: doors + len(expected)] == [None] * doors + expected
    assert set(names[doors + len(expected) :]) == {None}


def test_the_rule_of_who_has_left_waits_for_a_word_that_no_script_says():
    zones = (Zone(version="11", first=0), Zone(version=None, first=20), Zone(version="13", first=40))
    rules = rules_of({"7": 60, "11": 20, "12": 0, "13": 20}, Sticky(header="x-user-id", salt="iris/11", zones=zones))
    asked = {rule["name"]: rule["matches"][0]["headers"] for rule in rules if "name" in rule}
    assert asked == {
        "sticky": [{"name": BUCKET_HEADER, "type": "RegularExpression", "value": "[0-1][0-9]"}],
        "sticky-2": [{"name": BUCKET_HEADER, "type": "Exact", "value": "none"}],
        "sticky-3": [{"name": BUCKET_HEADER, "type": "RegularExpression", "value": "[4-5][0-9]"}],
    }


def test_the_most_challengers_that_a_rollout_may_have_fit_in_one_route_over_both_doors():
    zones = tuple(Zone(version=version, first=20 * place) for place, version in enumerate(CHALLENGERS))
    weights = {**dict.fromkeys(CHALLENGERS, 20), "7": 20}
    assert len(rules_of(weights, Sticky(header="x-user-id", salt="iris/11", zones=zones), 8081)) <= 16
