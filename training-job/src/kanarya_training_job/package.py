"""The artifact: a directory that carries its own contract, built and checked before the registry hears of it.

Called by the pipeline. Writes MLflow's scikit-learn flavour (skops, never pickle), `model.onnx` where the conversion passed,
the model card, and at last `kanarya.json` with the digest of every other file. Then reads everything back from the disk and
asks the very file that will serve for the example's answers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import skops.io

from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget, FileDigest, Metric, Runtime, Target, Tensor
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import card, conversion, identity, reference, runtime, safety
from kanarya_training_job.evaluation import Answers, ClassAnswers
from kanarya_training_job.features import Rows
from kanarya_training_job.quiet_mlflow import save_sklearn
from kanarya_training_job.search import Found
from kanarya_training_job.settings import Settings
from kanarya_training_job.workspace import writing

SKOPS_FILE = "model.skops"
"""MLflow's own name for it."""

ONNX_FILE = "model.onnx"

REQUIREMENTS = ("scikit-learn", "numpy", "pandas", "scipy", "skops")
"""What `mlflow.sklearn.load_model` needs. Given, because MLflow would take seven seconds to guess them."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """An artifact on this disk that was found to be what its contract says."""

    directory: Path
    contract: ArtifactContract
    digest: str
    """Of kanarya.json's bytes: the artifact's."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Everything `build` writes about."""

    settings: Settings
    found: Found
    train: Rows
    holdout: Rows
    targets: tuple[Target, ...]
    answers: Answers
    """scikit-learn's, on the held-out rows."""
    like: ArtifactContract | None
    """The champion's contract, whose bins this one's predictions are counted in."""
    metrics: dict[str, Metric]
    data: artifact.Data
    training_digest: str


def build(trained: Trained, directory: Path) -> Package:
    """Write the artifact into `directory`, which must not exist, and check it.

    Raises KanaryaError: the disk refuses, skops names a type that is not allowed, the check fails.
    """
    estimator, holdout = trained.found.estimator, trained.holdout
    content = skops.io.dumps(estimator)
    trusted = safety.trusted_types(content)
    converted = conversion.convert(estimator, trained.targets, holdout, trained.answers, trained.settings.conversion)
    with writing(directory):
        save_sklearn(
            estimator,
            directory,
            example=holdout.frame[holdout.names],
            labels=holdout.frame[list(holdout.targets)] if holdout.several else holdout.labels,
            trusted_types=trusted,
            requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
        if converted.onnx is not None:
            (directory / ONNX_FILE).write_bytes(converted.onnx)
        contract = _contract(trained, converted, files=digests(directory))
        (directory / card.FILE).write_text(card.write(contract), encoding="utf-8")
        (directory / CONTRACT_FILE).write_bytes(_contract(trained, converted, files=digests(directory)).dumps())
    return open_checked(directory)


def open_checked(directory: Path, expected: str | None = None) -> Package:
    """An artifact from the disk, held to its contract: every file's digest, and the example through the file that serves.

    `expected`: the digest that kanarya.json must have. Raises KanaryaError with everything that is wrong.
    """
    try:
        content = (directory / CONTRACT_FILE).read_bytes()
    except OSError as error:
        raise KanaryaError(f"the artifact has no readable {CONTRACT_FILE}: {error.strerror}") from None
    digest = artifact.digest(content)
    if expected is not None and digest != expected:
        raise KanaryaError(f"{CONTRACT_FILE} has digest {digest}, {expected} was registered: it was changed since")
    contract = artifact.parse(content)
    problems = contract.file_problems(digests(directory)) or _example_problems(directory, contract)
    if problems:
        raise KanaryaError(f"the artifact of {contract.model} is not what its contract says:\n  " + "\n  ".join(problems))
    return Package(directory=directory, contract=contract, digest=digest)


def digests(directory: Path) -> dict[str, FileDigest]:
    """Every file below a directory but the contract, by relative path."""
    found = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        name = path.relative_to(directory).as_posix()
        if name != CONTRACT_FILE:
            content = path.read_bytes()
            found[name] = FileDigest(sha256=f"sha256:{hashlib.sha256(content).hexdigest()}", size=len(content))
    return found


def _example_problems(directory: Path, contract: ArtifactContract) -> list[str]:
    answers = runtime.open_artifact(directory, contract)(reference.frame_of(contract.example))
    return contract.example_problems(_flat(answers, contract.targets))


def _flat(answers: Answers, targets: tuple[Target, ...]) -> dict[str, Sequence[object]]:
    """Output → its elements, row by row."""
    outputs: dict[str, Sequence[object]] = {}
    for target in targets:
        said = answers[target.name]
        if isinstance(said, ClassAnswers):
            label, probabilities = target.outputs
            outputs[label] = said.labels
            outputs[probabilities] = said.probabilities.ravel().tolist()
        else:
            outputs[target.outputs[0]] = said.values.tolist()
    return outputs


def _contract(trained: Trained, converted: conversion.Converted, files: dict[str, FileDigest]) -> ArtifactContract:
    settings, best = trained.settings, trained.found.best
    served = Runtime(
        format="skops" if converted.onnx is None else "onnx",
        file=SKOPS_FILE if converted.onnx is None else ONNX_FILE,
        reason=converted.reason,
        parity=converted.parity,
    )
    return ArtifactContract(
        model=settings.model,
        inputs=reference.inputs(trained.train, nullable=settings.cleaning.missing == "impute"),
        task=settings.task,
        outputs=_outputs(trained, served),
        targets=trained.targets,
        runtime=served,
        reference=reference.reference(trained.train, trained.answers, trained.like),
        example=reference.example(trained.holdout, trained.answers, trained.targets, whole_numbers=trained.train.whole_numbers),
        metrics=trained.metrics,
        data=trained.data,
        training=artifact.Training(
            digest=trained.training_digest,
            code_revision=identity.code_revision(),
            seed=settings.seed,
            family=best.family,
            parameters={name: str(value) for name, value in sorted(best.parameters.items())},
            predictions_digest=identity.predictions_digest(trained.answers),
            libraries=identity.libraries(),
        ),
        files=files,
    )


def _outputs(trained: Trained, served: Runtime) -> tuple[Tensor, ...]:
    numbers = Datatype.FP32 if served.format == "onnx" else Datatype.FP64
    labels = Datatype.INT64 if trained.train.whole_numbers else Datatype.BYTES
    outputs = []
    for target in trained.targets:
        if isinstance(target, CategoricalTarget):
            label, probabilities = target.outputs
            outputs.append(Tensor(name=label, datatype=labels, shape=(-1,)))
            outputs.append(Tensor(name=probabilities, datatype=numbers, shape=(-1, len(target.classes))))
        else:
            outputs.append(Tensor(name=target.value, datatype=numbers, shape=(-1,)))
    return tuple(outputs)
