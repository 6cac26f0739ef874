"""What a training tells its caller: events while it runs, an outcome at the end, and the errors that are its own. Light to
import: the command reads it without the libraries that train.

KanaryaError
├── InvalidInput           the configuration or the data are wrong        exit status 2
├── ComparisonRefused      the champion is better                         exit status 1
└── RegistryError          MLflow did not answer, or refused              exit status 3
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from kanarya_contracts.problems import KanaryaError
from kanarya_training_job.tasks import MetricName

STEPS = ("load", "validate", "clean", "split", "search", "evaluate", "package", "compare", "register")
"""Names of the steps, in order."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened. Steps that count say how far they are."""

    step: str
    """One of STEPS."""
    message: str
    """For people, one line."""
    done: int | None = None
    """How many of `total`; None where nothing is counted."""
    total: int | None = None
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Numbers of this moment, by name."""


Verdict = Literal["no-champion", "is-champion", "better", "as-good", "worse", "not-comparable"]


@dataclass(frozen=True, kw_only=True)
class Override:
    """A person's decision to register whatever the comparison says."""

    reason: str
    """Why; recorded."""
    by: str
    """Who; recorded."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was found."""

    verdict: Verdict
    metric: MetricName
    rows: int
    """Held-out rows, the same for both."""
    tolerance: float
    candidate: float | None = None
    champion: float | None = None
    champion_version: str | None = None
    only_candidate_right: int | None = None
    """Rows that the candidate labels right and the champion wrong; None for numbers, which are neither."""
    only_champion_right: int | None = None
    """Rows that the champion labels right and the candidate wrong."""
    reason: str | None = None
    """Why they could not be compared."""
    override: Override | None = None

    @property
    def passed(self) -> bool:
        """Whether the candidate may be registered: by its merit, or by an override."""
        return self.override is not None or self.verdict not in {"worse", "not-comparable"}

    @property
    def sentence(self) -> str:
        """For people."""
        if self.verdict == "no-champion":
            return "there is no champion to compare with"
        if self.verdict == "is-champion":
            return f"this is the champion, version {self.champion_version}"
        if self.verdict == "not-comparable":
            return f"the champion, version {self.champion_version}, cannot be compared with: {self.reason}"
        words = {"better": "better than", "as-good": "as good as", "worse": "worse than"}
        return (
            f"{self.metric} {self.candidate:.3f} on {self.rows} held-out rows is {words[self.verdict]} "
            f"version {self.champion_version}'s {self.champion:.3f}"
        )

    def dumps(self) -> str:
        """As JSON, for TAG_COMPARISON."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}, sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a training. Every path is below the `work_dir` that was given."""

    model: str
    version: str
    """The registry's version."""
    digest: str
    """`sha256:…` of the artifact's kanarya.json, as the registry has it in TAG_DIGEST."""
    alias: str | None
    """The alias that was set; None if none was."""
    trained: bool
    """False when a version of the same data, code and configuration was there already."""
    metrics: Mapping[str, float]
    """`holdout-accuracy`, `cv-accuracy`, …"""
    comparison: Comparison
    """With the champion of the moment."""
    artifact_dir: Path
    """The artifact, as registered."""
    train_rows_file: Path
    """CSV: the rows trained on, features and target, after cleaning."""
    holdout_rows_file: Path
    """CSV: the rows held out, features and target, after cleaning."""
    run_id: str
    """MLflow's run that the version came from."""


class ComparisonRefused(KanaryaError):
    """The champion is better on the held-out rows, or could not be compared with, and nobody overrode that. Nothing was
    registered and no alias moved."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        super().__init__(
            f"{comparison.sentence}. Nothing was registered, no alias moved. Only an override with a reason passes."
        )


class RegistryError(KanaryaError):
    """MLflow did not answer, or refused. The message says at what address, what was asked and what to do."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        self.answered = answered
        """Whether it did answer: it is there, and what was asked for is not."""
        super().__init__(message)
