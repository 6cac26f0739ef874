"""The end of the controller at a write, as a kill is. Used by every fake that is written to."""

from collections.abc import Callable
from dataclasses import dataclass


class Killed(BaseException):
    """The controller's process ended here."""


@dataclass
class Fuse:
    """Counts the writes to the world, and ends the controller at one of them."""

    at: int | None = None
    """Which moment: 0 before the first write, 1 after it, 2 before the second, and so on. None: never."""
    moments: int = 0
    """How many there were."""

    def around(self, write: Callable[[], None]) -> None:
        """A write, with a moment before it and one after."""
        self._moment()
        write()
        self._moment()

    def _moment(self) -> None:
        self.moments += 1
        if self.at is not None and self.moments - 1 == self.at:
            self.at = None
            raise Killed
