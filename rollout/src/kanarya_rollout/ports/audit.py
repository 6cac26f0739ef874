"""The record of decisions, kept for good. `Audit` is what the controller needs of it, `Shelf` what a place needs to be one.

Adapter of `Audit`: `kanarya_rollout.archive`. Adapter of `Shelf`: `objects` (S3 and its like, or a directory in local mode).
Nothing here is ever overwritten, and nothing that happens here changes what the controller does.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Audit(Protocol):
    """Keeps what was decided. Neither method waits, or raises anything."""

    place: str
    """Where, as a URL."""
    controller: str
    """Which controller this is."""

    def keep(self, pending: Sequence[str]) -> None:
        """See to it that these records of one chain are kept, in this order, as soon as that is possible. Idempotent."""
        ...

    def kept(self, chain: str) -> int:
        """Number of the chain's last record that is known to be kept, and known to the registry as the last; 0 if none is."""
        ...


class Shelf(Protocol):
    """Named contents that stay as they are. Every method may raise `Unreachable`."""

    place: str
    """As a URL."""

    def put(self, name: str, content: bytes) -> None:
        """Keep it. Idempotent. Raises Conflict if something else has that name, which then stays."""
        ...

    def under(self, prefix: str) -> Mapping[str, bytes]:
        """Everything whose name starts with `prefix`, a folder's name with its slash."""
        ...
