"""Envoy's own account of what it does, from its admin's `/config_dump`. Pure. Called by `traffic`.

Reads back what `writing` writes, and no more: of a route that somebody else made it says that it is not ours.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kanarya_cli.local.envoy.split import Split, version_of
from kanarya_cli.local.envoy.words import ANY_HOST, ROUTES_NAME, STICKY, USERS
from kanarya_rollout.observation import Copies
from kanarya_rollout.sticky import Sticky, Zone, buckets_of

ACTIVE_CLUSTERS = "dynamic_active_clusters"
"""Part of Envoy's `/config_dump`: the clusters that it has warmed."""
ROUTE_CONFIGS = "dynamic_route_configs"
"""Part of Envoy's `/config_dump`: the routes that it has taken."""


def clusters_in_force(dump: Mapping[str, object]) -> dict[str, int]:
    """Cluster → port, of those that Envoy has warmed, from its admin's `/config_dump` of ACTIVE_CLUSTERS."""
    found = {}
    for active in _entries(dump):
        cluster = active["cluster"]
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        found[str(cluster["name"])] = int(endpoint["address"]["socket_address"]["port_value"])
    return found


def splits_in_force(dump: Mapping[str, object]) -> Mapping[str, Split] | None:
    """Model → its split as Envoy routes now, from its admin's `/config_dump` of ROUTE_CONFIGS. {} before it has any.

    None when the route is not one that `writing` made.
    """
    configs = [entry for entry in _entries(dump) if entry["route_config"]["name"] == ROUTES_NAME]
    if not configs:
        return {}
    hostnames: dict[str, tuple[str, ...]] = {}
    found: dict[str, Split] = {}
    for host in configs[0]["route_config"].get("virtual_hosts", []):
        if host["name"] != ANY_HOST:
            hostnames[host["name"]] = tuple(name for name in host["domains"] if not name.endswith(":*"))
        for split in _splits_of(host):
            if found.setdefault(split.model, split) != split:
                return None  # by host name it is another split than by path
    splits = {model: replace(split, hostnames=hostnames.get(model, ())) for model, split in found.items()}
    return splits if configs[0].get("version_info") == version_of(splits.values()) else None


def _splits_of(host: Mapping[str, Any]) -> Iterator[Split]:
    """Each split in one virtual host: a route, or users' routes and the one that follows them."""
    users: dict[str, int] = {}
    zones: list[Zone] = []
    for route in host.get("routes", []):
        name, weights = route.get("name"), _weights_of(route)
        if name is not None and name.endswith(USERS):
            users |= weights
            zones += [Zone(version=version, first=_first_of(route)) for version in weights]
        elif name is not None:
            sticky = _sticky_of(route, tuple(zones))
            yield Split(model=name, weights=weights | users, copies=_copies_of(route), sticky=sticky)
            users, zones = {}, []


def _first_of(route: Mapping[str, Any]) -> int:
    found = [header["string_match"]["safe_regex"]["regex"] for header in route["match"].get("headers", [])]
    return min((number for expression in found for number in buckets_of(expression)), default=0)


def _sticky_of(route: Mapping[str, Any], zones: tuple[Zone, ...]) -> Sticky | None:
    context = route.get("typed_per_filter_config", {}).get(STICKY, {}).get("filter_context")
    if context is None:
        return None
    key = {name: context.get(name) for name in ("header", "cookie")}
    return Sticky(**key, salt=context.get("salt", ""), zones=zones, scores=context.get("scores"))


def _weights_of(route: Mapping[str, Any]) -> dict[str, int]:
    weighted = route.get("route", {}).get("weighted_clusters", {}).get("clusters", [])
    return {str(one["name"]).rpartition("/")[2]: int(one.get("weight", 0)) for one in weighted}


def _copies_of(route: Mapping[str, Any]) -> Copies | None:
    for policy in route.get("route", {}).get("request_mirror_policies", []):
        share = policy.get("runtime_fraction", {}).get("default_value", {}).get("numerator", 0)
        return Copies(version=str(policy["cluster"]).rpartition("/")[2], percent=int(share))
    return None


def _entries(dump: Mapping[str, object]) -> Iterable[Mapping[str, Any]]:
    configs = dump.get("configs", [])
    assert isinstance(configs, list)  # noqa: S101 (Envoy's ConfigDump)
    return configs
