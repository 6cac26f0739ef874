"""Names in Envoy's files and in its account of them. Used by the modules beside it."""

CLUSTERS_FILE = "clusters.json"
ROUTES_FILE = "routes.json"
ROUTES_NAME = "kanarya"

VERSION_HEADER = "x-kanarya-version"
"""On every answer of a model server: the version whose server gave it."""

ANY_HOST = "*"
"""The virtual host for every host that is no model's own."""
STICKY = "kanarya.sticky"
"""The filter that tells users apart."""
USERS = "/users"
"""Behind a model's name: the route of the users that an A/B test's candidate gets."""

REQUEST_TIMEOUT = "60s"
"""For the whole answer. Local mode's; a Gateway has its own."""

TYPE = "type.googleapis.com/"
"""Before the name of every message whose type a field leaves open."""


def cluster_name(model: str, version: str) -> str:
    """`iris/7`."""
    return f"{model}/{version}"


def address(host: str, port: int) -> dict[str, object]:
    """Where somebody listens."""
    return {"socket_address": {"address": host, "port_value": port}}
