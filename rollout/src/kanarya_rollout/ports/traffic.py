"""Weights: who gets which share of the requests. Called by `observe` and `act`. Local adapter: Envoy's route file."""

from collections.abc import Mapping
from typing import Protocol


class Traffic(Protocol):
    """The split in front of one model."""

    def in_force(self) -> Mapping[str, int] | None:
        """Version → percent as the gateway itself says it routes now (not what was asked of it). {} when it routes nothing yet,
        None when someone other than us has written the route."""
        ...

    def route(self, weights: Mapping[str, int]) -> None:
        """Ask for these percents (they sum to 100; a version at 0 stays known to the gateway). Idempotent; does not wait."""
        ...
