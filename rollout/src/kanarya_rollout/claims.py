"""What each rollout claims for itself: its target, and its host names at its gateway. Used by the controller's loop.

Two rollouts with one target would each write over the other's route, so the younger one is told that it may not and touches
nothing. Age is the object's creation, then its name, which is how Gateway API settles routes that conflict (HTTPRouteRule,
`matches`): whoever asks, before or after a restart, hears the same. Knows only the rollouts of this controller's store.
"""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator

from kanarya_contracts.rollout import ModelRollout

Claim = tuple[str, ...]
"""What can be had by one rollout alone, as words; the first says what kind of thing it is."""

_Age = tuple[str, str]
"""Creation as Kubernetes writes it, which sorts by time, and the name."""


class Claims:
    """Who has what, of all rollouts that were noted. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[str, _Age, tuple[Claim, ...]]] = {}
        self._claimants: dict[Claim, dict[str, _Age]] = defaultdict(dict)

    def note(self, name: str, rollout: ModelRollout, resource_version: str) -> None:
        """This rollout is there. `name`: the store's."""
        known = self._noted.get(name)
        if known is not None and known[0] == resource_version:
            return
        age, claims = (str((rollout.metadata.model_extra or {}).get("creationTimestamp", "")), name), tuple(_claims(rollout))
        with self._lock:
            self._drop(name)
            self._noted[name] = (resource_version, age, claims)
            for claim in claims:
                self._claimants[claim][name] = age

    def keep(self, names: Collection[str]) -> None:
        """All others are gone."""
        with self._lock:
            for name in self._noted.keys() - set(names):
                self._drop(name)

    def against(self, name: str) -> str | None:
        """Why this rollout may touch nothing, naming the one that was there first; None if it may."""
        with self._lock:
            _, age, claims = self._noted[name]
            firsts = [min((other, one) for one, other in self._claimants[claim].items()) for claim in claims]
        for claim, (first, owner) in zip(claims, firsts, strict=True):
            if first < age:
                what = " ".join(filter(None, claim))
                return f"{what} is that of rollout {owner} already, which is older; this one touches nothing"
        return None

    def _drop(self, name: str) -> None:
        for claim in self._noted.pop(name, ("", ("", ""), ()))[2]:
            del self._claimants[claim][name]
            if not self._claimants[claim]:
                del self._claimants[claim]


def _claims(rollout: ModelRollout) -> Iterator[Claim]:
    spec, space = rollout.spec, rollout.metadata.namespace
    yield spec.target_ref.kind, f"{space}/{spec.target_ref.name}"
    if spec.traffic.driver != "gateway":
        return
    gateway = spec.traffic.gateway_ref
    at = f"at Gateway {gateway.namespace}/{gateway.name}" if gateway is not None else ""
    for host in spec.traffic.hostnames:
        yield "host name", host, at
    if gateway is not None and not spec.traffic.hostnames:  # without a Gateway, local mode's Envoy tells models by their paths
        yield "every host name", "", at
