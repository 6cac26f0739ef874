"""The registry as MLflow keeps it. Adapter of the `registry` port; the only module of the controller that imports mlflow.

Called by whoever composes the controller. MLflow's client retries for minutes by default; a controller that holds on to
what is must know within seconds, so timeouts are short here, unless the environment says otherwise.

A few models are asked for one by one. Of many, every alias is read in one search, so rarely that it takes a twentieth of the
time at most. The search brings each model's newest version along; another that somebody vouches for is read again after ten
minutes: its digest is pinned in any case. A server that says nothing is left alone for a while, by every rollout.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException, RestException
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

SILENCE = 2
"""A server that did not answer is not asked again for this many times as long as it was waited for, so that a thousand rollouts
do not wait for it one after the other."""

_PAGE = 200
"""Models in one answer, which a busy server gives within the two seconds above."""

_Version = tuple[str, str]
"""Model and version."""


@dataclass(frozen=True, kw_only=True)
class _Searched:
    """What one search found."""

    until: float
    """For how long it is good."""
    aliases: dict[tuple[str, str], str]
    """Model and alias → version; and where we moved them since."""
    newest: dict[_Version, Any]
    """Each model's newest version, as MLflow has it; less those that we wrote on since."""


class MlflowRegistry:
    """Versions and aliases of one MLflow server. Safe to use from several threads."""

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
        self._writing = threading.Lock()
        """Or searching: so that no search brings back what was before a write."""
        self._searched: _Searched | None = None
        self._versions: dict[_Version, tuple[float, RegisteredVersion]] = {}
        """Until when it is good, and what it is."""
        self._places: dict[tuple[str, str, str], str] = {}
        """Model, version and source → where that leads."""
        self._silent: tuple[float, str] = (0.0, "")
        """Until when it is not asked, and what came of it the last time."""

    def by_alias(self, model: str, alias: str) -> RegisteredVersion | None:
        """As the port says."""
        self._models.add(model)
        if len(self._models) <= FEW:
            return self._pointed_to(model, alias)
        searched = self._search()
        version = searched.aliases.get((model, alias))
        return self._known(model, version, searched.newest.get((model, version))) if version is not None else None

    def by_version(self, model: str, version: str) -> RegisteredVersion | None:
        """As the port says."""
        return self._whole(self._ask(partial(self._client.get_model_version, model, version)))

    def move_alias(self, model: str, alias: str, *, to: str, expected: str | None) -> None:
        """As the port says. MLflow has no compare-then-set: somebody who writes between the two calls is overwritten."""
        with self._writing:
            present = self._pointed_to(model, alias)
            version = present.version if present else None
            if version not in {to, expected}:
                self._searched = None
                raise Conflict(
                    f"{alias} of {model} points to version {version}, not to {expected} as it did; it was not moved to {to}"
                )
            if version != to:
                write = partial(self._client.set_registered_model_alias, model, alias, to)
                self._tell(f"move {alias} of {model} to version {to}", write)
            if self._searched is not None:
                self._searched.aliases[model, alias] = to

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """As the port says."""
        with self._writing:
            self._versions.pop((model, version), None)
            if self._searched is not None:
                self._searched.newest.pop((model, version), None)
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
        return self._whole(self._ask(partial(self._client.get_model_version_by_alias, model, alias)))

    def _known(self, model: str, version: str, newest: object | None) -> RegisteredVersion | None:
        """As the last search found it, or as it was at most VERSION_SECONDS ago."""
        if newest is not None:
            return self._whole(newest)
        now, known = self._monotonic(), self._versions.get((model, version))
        if known is not None and now < known[0]:
            return known[1]
        found = self.by_version(model, version)
        if found is not None and found.digest is not None:
            self._versions[model, version] = (now + VERSION_SECONDS, found)
        return found

    def _search(self) -> _Searched:
        """The last one, while it is good. One thread searches, the others wait for it."""
        with self._writing:
            began = self._monotonic()
            if self._searched is None or began >= self._searched.until:
                models = tuple(self._every_model())
                now = self._monotonic()
                self._searched = _Searched(
                    until=now + LEISURE * (now - began),
                    aliases={(str(one.name), str(alias)): str(to) for one in models for alias, to in one.aliases.items()},
                    newest={(str(one.name), str(of.version)): of for one in models for of in one.latest_versions or ()},
                )
            return self._searched

    def _every_model(self) -> Iterator[Any]:
        """MLflow's RegisteredModels."""
        token: str | None = None
        while True:
            page = self._ask(partial(self._client.search_registered_models, max_results=_PAGE, page_token=token)) or ()
            yield from page
            token = getattr(page, "token", None)
            if not token:
                return

    def _whole(self, found: object | None) -> RegisteredVersion | None:
        """MLflow's ModelVersion, with the place of its files; None if it is gone."""
        if found is None:
            return None
        name, version = str(getattr(found, "name")), str(getattr(found, "version"))  # noqa: B009 (mlflow publishes no types)
        tags = {str(key): str(value) for key, value in dict(getattr(found, "tags", {})).items()}
        uri = self._place(name, version, str(getattr(found, "source")))  # noqa: B009
        return RegisteredVersion(version=version, digest=tags.get(TAG_DIGEST), uri=uri, tags=tags) if uri is not None else None

    def _place(self, model: str, version: str, source: str) -> str | None:
        """Where the files are: what was registered, or where one of MLflow's own `models:` addresses leads, for good."""
        known = self._places.get((model, version, source)) if source.startswith("models:") else source
        if known is None:
            known = self._ask(partial(self._client.get_model_version_download_uri, model, version))
            if known is not None:
                self._places[model, version, source] = str(known)
        return known

    def _ask(self, call: Callable[[], T]) -> T | None:
        """The answer; None if it is that there is no such thing."""
        try:
            return self._heard(call)
        except MlflowException as error:
            if _absent(error):
                return None
            raise Unreachable(self._said(error)) from error

    def _tell(self, what: str, call: Callable[[], object]) -> None:
        try:
            self._heard(call)
        except MlflowException as error:
            raise Unreachable(f"could not {what}: {self._said(error)}") from error

    def _heard(self, call: Callable[[], T]) -> T:
        """Raises Unreachable without a call while the server is known to say nothing."""
        began = self._monotonic()
        until, said = self._silent
        if began < until:
            raise Unreachable(said)
        try:
            return call()
        except RestException:  # an answer, if not the one that was hoped for
            raise
        except MlflowException as error:
            now = self._monotonic()
            self._silent = (now + SILENCE * (now - began), self._said(error))
            raise

    def _said(self, error: MlflowException) -> str:
        """One line, without what MLflow repeats of our own configuration."""
        lines = str(error).strip().splitlines() or ["no reason"]
        return f"MLflow at {self._address} did not answer as it should ({error.error_code}): {lines[0][:300]}"


def _absent(error: MlflowException) -> bool:
    """MLflow calls a missing alias an invalid parameter, and everything else that is missing by its name."""
    if error.error_code == "RESOURCE_DOES_NOT_EXIST":
        return True
    return error.error_code == "INVALID_PARAMETER_VALUE" and "alias" in str(error) and "not found" in str(error)
