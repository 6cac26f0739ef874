"""The EnvoyExtensionPolicy of one rollout as a pure mapping: the script that tells users apart. Used by `sticky_policy`.

Envoy Gateway answers 500 to every request of a route whose script it does not take, and takes none unless it was told to
(`extensionApis.enableLua`). So a policy is narrow first: it holds for the one rule of the route that nobody's request meets
while no script runs. Once that was taken, it is widened to the route. The script is the same for ever; what it is to look for
is its context, so that a new test changes routes and no listener, whose connections would be drained.
"""

from pydantic import Field

from kanarya_contracts.rollout import GatewayRef, ModelRollout
from kanarya_rollout.ports.httproute import STICKY_RULE, metadata, name_of
from kanarya_rollout.ports.script import SCRIPT
from kanarya_rollout.ports.seen import Seen
from kanarya_rollout.ports.verdict import Metadata, Verdict, Word, verdict
from kanarya_rollout.sticky import Sticky

ENVOY_GATEWAY_API = "gateway.envoyproxy.io/v1alpha1"
"""apiVersion of EnvoyExtensionPolicy."""


class _Target(Seen):
    section_name: str | None = None


class _Lua(Seen):
    inline: str = ""
    filter_context: dict[str, str] = Field(default_factory=dict)


class _Spec(Seen):
    target_refs: tuple[_Target, ...] = ()
    lua: tuple[_Lua, ...] = ()


class _Status(Seen):
    ancestors: tuple[Word, ...] = ()


class Policy(Seen):
    """What is read of an EnvoyExtensionPolicy."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def wide(self) -> bool:
        """Whether it holds for the whole route."""
        return any(target.section_name is None for target in self.spec.target_refs)

    @property
    def current(self) -> bool:
        """Whether the script is ours of today."""
        return [lua.inline for lua in self.spec.lua] == [SCRIPT]

    def says(self, sticky: Sticky) -> bool:
        """Whether users are told apart by it as is asked."""
        return self.current and self.spec.lua[0].filter_context == sticky.context

    def verdict(self, gateway: GatewayRef) -> Verdict:
        """What the gateway's controller says of this generation."""
        return verdict(self.status.ancestors, self.metadata, gateway)


def desired(rollout: ModelRollout, sticky: Sticky, *, wide: bool, service_uid: str) -> dict[str, object]:
    """The object to apply."""
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name_of(rollout)}
    return {
        "apiVersion": ENVOY_GATEWAY_API,
        "kind": "EnvoyExtensionPolicy",
        "metadata": metadata(rollout, service_uid),
        "spec": {
            "targetRefs": [target if wide else {**target, "sectionName": STICKY_RULE}],
            "lua": [{"type": "Inline", "inline": SCRIPT, "filterContext": sticky.context}],
        },
    }
