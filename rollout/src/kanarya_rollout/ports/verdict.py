"""Whether a gateway does as an object says: what its controller writes into the object's status. Used by `httproute`, `policy`.

Gateway API has one shape for it whatever the kind: to each gateway that an object is for belong conditions, each about one
generation of the object. Until those about the present one are there, the gateway does as it did before.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from pydantic import AliasChoices, Field

from kanarya_contracts.rollout import GatewayRef
from kanarya_rollout.ports.seen import Condition, Seen

_NEEDED = frozenset({"Accepted", "ResolvedRefs", "Programmed"})

LAG = timedelta(seconds=5)
"""A controller says that it has taken a route before its proxies have. An Envoy that is not starved follows within a second."""


class Metadata(Seen):
    """Which object it is, as far as its gateways are concerned."""

    namespace: str = ""
    generation: int = 1


class _Gateway(Seen):
    name: str
    namespace: str | None = None
    """The object's own, if it is not said."""


class Word(Seen):
    """What is said for one gateway: an item of `parents` in a route's status, of `ancestors` in a policy's."""

    gateway: _Gateway = Field(validation_alias=AliasChoices("parentRef", "ancestorRef"))
    conditions: tuple[Condition, ...] = ()

    def is_of(self, gateway: GatewayRef, *, near: str) -> bool:
        """Whether it is this gateway's. `near`: the object's namespace."""
        return (self.gateway.name, self.gateway.namespace or near) == (gateway.name, gateway.namespace)


class Verdict(Seen):
    """Whether the gateway does as the object says."""

    state: Literal["in force", "pending", "refused"]
    """`pending`: the gateway has not seen this generation yet and does as before."""
    message: str = ""
    """Why it is refused."""


def verdict(words: Iterable[Word], metadata: Metadata, gateway: GatewayRef | None) -> Verdict:
    """What this gateway says of the present generation; with None, what all say together."""
    heard = [word for word in words if gateway is None or word.is_of(gateway, near=metadata.namespace)]
    conditions = [one for word in heard for one in word.conditions if one.type in _NEEDED]
    current = [one for one in conditions if one.observed_generation == metadata.generation]
    wrong = [one for one in current if one.status == "False"]
    if wrong:
        return Verdict(state="refused", message="; ".join(f"{one.type}: {one.reason}: {one.message}" for one in wrong))
    accepted = any(one.type == "Accepted" and one.status == "True" for one in current)
    return Verdict(state="in force" if accepted and len(current) == len(conditions) else "pending")
