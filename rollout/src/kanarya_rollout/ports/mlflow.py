"""The registry as MLflow keeps it. Adapter of the `registry` port; the only module of the controller that imports mlflow.

Called by whoever composes the controller. MLflow's client retries for minutes by default; a controller that holds on to
what is must know within seconds, so timeouts are short here, unless the environment says otherwise.

A few models are asked for one by one. Of many, every alias is read in one search, so rarely that it takes a twentieth of the
time at most, and a version that somebody vouches for is read again after ten minutes: its digest is pinned in any case.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar
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


FEW = 8
"""Models that are asked for one by one."""

LEISURE = 20
"""A search's answer is good for this many times as long as it took."""

VERSION_SECONDS = 600.0
"""For which a version that has a digest is good, unless we write on it."""

_PAGE = 200
"""Models in one answer, which a busy server gives within the two seconds above."""


class MlflowRegistry:
    """Versions and aliases of one MLflow server."""

    def __init__(self, uri: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`uri`: of the server, `http://host:port`. Credentials are MLflow's own environment variables."""
        for name, value in _SHORT.items():
            os.environ.setdefault(name, value)
        parts = urlsplit(uri)
        self._address = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._monotonic = monotonic
        self._models: set[str] = set()
        """That were asked for."""
        self._aliases: tuple[float, Mapping[tuple[str, str], str]] | None = None
        """Until when it is good; model and alias → version."""
        self._versions: dict[tuple[str, str], tuple[float, RegisteredVersion]] = {}
        """Model and version → until when it is good, and what it is."""
        self._places: dict[tuple[str, str, str], str] = {}
        """Model, version and source → where that leads."""

    def by_alias(self, model: str, alias: str) -> RegisteredVersion | None:
        """As the port says."""
        self._models.add(model)
        if len(self._models) <= FEW:
            return self._pointed_to(model, alias)
        version = self._every_alias().get((model, alias))
        return self._known(model, version) if version is not None else None

    def by_version(self, model: str, version: str) -> RegisteredVersion | None:
        """As the port says."""
        return self._ask(lambda: self._whole(self._client.get_model_version(model, version)))

    def move_alias(self, model: str, alias: str, *, to: str, expected: str | None) -> None:
        """As the port says. MLflow has no compare-then-set: somebody who writes between the two calls is overwritten."""
        self._aliases = None
        present = self._pointed_to(model, alias)
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
        self._versions.pop((model, version), None)
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

    def _pointed_to(self, model: str, alias: str) -> RegisteredVersion | None:
        """Asked of the server, now."""
        return self._ask(lambda: self._whole(self._client.get_model_version_by_alias(model, alias)))

    def _known(self, model: str, version: str) -> RegisteredVersion | None:
        """As it was at most VERSION_SECONDS ago."""
        now, known = self._monotonic(), self._versions.get((model, version))
        if known is not None and now < known[0]:
            return known[1]
        found = self.by_version(model, version)
        if found is not None and found.digest is not None:
            self._versions[model, version] = (now + VERSION_SECONDS, found)
        return found

    def _every_alias(self) -> Mapping[tuple[str, str], str]:
        began = self._monotonic()
        if self._aliases is None or began >= self._aliases[0]:
            found = {(str(one.name), str(alias)): str(to) for one in self._every_model() for alias, to in one.aliases.items()}
            now = self._monotonic()
            self._aliases = (now + LEISURE * (now - began), found)
        return self._aliases[1]

    def _every_model(self) -> Iterator[Any]:
        """MLflow's RegisteredModels."""
        token: str | None = None
        while True:
            page = self._ask(partial(self._client.search_registered_models, max_results=_PAGE, page_token=token)) or ()
            yield from page
            token = getattr(page, "token", None)
            if not token:
                return

    def _whole(self, found: object) -> RegisteredVersion:
        """MLflow's ModelVersion, with the place of its files."""
        name, version = str(getattr(found, "name")), str(getattr(found, "version"))  # noqa: B009 (mlflow publishes no types)
        tags = {str(key): str(value) for key, value in dict(getattr(found, "tags", {})).items()}
        uri = self._place(name, version, str(getattr(found, "source")))  # noqa: B009
        return RegisteredVersion(version=version, digest=tags.get(TAG_DIGEST), uri=uri, tags=tags)

    def _place(self, model: str, version: str, source: str) -> str:
        """Where the files are: what was registered, or where one of MLflow's own `models:` addresses leads, for good."""
        if not source.startswith("models:"):
            return source
        known = self._places.get((model, version, source))
        if known is None:
            known = self._places[model, version, source] = str(self._client.get_model_version_download_uri(model, version))
        return known

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
