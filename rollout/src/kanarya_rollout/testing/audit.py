"""A shelf in memory, for the record of decisions."""

from collections.abc import Mapping

from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.testing.fuse import Fuse


class FakeShelf:
    """Keeps what it is given."""

    place = "memory://audit"

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.contents: dict[str, bytes] = {}
        self.reachable = True

    def put(self, name: str, content: bytes) -> None:
        """As the port says."""
        self._check()
        if self.contents.get(name, content) != content:
            raise Conflict(f"{name} is there already")
        if name not in self.contents:
            self._fuse.around(lambda: self.contents.update({name: content}))

    def under(self, prefix: str) -> Mapping[str, bytes]:
        """As the port says."""
        self._check()
        return {name: content for name, content in sorted(self.contents.items()) if name.startswith(prefix)}

    def _check(self) -> None:
        if not self.reachable:
            raise Unreachable("memory://audit does not answer: connection refused")
