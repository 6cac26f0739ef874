"""The registry: the source of intent. Called by `observe` (reads) and `act` (writes). Adapter: `mlflow`."""

from collections.abc import Mapping
from typing import Protocol

from kanarya_rollout.observation import RegisteredVersion

__all__ = ["RegisteredVersion", "Registry"]


class Registry(Protocol):
    """Versions and aliases of one registry. Calls answer or raise `Unreachable` within a few seconds."""

    def by_alias(self, model: str, alias: str) -> RegisteredVersion | None:
        """The version an alias points to. None if the registry answered that there is no such alias or version."""
        ...

    def by_version(self, model: str, version: str) -> RegisteredVersion | None:
        """That version; None if the registry answered that it does not exist."""
        ...

    def move_alias(self, model: str, alias: str, *, to: str, expected: str | None) -> None:
        """Point `alias` to version `to` if it points to `expected` now. Idempotent. Raises Conflict if it points elsewhere."""
        ...

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags on a version."""
        ...

    def annotate_model(self, model: str, tags: Mapping[str, str]) -> None:
        """Set tags on the model itself."""
        ...
