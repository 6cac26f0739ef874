"""The last step: a checked artifact becomes a version in MLflow. Called by the pipeline, once.

In this order, so that nothing half-registered is ever an alias, nor ever taken for a training that is done: run with
parameters, metrics, data and pictures; the artifact's files; the version; its contract read back from the server and held to
what was sent; the tag that lets the training be recognised. The alias is the caller's, after all this.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag

from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.names import CONTRACT_FILE, TAG_COMPARISON, TAG_DIGEST, TAG_TRAINING
from kanarya_training_job.outcome import Comparison, RegistryError
from kanarya_training_job.package import Package
from kanarya_training_job.quiet_mlflow import MlflowException, RestException
from kanarya_training_job.registry import Registry, Version

DATASET_DIGEST_LENGTH = 36
"""Characters that MLflow keeps of a dataset's digest: the first 36 of our SHA-256. All of it is in the profile and in the tag
`data.sha256` of the run."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What is registered, and under which name."""

    model: str
    experiment: str
    package: Package
    comparison: Comparison | None
    """With the champion; None where nobody compared."""
    parameters: Mapping[str, str]
    """What the run is to show beside the model's own hyperparameters."""
    run_files: Path
    """Directory of files for the run alone."""


def register(registry: Registry, registration: Registration) -> Version:
    """Make a version. Raises RegistryError; what is left then is a run marked FAILED, and no version with a training tag."""
    with registry.asking(f"open a run in the experiment {registration.experiment}"):
        experiment = _experiment(registry, registration.experiment)
        run_id = str(registry.client.create_run(experiment, run_name=registration.model).info.run_id)
    try:
        version = _fill(registry, registration, experiment, run_id)
    except BaseException:
        _mark_failed(registry, run_id)
        raise
    return version


def _fill(registry: Registry, registration: Registration, experiment: str, run_id: str) -> Version:
    package, client = registration.package, registry.client
    with registry.asking("take the run's parameters, metrics and files"):
        client.log_batch(run_id, **_batch(registration))
        client.log_inputs(run_id, datasets=[_dataset(package.contract)])
        client.log_artifacts(run_id, str(registration.run_files))
    with registry.asking("take the model's files"):
        logged = client.create_logged_model(experiment, name=registration.model, source_run_id=run_id)
        client.log_model_artifacts(logged.model_id, str(package.directory))
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(run_id, models=[LoggedModelOutput(logged.model_id, step=0)])
    with registry.asking(f"make a version of {registration.model}"):
        _registered_model(registry, registration.model)
        made = client.create_model_version(
            registration.model,
            source=f"models:/{logged.model_id}",
            run_id=run_id,
            tags=_tags(registration),
            model_id=logged.model_id,
            await_creation_for=0,
        )
    _read_back(registry, registration.model, str(made.version), package.digest)
    if package.contract.training is not None:
        registry.annotate(registration.model, str(made.version), {TAG_TRAINING: package.contract.training.digest})
    with registry.asking("close the run"):
        client.set_terminated(run_id, "FINISHED")
    return Version(version=str(made.version), digest=package.digest, run_id=run_id)


def _experiment(registry: Registry, name: str) -> str:
    """The experiment's id; made where it is not there."""
    found = registry.client.get_experiment_by_name(name)
    if found is None:
        return str(registry.client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise RegistryError(
            f"MLflow at {registry.address.shown}: the experiment {name!r} was deleted. Restore it, or set registry.experiment.",
            answered=True,
        )
    return str(found.experiment_id)


def _registered_model(registry: Registry, name: str) -> None:
    """Made where it is not there; two trainings at once may both try."""
    try:
        registry.client.create_registered_model(name)
    except RestException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _batch(registration: Registration) -> dict[str, list[object]]:
    contract, now = registration.package.contract, int(time.time() * 1000)
    made = contract.training
    parameters = {**({"family": made.family, **made.parameters} if made else {}), **registration.parameters}
    figures = {name: metric.value for name, metric in contract.metrics.items()}
    figures |= {f"{name}-spread": metric.spread for name, metric in contract.metrics.items() if metric.spread is not None}
    tags = {"data.sha256": contract.data.sha256}
    if made:
        tags |= {"mlflow.source.git.commit": made.code_revision, TAG_TRAINING: made.digest}
    return {
        "params": [Param(name, value) for name, value in parameters.items()],
        "metrics": [Metric(name, value, now, 0) for name, value in figures.items()],
        "tags": [RunTag(name, value) for name, value in tags.items()],
    }


def _tags(registration: Registration) -> dict[str, str]:
    compared = registration.comparison
    return {TAG_DIGEST: registration.package.digest, **({TAG_COMPARISON: compared.dumps()} if compared else {})}


def _dataset(contract: ArtifactContract) -> DatasetInput:
    data = contract.data
    target = ", ".join(one.name for one in contract.targets)
    profile = {"rows": data.rows, "sha256": data.sha256, "cleaning": data.cleaning, "target": target}
    dataset = Dataset(
        name=data.source.rpartition("/")[2],
        digest=data.sha256.removeprefix("sha256:")[:DATASET_DIGEST_LENGTH],
        source_type="kanarya",
        source=json.dumps({"uri": data.source}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _read_back(registry: Registry, model: str, version: str, digest: str) -> None:
    """Fetch the contract as anyone else would, and hold it to what was sent."""
    with tempfile.TemporaryDirectory() as directory:
        found = artifact.digest(registry.download(model, version, Path(directory), file=CONTRACT_FILE).read_bytes())
    if found != digest:
        raise RegistryError(
            f"MLflow at {registry.address.shown} hands out another {CONTRACT_FILE} ({found}) than was sent ({digest})"
        )


def _mark_failed(registry: Registry, run_id: str) -> None:
    """As a courtesy to whoever looks at the run. What went wrong is on its way to the caller and must not be replaced."""
    try:
        registry.address.probe()
        registry.client.set_terminated(run_id, "FAILED")
    except (RegistryError, MlflowException):
        return
