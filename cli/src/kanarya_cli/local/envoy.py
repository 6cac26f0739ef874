"""What Envoy's files say: bootstrap, clusters, routes. Pure. Called by `stack` (bootstrap) and `traffic` (the other two).

Envoy watches the two discovery files and takes a new one when it is renamed into place. A cluster is one model server; a
route configuration splits each model's requests over its clusters by weight. Reads Envoy's own account of both back.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kanarya_contracts.names import BUCKET_HEADER, HEADER_MIRRORED_TO
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports.script import SCRIPT
from kanarya_rollout.sticky import Sticky, below

CLUSTERS_FILE = "clusters.json"
ROUTES_FILE = "routes.json"
ROUTES_NAME = "kanarya"

ACTIVE_CLUSTERS = "dynamic_active_clusters"
"""Part of Envoy's `/config_dump`: the clusters that it has warmed."""
ROUTE_CONFIGS = "dynamic_route_configs"
"""Part of Envoy's `/config_dump`: the routes that it has taken."""

VERSION_HEADER = "x-kanarya-version"
"""On every answer of a model server: the version whose server gave it."""

UPSTREAM_IDLE = "30s"
"""Kept connections end here before the model server, which waits 75 s, can end them under a request."""
REQUEST_TIMEOUT = "60s"
"""For the whole answer. Local mode's, like the next; a Gateway has its own."""
CONNECT_TIMEOUT = "1s"
UNLIMITED = 1_000_000
"""Envoy's circuit breakers open at 1024 otherwise, and would fail requests that the model did not."""

MOST_CONNECTIONS = 10_000
"""From clients. Envoy warns of having no limit, and its log is to be empty unless something is wrong."""

_ANY_HOST = "*"
_TYPE = "type.googleapis.com/"
_MANAGER = f"{_TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPE}envoy.extensions.filters.http.router.v3.Router"
_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
_CONNECTIONS_CONFIG = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
_PROTOCOL = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CLUSTER = f"{_TYPE}envoy.config.cluster.v3.Cluster"
_ROUTES = f"{_TYPE}envoy.config.route.v3.RouteConfiguration"
_LUA = f"{_TYPE}envoy.extensions.filters.http.lua.v3.Lua"
_LUA_ROUTE = f"{_TYPE}envoy.extensions.filters.http.lua.v3.LuaPerRoute"
_STICKY = "kanarya.sticky"
"""The filter that tells users apart."""
_USERS = "/users"
"""Behind a model's name: the route of the users that an A/B test's candidate gets."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """One model's share of the gateway."""

    model: str
    """As in the URL."""
    hostnames: tuple[str, ...] = ()
    """Hosts that are this model's alone. Every model answers on any other host, under its own path."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Version → percent; they sum to 100, or there is none yet."""
    copies: Copies | None = None
    """What is copied of the requests that are split."""
    sticky: Sticky | None = None
    """By what users are told apart, in A/B tests. It names a candidate only while there are users to be told apart."""


def bootstrap(*, host: str, gateway_port: int, admin_port: int, directory: str) -> dict[str, object]:
    """Envoy's own configuration. `directory` holds the discovery files and is watched."""
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "rds": {"route_config_name": ROUTES_NAME, "config_source": _watched(directory, ROUTES_FILE)},
        "http_filters": [
            # Asleep but for the routes that give it a context.
            {
                "name": _STICKY,
                "disabled": True,
                "typed_config": {"@type": _LUA, "default_source_code": {"inline_string": SCRIPT}},
            },
            {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}},
        ],
        # What Envoy itself answers has the protocol's error document, like what the model server answers.
        "local_reply_config": {"body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}}},
        "stream_idle_timeout": REQUEST_TIMEOUT,
    }
    listener = {
        "name": "gateway",
        "address": _address(host, gateway_port),
        # Else a second Envoy could listen on the same port and take half of the connections.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]},
        ],
    }
    connections = {"@type": f"{_TYPE}{_CONNECTIONS_CONFIG}", "max_active_downstream_connections": MOST_CONNECTIONS}
    return {
        "node": {"id": "kanarya-local", "cluster": "kanarya-local"},
        "admin": {"address": _address(host, admin_port)},
        "dynamic_resources": {"cds_config": _watched(directory, CLUSTERS_FILE)},
        "static_resources": {"listeners": [listener]},
        "overload_manager": {"resource_monitors": [{"name": _CONNECTIONS, "typed_config": connections}]},
    }


def clusters(backends: Mapping[str, Mapping[str, int]], host: str) -> dict[str, object]:
    """The clusters file: model → version → port."""
    resources = [
        _cluster(cluster_name(model, version), host, port)
        for model, ports in sorted(backends.items())
        for version, port in sorted(ports.items())
    ]
    return {"version_info": _digest(resources), "resources": resources}


def routes(splits: Sequence[Split]) -> dict[str, object]:
    """The routes file. Its version is made from the splits in it, so that `splits_in_force` knows it for ours."""
    ordered = sorted(splits, key=lambda split: split.model)
    own = [
        {
            "name": split.model,
            "domains": [name for host in split.hostnames for name in (host, f"{host}:*")],
            "routes": [*_by_version(split), *_routes({"prefix": "/"}, split)],
        }
        for split in ordered
        if split.hostnames
    ]
    shared = {"name": _ANY_HOST, "domains": ["*"], "routes": _shared_routes(ordered)}
    resource = {"@type": _ROUTES, "name": ROUTES_NAME, "virtual_hosts": [*own, shared]}
    return {"version_info": _version(ordered), "resources": [resource]}


def cluster_name(model: str, version: str) -> str:
    """`iris/7`."""
    return f"{model}/{version}"


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

    None when the route is not one that `routes` made.
    """
    configs = [entry for entry in _entries(dump) if entry["route_config"]["name"] == ROUTES_NAME]
    if not configs:
        return {}
    hostnames: dict[str, tuple[str, ...]] = {}
    found: dict[str, Split] = {}
    for host in configs[0]["route_config"].get("virtual_hosts", []):
        if host["name"] != _ANY_HOST:
            hostnames[host["name"]] = tuple(name for name in host["domains"] if not name.endswith(":*"))
        for split in _splits_of(host):
            if found.setdefault(split.model, split) != split:
                return None  # by host name it is another split than by path
    splits = {model: replace(split, hostnames=hostnames.get(model, ())) for model, split in found.items()}
    return splits if configs[0].get("version_info") == _version(splits.values()) else None


def _shared_routes(splits: Sequence[Split]) -> list[dict[str, object]]:
    if len(splits) == 1:
        return [*_by_version(splits[0]), *_routes({"prefix": "/"}, splits[0])]
    by_version = [route for split in splits for route in _by_version(split)]
    by_path = [
        route
        for split in splits
        for protocol in ("v2", "v1")
        for route in _routes({"path_separated_prefix": f"/{protocol}/models/{split.model}"}, split)
    ]
    there = ", ".join(split.model for split in splits) or "none"
    return [*by_version, *by_path, _answer({"prefix": "/"}, 404, f"no model has this path; models here: {there}")]


def _by_version(split: Split) -> list[dict[str, object]]:
    """Who asks for a version by its number gets that one, at weight 0 too: to look at it before anybody else does."""
    return [
        {
            "match": {"path_separated_prefix": f"/v2/models/{split.model}/versions/{version}"},
            "route": {"cluster": cluster_name(split.model, version), "timeout": REQUEST_TIMEOUT},
            "request_headers_to_remove": [HEADER_MIRRORED_TO],
            "response_headers_to_add": [_header(VERSION_HEADER, version)],
        }
        for version in sorted(split.weights)
    ]


def _header(name: str, value: str) -> dict[str, object]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _routes(match: Mapping[str, object], split: Split) -> list[dict[str, object]]:
    """The split; before it, in an A/B test, the users of the candidate, whose share the split then lacks."""
    sticky, weights = split.sticky, dict(split.weights)
    if not weights:
        return [{**_answer(match, 503, f"no version of {split.model} is up yet"), "name": split.model}]
    if sticky is None or sticky.candidate is None:
        return [_route(split.model, match, split, weights)]
    share, weights[sticky.candidate] = weights[sticky.candidate], 0
    bucket = {"name": BUCKET_HEADER, "string_match": {"safe_regex": {"regex": below(share)}}}
    users = {**match, "headers": [bucket]}
    return [
        _route(f"{split.model}{_USERS}", users, split, {sticky.candidate: share}),
        _route(split.model, match, split, weights),
    ]


def _route(name: str, match: Mapping[str, object], split: Split, weights: Mapping[str, int]) -> dict[str, object]:
    weighted = [
        {
            "name": cluster_name(split.model, version),
            "weight": weight,
            "response_headers_to_add": [_header(VERSION_HEADER, version)],
        }
        for version, weight in sorted(weights.items())
    ]
    mirror, marks = _mirror(split)
    context = {} if split.sticky is None else {_STICKY: {"@type": _LUA_ROUTE, "filter_context": split.sticky.context}}
    return {
        "name": name,
        "match": dict(match),
        # No retry policy: a request that fails is a failed request, and the gates are to see it.
        "route": {"weighted_clusters": {"clusters": weighted}, "timeout": REQUEST_TIMEOUT, **mirror},
        **marks,
        **({"typed_per_filter_config": context} if context else {}),
    }


def _mirror(split: Split) -> tuple[dict[str, object], dict[str, object]]:
    """What is copied, and the header by which a copy is known. No client says by itself that it is one."""
    copies = split.copies
    if copies is None:
        return {}, {"request_headers_to_remove": [HEADER_MIRRORED_TO]}
    share = {"default_value": {"numerator": copies.percent, "denominator": "HUNDRED"}}
    policy = {"cluster": cluster_name(split.model, copies.version), "runtime_fraction": share}
    return {"request_mirror_policies": [policy]}, {"request_headers_to_add": [_header(HEADER_MIRRORED_TO, copies.version)]}


def _answer(match: Mapping[str, object], status: int, sentence: str) -> dict[str, object]:
    return {"match": dict(match), "direct_response": {"status": status, "body": {"inline_string": sentence}}}


def _cluster(name: str, host: str, port: int) -> dict[str, object]:
    limits = ("max_connections", "max_pending_requests", "max_requests")
    return {
        "@type": _CLUSTER,
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, UNLIMITED)]},
        "typed_extension_protocol_options": {
            _PROTOCOL: {
                "@type": f"{_TYPE}{_PROTOCOL}",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(host, port)}}]}],
        },
    }


def _watched(directory: str, file: str) -> dict[str, object]:
    return {
        "path_config_source": {"path": f"{directory}/{file}", "watched_directory": {"path": directory}},
        "resource_api_version": "V3",
    }


def _address(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _version(splits: Iterable[Split]) -> str:
    written = sorted(
        (one.model, one.hostnames, sorted(one.weights.items()), _copied(one.copies), _told_apart(one.sticky)) for one in splits
    )
    return f"kanarya-{_digest(written)}"


def _copied(copies: Copies | None) -> tuple[str, int]:
    return ("", 0) if copies is None else (copies.version, copies.percent)


def _told_apart(sticky: Sticky | None) -> list[tuple[str, str]]:
    return [] if sticky is None else sorted(sticky.context.items())


def _splits_of(host: Mapping[str, Any]) -> Iterator[Split]:
    """Each split in one virtual host: a route, or the users' route and the one that follows it."""
    users: dict[str, int] = {}
    for route in host.get("routes", []):
        name, weights = route.get("name"), _weights_of(route)
        if name is not None and name.endswith(_USERS):
            users = weights
        elif name is not None:
            sticky = _sticky_of(route, next(iter(users), None))
            yield Split(model=name, weights=weights | users, copies=_copies_of(route), sticky=sticky)
            users = {}


def _sticky_of(route: Mapping[str, Any], candidate: str | None) -> Sticky | None:
    context = route.get("typed_per_filter_config", {}).get(_STICKY, {}).get("filter_context")
    if context is None:
        return None
    key = {name: context.get(name) for name in ("header", "cookie")}
    return Sticky(**key, salt=context.get("salt", ""), candidate=candidate)


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
