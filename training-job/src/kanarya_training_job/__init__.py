"""Image 1: trains a scikit-learn model from a configuration file and registers a version that carries its own contract.

    from kanarya_training_job import load_settings, train
    outcome = train(load_settings(Path("examples/iris.yaml")), registry_uri="http://127.0.0.1:5000", work_dir=Path("work"))

Importing this package is cheap. The libraries that train come with the first `train`, or earlier with
`import kanarya_training_job.pipeline`, which takes seconds and can be done in a thread while something else starts.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kanarya_training_job.address import parse as parse_address
from kanarya_training_job.configuration import load_settings
from kanarya_training_job.outcome import ComparisonRefused, Event, Outcome, Override, RegistryError
from kanarya_training_job.settings import Settings

if TYPE_CHECKING:
    from kanarya_training_job.adoption import Adopted

__all__ = [
    "ComparisonRefused",
    "Event",
    "Outcome",
    "Override",
    "RegistryError",
    "Settings",
    "adopt",
    "load_settings",
    "log_event",
    "train",
]

_log = logging.getLogger(__name__)


def log_event(event: Event) -> None:
    """The default reporter: a log line an event."""
    count = f" [{event.done}/{event.total}]" if event.total is not None else ""
    _log.info("%s%s: %s", event.step, count, event.message)


def train(
    settings: Settings,
    *,
    registry_uri: str,
    work_dir: Path,
    alias: str | None = None,
    override: Override | None = None,
    retrain: bool = False,
    report: Callable[[Event], None] = log_event,
) -> Outcome:
    """Train, compare with the champion, register, set the alias; or recognise that this was done before, and set the alias.

    `registry_uri`: MLflow's address. `work_dir`: where a folder for this training is made. `alias`: instead of
    `settings.registry.alias`. `override`: register whatever the comparison says; recorded. `retrain`: train even if data, code
    and configuration are those of a version. `report`: called in this thread as things happen.

    Raises InvalidInput (data), ComparisonRefused (nothing registered), RegistryError (no alias moved), KanaryaError (an address
    that is none, disk, hyperparameters, a type that may not be stored).
    """
    address = parse_address(registry_uri)
    address.probe()
    from kanarya_training_job import pipeline  # noqa: PLC0415 (seconds of imports that reading a configuration does without)

    return pipeline.run(
        settings,
        address=address,
        work_dir=work_dir,
        alias=alias,
        override=override,
        retrain=retrain,
        report=report,
    )


def adopt(directory: Path, *, registry_uri: str, alias: str | None) -> "Adopted":
    """Register an artifact that was made elsewhere, uncompared, and point the alias to it.

    Raises InvalidInput (its contract), KanaryaError (its files, an address that is none), RegistryError (no alias moved).
    """
    address = parse_address(registry_uri)
    address.probe()
    from kanarya_training_job import adoption  # noqa: PLC0415 (as above)

    return adoption.adopt(directory, address=address, alias=alias)
