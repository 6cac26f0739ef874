"""Time that a test moves."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When a FakeClock begins."""


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.time = EPOCH

    def now(self) -> datetime:
        """As the port says."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Move on; back, if negative."""
        self.time += timedelta(seconds=seconds)
