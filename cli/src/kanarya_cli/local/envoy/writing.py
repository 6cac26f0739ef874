"""The two files that Envoy watches: its clusters, one a model server, and its routes, which split each model's requests over
them by weight. Pure. Called by `traffic`.
"""

from collections.abc import Mapping, Sequence

from kanarya_cli.local.envoy.split import Split, digest, version_of
from kanarya_cli.local.envoy.words import (
    ANY_HOST,
    REQUEST_TIMEOUT,
    ROUTES_NAME,
    STICKY,
    TYPE,
    USERS,
    VERSION_HEADER,
    address,
    cluster_name,
)
from kanarya_contracts.names import BUCKET_HEADER, HEADER_MIRRORED_TO
from kanarya_rollout.sticky import between

UPSTREAM_IDLE = "30s"
"""Kept connections end here before the model server, which waits 75 s, can end them under a request."""
CONNECT_TIMEOUT = "1s"
"""Local mode's; a Gateway has its own."""
UNLIMITED = 1_000_000
"""Envoy's circuit breakers open at 1024 otherwise, and would fail requests that the model did not."""

_CLUSTER = f"{TYPE}envoy.config.cluster.v3.Cluster"
_PROTOCOL = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ROUTES = f"{TYPE}envoy.config.route.v3.RouteConfiguration"
_LUA_ROUTE = f"{TYPE}envoy.extensions.filters.http.lua.v3.LuaPerRoute"


def clusters(backends: Mapping[str, Mapping[str, int]], host: str) -> dict[str, object]:
    """The clusters file: model → version → port."""
    resources = [
        _cluster(cluster_name(model, version), host, port)
        for model, ports in sorted(backends.items())
        for version, port in sorted(ports.items())
    ]
    return {"version_info": digest(resources), "resources": resources}


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
    shared = {"name": ANY_HOST, "domains": ["*"], "routes": _shared_routes(ordered)}
    resource = {"@type": _ROUTES, "name": ROUTES_NAME, "virtual_hosts": [*own, shared]}
    return {"version_info": version_of(ordered), "resources": [resource]}


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
    """The split; before it, in an A/B test, the users of each challenger, whose shares the split then lacks."""
    weights = dict(split.weights)
    if not weights:
        return [{**_answer(match, 503, f"no version of {split.model} is up yet"), "name": split.model}]
    told_apart = split.sticky.occupied(weights) if split.sticky is not None else {}
    users = [
        _route(
            f"{split.model}{USERS}",
            _in_buckets(match, between(zone.first, weights[version])),
            split,
            {version: weights[version]},
        )
        for version, zone in told_apart.items()
    ]
    return [*users, _route(split.model, match, split, {**weights, **dict.fromkeys(told_apart, 0)})]


def _in_buckets(match: Mapping[str, object], buckets: str) -> dict[str, object]:
    return {**match, "headers": [{"name": BUCKET_HEADER, "string_match": {"safe_regex": {"regex": buckets}}}]}


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
    context = {} if split.sticky is None else {STICKY: {"@type": _LUA_ROUTE, "filter_context": split.sticky.context}}
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
                "@type": f"{TYPE}{_PROTOCOL}",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}],
        },
    }
