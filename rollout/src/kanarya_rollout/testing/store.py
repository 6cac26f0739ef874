"""The `store` port in memory."""

from kanarya_contracts.names import ANNOTATION_REQUEST
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus, Request
from kanarya_rollout.ports import Conflict
from kanarya_rollout.testing.fuse import Fuse


class FakeStore:
    """Objects in memory, statuses through JSON."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self._objects: dict[str, tuple[ModelRollout, int]] = {}
        self.history: list[ModelRolloutStatus] = []
        """Every status that was written."""

    def put(self, rollout: ModelRollout) -> None:
        """Create or replace an object, as a person does; the status stays."""
        name = rollout.metadata.name
        if name in self._objects:
            old, version = self._objects[name]
            metadata = rollout.metadata.model_copy(update={"generation": old.metadata.generation + 1})
            self._objects[name] = (rollout.model_copy(update={"metadata": metadata, "status": old.status}), version + 1)
        else:
            self._objects[name] = (rollout, 1)

    def names(self) -> tuple[str, ...]:
        """As the port says."""
        return tuple(self._objects)

    def get(self, name: str) -> tuple[ModelRollout, str] | None:
        """As the port says."""
        found = self._objects.get(name)
        return None if found is None else (found[0], str(found[1]))

    def write_status(self, name: str, status: ModelRolloutStatus, *, resource_version: str) -> str:
        """As the port says."""
        rollout, version = self._objects[name]
        if str(version) != resource_version:
            raise Conflict(f"{name} is at {version}, not at {resource_version}")
        kept = ModelRolloutStatus.model_validate_json(status.model_dump_json(by_alias=True))

        def write() -> None:
            self._objects[name] = (rollout.model_copy(update={"status": kept}), version + 1)
            self.history.append(kept)

        self._fuse.around(write)
        return str(version + 1)

    def request(self, name: str, request: Request) -> None:
        """As the port says."""
        rollout, version = self._objects[name]
        annotations = {**rollout.metadata.annotations, ANNOTATION_REQUEST: request.model_dump_json(by_alias=True)}
        metadata = rollout.metadata.model_copy(update={"annotations": annotations})
        self._objects[name] = (rollout.model_copy(update={"metadata": metadata}), version + 1)
