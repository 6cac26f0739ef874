"""The registry as MLflow keeps it. Adapter of the `registry` port; the only module of the controller that imports mlflow.

Called by whoever composes the controller. MLflow's client retries for minutes by default; a controller that holds on to
what is must know within seconds, so timeouts are short here, unless the environment says otherwise.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from kanarya_contracts.names import TAG_DIGEST
from kanarya_rollout.observation import RegisteredVersion
from kanarya_rollout.ports import Conflict, Unreachable

T = TypeVar("T")

_SHORT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
}
"""One retry at once, because a kept connection may have been closed meanwhile; 2 s each."""


class MlflowRegistry:
    """Versions and aliases of one MLflow server."""

    def __init__(self, uri: str) -> None:
        """`uri`: of the server, `http://host:port`. Credentials are MLflow's own environment variables."""
        for name, value in _SHORT.items():
            os.environ.setdefault(name, value)
        parts = urlsplit(uri)
        self._address = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def by_alias(self, model: str, alias: str) -> RegisteredVersion | None:
        """As the port says."""
        return self._ask(lambda: self._whole(self._client.get_model_version_by_alias(model, alias)))

    def by_version(self, model: str, version: str) -> RegisteredVersion | None:
        """As the port says."""
        return self._ask(lambda: self._whole(self._client.get_model_version(model, version)))

    def move_alias(self, model: str, alias: str, *, to: str, expected: str | None) -> None:
        """As the port says. MLflow has no compare-then-set: somebody who writes between the two calls is overwritten."""
        present = self.by_alias(model, alias)
        version = present.version if present else None
        if version == to:
            return
        if version != expected:
            raise Conflict(
                f"{alias} of {model} points to version {version}, not to {expected} as it did; it was not moved to {to}"
            )
        self._tell(
            f"move {alias} of {model} to version {to}", lambda: self._client.set_registered_model_alias(model, alias, to)
        )

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """As the port says."""
        for key, value in tags.items():
            write = partial(self._client.set_model_version_tag, model, version, key, value)
            self._tell(f"tag version {version} of {model} with {key}", write)

    def annotate_model(self, model: str, tags: Mapping[str, str]) -> None:
        """As the port says."""
        for key, value in tags.items():
            write = partial(self._client.set_registered_model_tag, model, key, value)
            self._tell(f"tag {model} with {key}", write)

    def model_tags(self, model: str) -> Mapping[str, str]:
        """The model's own; {} if there is no such model."""
        found = self._ask(lambda: self._client.get_registered_model(model))
        return {str(key): str(value) for key, value in dict(getattr(found, "tags", {})).items()}

    def _whole(self, found: object) -> RegisteredVersion:
        """MLflow's ModelVersion, with the place of its files."""
        name, version = str(getattr(found, "name")), str(getattr(found, "version"))  # noqa: B009 (mlflow publishes no types)
        tags = {str(key): str(value) for key, value in dict(getattr(found, "tags", {})).items()}
        uri = str(self._client.get_model_version_download_uri(name, version))
        return RegisteredVersion(version=version, digest=tags.get(TAG_DIGEST), uri=uri, tags=tags)

    def _ask(self, call: Callable[[], T]) -> T | None:
        """The answer; None if it is that there is no such thing."""
        try:
            return call()
        except MlflowException as error:
            if _absent(error):
                return None
            raise Unreachable(self._said(error)) from error

    def _tell(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except MlflowException as error:
            raise Unreachable(f"could not {what}: {self._said(error)}") from error

    def _said(self, error: MlflowException) -> str:
        """One line, without what MLflow repeats of our own configuration."""
        lines = str(error).strip().splitlines() or ["no reason"]
        return f"MLflow at {self._address} did not answer as it should ({error.error_code}): {lines[0][:300]}"


def _absent(error: MlflowException) -> bool:
    """MLflow calls a missing alias an invalid parameter, and everything else that is missing by its name."""
    if error.error_code == "RESOURCE_DOES_NOT_EXIST":
        return True
    return error.error_code == "INVALID_PARAMETER_VALUE" and "alias" in str(error) and "not found" in str(error)
