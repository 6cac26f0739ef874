"""Weights and copies: who gets which requests. Called by `observe` and `act`. Local adapter: Envoy's route file."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from kanarya_rollout.observation import Copies
from kanarya_rollout.sticky import Sticky


class Traffic(Protocol):
    """The split in front of one model."""

    lag: timedelta
    """For how long after `in_force` has said so requests may still be split as before: where it is the word of somebody who
    tells the proxies, and not their own."""

    def in_force(self) -> Mapping[str, int] | None:
        """Version → percent as the gateway itself says it routes now (not what was asked of it). {} when it routes nothing yet,
        None when someone other than us has written the route."""
        ...

    def copies(self) -> Copies | None:
        """What the gateway copies, by the word that the last `in_force` rested on. Asks nobody."""
        ...

    def route(self, weights: Mapping[str, int], copies: Copies | None = None, sticky: Sticky | None = None) -> None:
        """Ask for these percents (they sum to 100; a version at 0 stays known to the gateway) and for these copies alone, each
        marked with HEADER_MIRRORED_TO as the request is that it is made from. Percents are of requests, or of users told apart
        as `sticky` says, whose zones' users are never given to anybody else. Idempotent; does not wait."""
        ...
