"""What Envoy's files say, and that what we write is what we read back."""

import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from kanarya_cli.local import envoy
from kanarya_cli.local.envoy import Split
from kanarya_rollout.observation import Copies

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
WEIGHTS = st.integers(0, 100).flatmap(lambda weight: st.sampled_from([{}, {"1": 100}, {"7": 100 - weight, "8": weight}]))
COPIES = st.none() | st.builds(Copies, version=st.sampled_from(["7", "8"]), percent=st.integers(1, 100))


def taken(routes: Mapping[str, object]) -> dict[str, object]:
    """Envoy's account of a routes file that it has taken."""
    resources = routes["resources"]
    assert isinstance(resources, list)
    resources = json.loads(json.dumps(resources))
    return {"configs": [{"version_info": routes["version_info"], "route_config": one} for one in resources]}


@given(st.dictionaries(NAMES, st.tuples(WEIGHTS, COPIES), max_size=4), st.booleans())
def test_the_splits_that_are_written_are_those_that_are_read(
    models: dict[str, tuple[dict[str, int], Copies | None]], hosted: bool
) -> None:
    splits = [
        Split(
            model=model,
            weights=weights,
            copies=copies if weights else None,
            hostnames=(f"{model}.example.com",) if hosted else (),
        )
        for model, (weights, copies) in models.items()
    ]

    assert envoy.splits_in_force(taken(envoy.routes(splits))) == {split.model: split for split in splits}


@given(st.dictionaries(NAMES, st.dictionaries(st.sampled_from(["1", "2", "3"]), st.integers(1, 65535)), max_size=3))
def test_the_clusters_that_are_written_are_those_that_are_read(backends: dict[str, dict[str, int]]) -> None:
    resources = envoy.clusters(backends, "127.0.0.1")["resources"]
    assert isinstance(resources, list)

    found = envoy.clusters_in_force({"configs": [{"cluster": one} for one in resources]})

    assert found == {f"{model}/{version}": port for model, ports in backends.items() for version, port in ports.items()}


def test_a_weight_that_somebody_changed_makes_the_route_nobody_of_ours() -> None:
    routes = envoy.routes([Split(model="iris", weights={"7": 90, "8": 10})])
    changed = json.loads(
        json.dumps(taken(routes)).replace('"weight": 90', '"weight": 80').replace('"weight": 10', '"weight": 20')
    )

    assert envoy.splits_in_force(changed) is None


def test_copies_that_somebody_took_out_make_the_route_nobody_of_ours() -> None:
    routes = envoy.routes([Split(model="iris", weights={"7": 100}, copies=Copies(version="8", percent=50))])
    changed = json.loads(json.dumps(taken(routes)).replace('"numerator": 50', '"numerator": 0'))

    assert envoy.splits_in_force(changed) is None


def test_two_hosts_with_different_splits_are_nobody_of_ours() -> None:
    routes = taken(envoy.routes([Split(model="iris", weights={"7": 90, "8": 10}, hostnames=("iris.example.com",))]))
    text = json.dumps(routes).replace('"weight": 90', '"weight": 91', 1)

    assert envoy.splits_in_force(json.loads(text)) is None


def test_before_any_route_nothing_is_in_force() -> None:
    assert envoy.splits_in_force({}) == {}
    assert envoy.splits_in_force({"configs": [{"route_config": {"name": "other"}}]}) == {}


def test_no_route_retries() -> None:
    text = json.dumps(envoy.routes([Split(model="iris", weights={"7": 100})]))

    assert "retry" not in text


def test_idle_connections_to_a_server_end_before_the_server_ends_them() -> None:
    text = json.dumps(envoy.clusters({"iris": {"7": 1}}, "127.0.0.1"))

    assert '"idle_timeout": "30s"' in text


def test_a_second_envoy_cannot_share_the_port() -> None:
    document = envoy.bootstrap(host="127.0.0.1", gateway_port=1, admin_port=2, directory="/state/envoy")

    assert '"enable_reuse_port": false' in json.dumps(document)
