"""What local mode tells its Envoy, and what Envoy says back. Pure. Called by `launch` (bootstrap) and `traffic` (all else).

    startup   how Envoy starts: its listener, its admin, and the two files that it watches
    writing   those files: a cluster is one model server; a route splits a model's requests over its clusters by weight
    reading   Envoy's own account of both
    split     one model's share of the gateway: what is written, and what is read back
    words     the names that writing and reading share, and Envoy's own

Envoy takes a new file when it is renamed into place.
"""

from kanarya_cli.local.envoy.reading import ACTIVE_CLUSTERS, ROUTE_CONFIGS, clusters_in_force, splits_in_force
from kanarya_cli.local.envoy.split import Split
from kanarya_cli.local.envoy.startup import bootstrap
from kanarya_cli.local.envoy.words import CLUSTERS_FILE, ROUTES_FILE, VERSION_HEADER
from kanarya_cli.local.envoy.writing import clusters, routes

__all__ = [
    "ACTIVE_CLUSTERS",
    "CLUSTERS_FILE",
    "ROUTES_FILE",
    "ROUTE_CONFIGS",
    "VERSION_HEADER",
    "Split",
    "bootstrap",
    "clusters",
    "clusters_in_force",
    "routes",
    "splits_in_force",
]
