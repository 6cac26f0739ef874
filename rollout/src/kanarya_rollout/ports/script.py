"""The Lua that tells users apart in the gateway, Envoy's own or Envoy Gateway's. Used by the `traffic` adapters.

What it does is said in `kanarya_rollout.sticky`, in Python; it is one text for every test, and takes its words from the context
that a route gives it (`Sticky.context`).
"""

from importlib.resources import files

SCRIPT = files("kanarya_rollout.ports").joinpath("sticky.lua").read_text(encoding="utf-8")
"""For Envoy's filter `envoy.filters.http.lua`."""
