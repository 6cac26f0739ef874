"""MLflow's server, as far as training reads it. With `register`, the only module that talks to it; called by the pipeline.

Every call answers or raises RegistryError within seconds. Answers are typed here: nothing of MLflow's leaves.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from kanarya_contracts.names import TAG_DIGEST, TAG_TRAINING
from kanarya_training_job.address import Address
from kanarya_training_job.outcome import RegistryError
from kanarya_training_job.quiet_mlflow import MlflowClient, MlflowException, RestException

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""How MLflow says that there is no such model, and that there is no such alias."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A model version as the registry has it."""

    version: str
    digest: str | None
    """TAG_DIGEST; None where nobody wrote one."""
    run_id: str


class Registry:
    """A connection. Credentials come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, never from the address."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.client = MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)
        """For `register`."""

    def by_alias(self, model: str, alias: str) -> Version | None:
        """The version that holds an alias; None if the server says that none does."""
        with self.asking(f"say which version of {model} is {alias}"):
            try:
                return _version(self.client.get_model_version_by_alias(model, alias))
            except RestException as error:
                if error.error_code in _ABSENT:
                    return None
                raise

    def by_training(self, model: str, training_digest: str) -> Version | None:
        """The newest version that was registered, whole, from this (data, code, configuration) triple."""
        wanted = f"name = '{model}' AND tags.`{TAG_TRAINING}` = '{training_digest}'"
        with self.asking(f"list the versions of {model}"):
            found = [one for one in self.client.search_model_versions(wanted) if one.status == "READY"]
        return _version(max(found, key=lambda one: int(one.version))) if found else None

    def download(self, model: str, version: str, into: Path, *, file: str = "") -> Path:
        """Fetch a version's artifact, or one file of it, into a directory that exists. Returns the path."""
        with self.asking(f"hand out {file or 'the files'} of {model} version {version}"):
            uri = self.client.get_model_version_download_uri(model, version)
            repository = get_artifact_repository(uri, tracking_uri=self.address.uri)
            return Path(repository.download_artifacts(file, dst_path=str(into)))

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point the alias to the version."""
        with self.asking(f"set the alias {alias} on {model} version {version}"):
            self.client.set_registered_model_alias(model, alias, version)

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags on a version."""
        with self.asking(f"tag {model} version {version}"):
            for key, value in tags.items():
                self.client.set_model_version_tag(model, version, key, value)

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn what MLflow's client raises into a RegistryError that says what it was asked for."""
        try:
            yield
        except (RestException, requests.HTTPError) as error:
            raise RegistryError(
                f"MLflow at {self.address.shown} would not {what}: {_one_line(error)}", answered=True
            ) from error
        except (MlflowException, requests.RequestException) as error:
            raise self.address.silent(what, _one_line(error)) from error


def _version(found: Any) -> Version:
    return Version(version=str(found.version), digest=found.tags.get(TAG_DIGEST), run_id=found.run_id or "")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
