"""How Envoy starts: its listener, its admin, and the two files that it watches. Pure. Called by `launch`."""

from kanarya_cli.local.envoy.words import CLUSTERS_FILE, REQUEST_TIMEOUT, ROUTES_FILE, ROUTES_NAME, STICKY, TYPE, address
from kanarya_rollout.ports.script import SCRIPT

MOST_CONNECTIONS = 10_000
"""From clients. Envoy warns of having no limit, and its log is to be empty unless something is wrong."""

_MANAGER = f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{TYPE}envoy.extensions.filters.http.router.v3.Router"
_LUA = f"{TYPE}envoy.extensions.filters.http.lua.v3.Lua"
_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
_CONNECTIONS_CONFIG = f"{TYPE}envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"


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
                "name": STICKY,
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
        "address": address(host, gateway_port),
        # Else a second Envoy could listen on the same port and take half of the connections.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]},
        ],
    }
    connections = {"@type": _CONNECTIONS_CONFIG, "max_active_downstream_connections": MOST_CONNECTIONS}
    return {
        "node": {"id": "kanarya-local", "cluster": "kanarya-local"},
        "admin": {"address": address(host, admin_port)},
        "dynamic_resources": {"cds_config": _watched(directory, CLUSTERS_FILE)},
        "static_resources": {"listeners": [listener]},
        "overload_manager": {"resource_monitors": [{"name": _CONNECTIONS, "typed_config": connections}]},
    }


def _watched(directory: str, file: str) -> dict[str, object]:
    return {
        "path_config_source": {"path": f"{directory}/{file}", "watched_directory": {"path": directory}},
        "resource_api_version": "V3",
    }
