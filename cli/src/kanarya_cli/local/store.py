"""The ModelRollout objects and the InferenceServices they point to, a JSON file each. Adapter of the `store` port.

Called by the controller (status), the commands (requests) and `stack` (spec). Every write is one locked read-modify-write
that replaces the file in one step; `metadata.resourceVersion` counts them, as it does in an API server.
Refuses a file that is not what it wrote, naming it, and never overwrites one.
"""

import json
from collections.abc import Callable
from pathlib import Path

from kanarya_cli.local import files
from kanarya_contracts import problems
from kanarya_contracts.names import ANNOTATION_REQUEST
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus, Request
from kanarya_contracts.serving import InferenceService
from kanarya_rollout.ports import Conflict

_VERSION = "resourceVersion"


class FileStore:
    """The objects under `STATE/rollouts`. Any number of processes may have one."""

    def __init__(self, state: Path) -> None:
        self._directory = state / "rollouts"

    def names(self) -> tuple[str, ...]:
        """Every rollout, sorted."""
        return tuple(sorted(path.stem for path in self._directory.glob("*.json") if not path.name.startswith(".")))

    def get(self, name: str) -> tuple[ModelRollout, str] | None:
        """The object and its resource version; None if there is none. Raises KanaryaError for a file that cannot be read."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror or error}"
            raise KanaryaError(msg) from None
        return _parse(path, content)

    def apply(self, rollout: ModelRollout) -> ModelRollout:
        """Set spec, labels and annotations, as `kubectl apply` does; the status stays, and so does a request.

        The generation grows when the spec is another.
        """

        def change(present: ModelRollout | None) -> ModelRollout:
            if present is None:
                return rollout
            before = present.metadata
            metadata = before.model_copy(
                update={
                    "labels": rollout.metadata.labels,
                    "annotations": before.annotations | rollout.metadata.annotations,
                    "generation": before.generation + (present.spec != rollout.spec),
                }
            )
            return present.model_copy(update={"metadata": metadata, "spec": rollout.spec})

        return self._update(rollout.metadata.name, change)[0]

    def write_status(self, name: str, status: ModelRolloutStatus, *, resource_version: str) -> str:
        """Replace the status and return the new resource version. Raises Conflict if somebody wrote since."""

        def change(present: ModelRollout | None) -> ModelRollout:
            if present is None:
                msg = f"rollout {name} is not there any more"
                raise Conflict(msg)
            if (now := _resource_version(present)) != resource_version:
                msg = f"rollout {name} was written by somebody else: it is at {now}, expected {resource_version}"
                raise Conflict(msg)
            return present.model_copy(update={"status": status})

        return self._update(name, change)[1]

    def request(self, name: str, request: Request) -> None:
        """Set ANNOTATION_REQUEST. Raises KanaryaError if there is no such rollout."""
        text = request.model_dump_json(by_alias=True)

        def change(present: ModelRollout | None) -> ModelRollout:
            if present is None:
                msg = f"there is no rollout {name!r}; there are: {', '.join(self.names()) or 'none'}"
                raise KanaryaError(msg)
            annotations = present.metadata.annotations | {ANNOTATION_REQUEST: text}
            return present.model_copy(update={"metadata": present.metadata.model_copy(update={"annotations": annotations})})

        self._update(name, change)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _update(self, name: str, change: Callable[[ModelRollout | None], ModelRollout]) -> tuple[ModelRollout, str]:
        with files.locked(self._directory / ".lock"):
            found = self.get(name)
            changed = change(found[0] if found else None)
            version = str(int(found[1]) + 1) if found else "1"
            metadata = changed.metadata.model_copy(update={_VERSION: version})
            written = changed.model_copy(update={"metadata": metadata})
            files.write(self._path(name), (written.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n").encode())
            return written, version


class ServiceStore:
    """The InferenceServices that `stack` applied, under `STATE/services`. The controller reads them once, at its start."""

    def __init__(self, state: Path) -> None:
        self._directory = state / "services"

    def apply(self, service: InferenceService) -> bool:
        """Keep it. Returns whether there was another of that name."""
        path = self._directory / f"{service.metadata.name}.json"
        content = (service.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n").encode()
        before = path.read_bytes() if path.exists() else content
        files.write(path, content)
        return before != content

    def get(self, name: str) -> InferenceService:
        """The service of that name. Raises KanaryaError if there is none."""
        path = self._directory / f"{name}.json"
        try:
            return problems.validated(InferenceService, json.loads(path.read_bytes()), source=str(path))
        except (OSError, ValueError) as error:
            msg = f"InferenceService {name} cannot be read ({path}: {error}). Apply it: kanarya local up -f FILE"
            raise KanaryaError(msg) from None


def _parse(path: Path, content: bytes) -> tuple[ModelRollout, str]:
    try:
        rollout = problems.validated(ModelRollout, json.loads(content), source=str(path))
    except (ValueError, KanaryaError) as error:
        msg = (
            f"{path} is not a rollout that kanarya wrote: {error}\n"
            "Move it away and apply the manifests again (kanarya local up -f DIRECTORY); what the rollout knew is then lost"
        )
        raise KanaryaError(msg) from None
    version = _resource_version(rollout)
    if not version.isdecimal():
        msg = f"{path} has metadata.resourceVersion {version!r}, expected a number. Move it away and apply the manifests again"
        raise KanaryaError(msg)
    return rollout, version


def _resource_version(rollout: ModelRollout) -> str:
    return str((rollout.metadata.model_extra or {}).get(_VERSION, "1"))
