"""The ModelRollout object itself. Called by the controller's loop and by the command. Local adapter: a file."""

from typing import Protocol

from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus, Request


class Store(Protocol):
    """Objects by name. The controller alone writes status; people write spec and requests."""

    def names(self) -> tuple[str, ...]:
        """Every rollout."""
        ...

    def get(self, name: str) -> tuple[ModelRollout, str] | None:
        """The object and its resource version; None if there is none."""
        ...

    def write_status(self, name: str, status: ModelRolloutStatus, *, resource_version: str) -> str:
        """Replace the status, durably and in one piece, and return the new resource version.

        Raises Conflict if somebody wrote since `resource_version`.
        """
        ...

    def request(self, name: str, request: Request) -> None:
        """Set ANNOTATION_REQUEST."""
        ...
