"""Time, passed in. Everything that needs to know the time is given a Clock; `decide` is given the time itself."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Knows the time."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class SystemClock:
    """The machine's."""

    def now(self) -> datetime:
        """As the operating system has it, in UTC."""
        return datetime.now(UTC)
