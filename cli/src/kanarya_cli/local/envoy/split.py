"""One model's share of the gateway. Used by the modules beside it, and by `traffic`."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kanarya_rollout.observation import Copies
from kanarya_rollout.sticky import Sticky


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
    """By what users are told apart, in A/B tests. It has the zones of those who have users now, and no others."""


def version_of(splits: Iterable[Split]) -> str:
    """A name for these splits, by which a route that Envoy has is known for ours."""
    written = sorted(
        (one.model, one.hostnames, sorted(one.weights.items()), _copied(one.copies), _told_apart(one.sticky)) for one in splits
    )
    return f"kanarya-{digest(written)}"


def digest(document: object) -> str:
    """Sixteen hexadecimal digits that change with the document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _copied(copies: Copies | None) -> tuple[str, int]:
    return ("", 0) if copies is None else (copies.version, copies.percent)


def _told_apart(sticky: Sticky | None) -> list[tuple[str, str | int]]:
    if sticky is None:
        return []
    return [*sorted(sticky.context.items()), *((str(zone.version), zone.first) for zone in sticky.zones)]
