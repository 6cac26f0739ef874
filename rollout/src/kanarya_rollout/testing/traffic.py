"""The `traffic` port in memory."""

from collections.abc import Mapping
from datetime import timedelta

from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.sticky import Sticky
from kanarya_rollout.testing.fuse import Fuse


class FakeTraffic:
    """A gateway that follows what it was told at the next look but `delay`."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.asked: dict[str, int] = {}
        self.sticky: Sticky | None = None
        """By what users are to be told apart."""
        self.now: dict[str, int] = {}
        """What it routes."""
        self.asked_copies: Copies | None = None
        self.copied: Copies | None = None
        """What it copies."""
        self.delay = 0
        """Looks until it follows."""
        self.lag = timedelta()
        """As the port says."""
        self.foreign = False
        """Whether someone else wrote the route."""
        self.reachable = True
        self._left = 0

    def in_force(self) -> Mapping[str, int] | None:
        """As the port says."""
        if not self.reachable:
            raise Unreachable("the gateway at http://gateway.test does not answer")
        self._left -= 1
        if self._left < 0 and not self.foreign:
            self.now, self.copied = dict(self.asked), self.asked_copies
        return None if self.foreign else dict(self.now)

    def copies(self) -> Copies | None:
        """As the port says."""
        return self.copied

    def route(self, weights: Mapping[str, int], copies: Copies | None = None, sticky: Sticky | None = None) -> None:
        """As the port says."""
        if sum(weights.values()) != 100:
            raise AssertionError(f"weights {dict(weights)} do not sum to 100")
        if not self.reachable:
            raise Unreachable("the gateway at http://gateway.test does not answer")
        if (dict(weights), copies, sticky) != (self.asked, self.asked_copies, self.sticky) or self.foreign:
            self._fuse.around(lambda: self._follow(weights, copies, sticky))

    def _follow(self, weights: Mapping[str, int], copies: Copies | None, sticky: Sticky | None) -> None:
        self.asked, self.asked_copies, self.sticky = dict(weights), copies, sticky
        self.foreign, self._left = False, self.delay
