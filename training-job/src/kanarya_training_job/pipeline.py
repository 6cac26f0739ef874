"""The list of steps: load → validate → clean → split → search → evaluate → package → compare → register.

Called by `kanarya_training_job.train`, which imports it late: this module pulls in every heavy library, so that whoever wants
to can have them loaded (`import kanarya_training_job.pipeline`) while something else starts.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.names import CONTRACT_FILE, TAG_COMPARISON
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import (
    card,
    comparison,
    evaluation,
    package,
    pictures,
    reference,
    runtime,
    workspace,
)
from kanarya_training_job.address import Address
from kanarya_training_job.families import classes_of
from kanarya_training_job.features import Rows
from kanarya_training_job.outcome import Comparison, ComparisonRefused, Event, Outcome, Override, RegistryError
from kanarya_training_job.package import Package, Trained
from kanarya_training_job.prepare import Prepared, Report, prepare
from kanarya_training_job.register import Registration, register
from kanarya_training_job.registry import Registry, Version
from kanarya_training_job.search import Found, Progress, search
from kanarya_training_job.settings import Settings
from kanarya_training_job.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A checked artifact, and the version it is already, if it was registered before."""

    package: Package
    version: Version | None


def run(
    settings: Settings,
    *,
    address: Address,
    work_dir: Path,
    alias: str | None,
    override: Override | None,
    retrain: bool,
    report: Report,
) -> Outcome:
    """Every step in order. See `kanarya_training_job.train`."""
    registry = Registry(address)
    prepared = prepare(settings, report)
    place = workspace.make(work_dir, f"{settings.model}-{prepared.training_digest[7:19]}")
    workspace.write_rows(prepared.train, place.train_rows)
    workspace.write_rows(prepared.holdout, place.holdout_rows)
    candidate = None if retrain else _recognise(registry, settings.model, prepared.training_digest, place, report)
    if candidate is None:
        like = _champion_contract(registry, settings, report) if settings.task == "regression" else None
        candidate = Candidate(package=build(settings, prepared, place, report, like=like), version=None)
    alias = alias or settings.registry.alias
    compared = _compare(registry, settings, candidate, prepared.holdout, place.champion, override)
    report(Event(step="compare", message=compared.sentence + _overridden(override)))
    if not compared.passed and (alias or candidate.version is None):
        raise ComparisonRefused(compared)
    version = _registered(registry, settings, candidate, compared, place, report)
    if alias:
        registry.set_alias(settings.model, alias, version.version)
        report(Event(step="register", message=f"{settings.model} version {version.version} is {alias}"))
    return Outcome(
        model=settings.model,
        version=version.version,
        digest=candidate.package.digest,
        alias=alias,
        trained=candidate.version is None,
        metrics={name: metric.value for name, metric in candidate.package.contract.metrics.items()},
        comparison=compared,
        artifact_dir=candidate.package.directory,
        train_rows_file=place.train_rows,
        holdout_rows_file=place.holdout_rows,
        run_id=version.run_id,
    )


# --- recognise, or search, evaluate, package -------------------------------------------------------------------------


def _recognise(registry: Registry, model: str, training_digest: str, place: Workspace, report: Report) -> Candidate | None:
    """What this very training made before, if it is still whole."""
    version = registry.by_training(model, training_digest)
    if version is None:
        return None
    try:
        fetched = _fetch(registry, model, version, place.artifact)
    except KanaryaError as error:
        if isinstance(error, RegistryError) and not error.answered:
            raise
        shutil.rmtree(place.artifact, ignore_errors=True)
        report(Event(step="search", message=f"version {version.version} came of this training but is not whole: {error}"))
        return None
    same = f"data, code and configuration are those of version {version.version}: not trained again"
    report(Event(step="search", message=same))
    return Candidate(package=fetched, version=version)


def _fetch(registry: Registry, model: str, version: Version, into: Path) -> Package:
    """A version's artifact, held to the digest in the registry. Raises KanaryaError."""
    if version.digest is None:
        raise KanaryaError("the registry has no digest of it, so nothing vouches for its files")
    with workspace.writing(into):
        into.mkdir()
    registry.download(model, version.version, into)
    return package.open_checked(into, expected=version.digest)


def _champion_contract(registry: Registry, settings: Settings, report: Report) -> ArtifactContract | None:
    """The champion's, whose bins and bounds this version takes over, so that the two are measured alike. None where there is
    none that could be read, which is said."""
    champion = registry.by_alias(settings.model, settings.comparison.against)
    if champion is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as directory:
            content = registry.download(settings.model, champion.version, Path(directory), file=CONTRACT_FILE).read_bytes()
        return artifact.parse(content)
    except KanaryaError as error:
        if isinstance(error, RegistryError) and not error.answered:
            raise
        own = f"version {champion.version}'s bins cannot be taken over, this version has its own: {error}"
        report(Event(step="search", message=own))
        return None


def build(
    settings: Settings, prepared: Prepared, place: Workspace, report: Report, *, like: ArtifactContract | None = None
) -> Package:
    """Search, evaluate the winner on the held-out rows, package it. `like`: whose bins and bounds it takes over."""
    holdout = prepared.holdout
    found = search(prepared.train, settings, lambda progress: report(_candidate_done(progress, settings)))
    targets = reference.targets(prepared.train, classes_of(found.estimator), bounds=settings.error_bounds, like=like)
    answers = runtime.of_estimator(found.estimator, holdout.columns, targets)(holdout.frame)
    held_out = {str(name): value for name, value in evaluation.measure_all(settings.measured, holdout, answers).items()}
    figures = ", ".join(f"{name} {value:.3f}" for name, value in held_out.items())
    report(Event(step="evaluate", message=f"{found.best.family} on {len(holdout)} held-out rows: {figures}", figures=held_out))
    with workspace.writing(place.run):
        pictures.draw(holdout, answers, place.run)
        (place.run / "search.json").write_text(_trials(found), encoding="utf-8")
    metrics = {f"cv-{name}": metric for name, metric in found.best.metrics.items()}
    trained = Trained(
        settings=settings,
        found=found,
        train=prepared.train,
        holdout=holdout,
        targets=targets,
        answers=answers,
        like=like,
        metrics=metrics | {f"holdout-{name}": artifact.Metric(value=value) for name, value in held_out.items()},
        data=prepared.data,
        training_digest=prepared.training_digest,
    )
    built = package.build(trained, place.artifact)
    served = built.contract.runtime
    why = f" ({served.reason})" if served.reason else ""
    report(Event(step="package", message=f"served as {served.format}{why}; reproduces its example; {built.digest[:19]}…"))
    return built


def _candidate_done(progress: Progress, settings: Settings) -> Event:
    scoring = settings.scoring
    metric = progress.trial.metrics[scoring]
    spread = metric.spread or 0.0
    chosen = ", ".join(f"{name} {value}" for name, value in progress.trial.parameters.items()) or "defaults"
    return Event(
        step="search",
        message=f"{progress.trial.family} ({chosen}): {scoring} {metric.value:.3f} ± {spread:.3f}",
        done=progress.done,
        total=progress.total,
        figures={scoring: metric.value, "spread": spread, "best": progress.best},
    )


def _trials(found: Found) -> str:
    """Every candidate of the search, for people who look at the run."""
    trials = [
        {
            "family": trial.family,
            "parameters": trial.parameters,
            "metrics": {name: {"mean": metric.value, "spread": metric.spread} for name, metric in trial.metrics.items()},
        }
        for trial in found.trials
    ]
    return json.dumps(trials, indent=2) + "\n"


# --- compare, register -----------------------------------------------------------------------------------------------


def _compare(
    registry: Registry, settings: Settings, candidate: Candidate, holdout: Rows, into: Path, override: Override | None
) -> Comparison:
    """The candidate's own file against the champion's, on the same held-out rows."""
    found = comparison.Gate(rule=settings.comparison, metric=settings.compared_by, rows=len(holdout), override=override)
    champion = registry.by_alias(settings.model, settings.comparison.against)
    if champion is None:
        return found.without_champion()
    if candidate.version is not None and champion.version == candidate.version.version:
        return found.same_version(champion.version)
    try:
        theirs = _fetch(registry, settings.model, champion, into)
        answers = [
            runtime.open_artifact(one.directory, one.contract)(_with_columns(holdout, one))
            for one in (candidate.package, theirs)
        ]
    except KanaryaError as error:
        if isinstance(error, RegistryError) and not error.answered:
            raise
        return found.not_comparable(champion.version, str(error))
    return found.compare(holdout, *answers, version=champion.version)


def _with_columns(holdout: Rows, of: Package) -> pd.DataFrame:
    """The held-out rows, if they have what a model needs."""
    needed = [column.name for column in of.contract.inputs]
    absent = sorted(set(needed) - set(holdout.names))
    if absent:
        raise KanaryaError(f"it needs {', '.join(absent)}, which this configuration does not use")
    return holdout.frame[needed]


def _overridden(override: Override | None) -> str:
    return f"; overridden by {override.by}: {override.reason}" if override else ""


def _registered(
    registry: Registry, settings: Settings, candidate: Candidate, compared: Comparison, place: Workspace, report: Report
) -> Version:
    """The candidate's version, made unless it is there."""
    if candidate.version is not None:
        if compared.override:
            registry.annotate(settings.model, candidate.version.version, {TAG_COMPARISON: compared.dumps()})
        return candidate.version
    with workspace.writing(place.run):
        shutil.copy(place.artifact / card.FILE, place.run)
    version = register(
        registry,
        Registration(
            model=settings.model,
            experiment=settings.registry.experiment or settings.model,
            package=candidate.package,
            comparison=compared,
            parameters=_shown(settings),
            run_files=place.run,
        ),
    )
    report(Event(step="register", message=f"{settings.model} version {version.version}, run {version.run_id}"))
    return version


def _shown(settings: Settings) -> dict[str, str]:
    """What the run shows of the configuration."""
    split_by = "a file" if settings.split.evaluation is not None else f"{settings.split.fraction:g} drawn"
    return {
        "seed": str(settings.seed),
        "split": split_by,
        "folds": str(settings.search.folds),
        "scoring": settings.scoring,
        "families": ", ".join(dict.fromkeys(candidate.family for candidate in settings.candidates)),
    }
