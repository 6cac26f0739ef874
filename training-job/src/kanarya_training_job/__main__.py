"""The image's entry point: `kanarya-training-job CONFIG`. What a Kubernetes Job runs, and nothing a person would want to type
every day: that is `kanarya train`.

Exit status, for a Job's `podFailurePolicy`:

    0   a version is registered (or was there already) and its alias is set
    1   refused by the offline comparison: nothing was registered
    2   bad input: configuration, data, hyperparameters, arguments, or a directory that cannot be written; again would not help
    3   the registry did not answer, or refused: again may help
    70  a fault of ours, with a traceback

The outcome goes to standard output as one line of JSON, everything else to standard error.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import ComparisonRefused, Outcome, Override, RegistryError, load_settings, train

_log = logging.getLogger(__name__)

TERMINATION_MESSAGE_BYTES = 4096
"""What Kubernetes keeps of a container's last words."""

EXIT_REFUSED, EXIT_BAD_INPUT, EXIT_REGISTRY, EXIT_FAULT = 1, 2, 3, 70


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training and return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        outcome = train(
            load_settings(options.config),
            registry_uri=options.registry,
            work_dir=options.work_dir,
            alias=options.alias,
            override=_override(options),
            retrain=options.retrain,
        )
    except KanaryaError as error:
        sys.stderr.write(f"kanarya-training-job: {error}\n")
        return _status(error)
    except Exception:  # noqa: BLE001 (a traceback and its own status, so that a Job does not take a fault for a refusal)
        _log.exception("a fault of the training job")
        return EXIT_FAULT
    sys.stdout.write(f"{json.dumps(_shown(outcome))}\n")
    _leave_outcome(outcome)
    return 0


def _leave_outcome(outcome: Outcome) -> None:
    """Write the few words that `kubectl get` shows of a Job's pod, where KANARYA_OUTCOME_FILE says. The model is registered
    whether or not that succeeds."""
    path = os.environ.get("KANARYA_OUTCOME_FILE")
    if not path:
        return
    metrics = {name: round(value, 6) for name, value in outcome.metrics.items()}
    words = {"version": outcome.version, "alias": outcome.alias, "trained": outcome.trained, "digest": outcome.digest}
    try:
        Path(path).write_text(json.dumps({"model": outcome.model, **words, "metrics": metrics})[:TERMINATION_MESSAGE_BYTES])
    except OSError as error:
        _log.warning("the outcome could not be left in %s: %s", path, error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kanarya-training-job",
        description="Train from a configuration, compare with the champion, register a version.",
        epilog="Exit status: 0 registered, 1 refused by the comparison, 2 bad input, 3 registry unreachable, 70 a fault.",
    )
    parser.add_argument("config", type=Path, help="the training configuration, YAML")
    registry = os.environ.get("MLFLOW_TRACKING_URI")
    parser.add_argument(
        "--registry",
        default=registry,
        required=registry is None,
        metavar="URL",
        help="MLflow's address (default: MLFLOW_TRACKING_URI)",
    )
    work_dir = Path(os.environ.get("KANARYA_WORK_DIR", "work"))
    parser.add_argument(
        "--work-dir",
        type=Path,
        default=work_dir,
        metavar="DIR",
        help="where artifacts are built (default: KANARYA_WORK_DIR, work)",
    )
    parser.add_argument("--alias", help="set this alias instead of the configuration's")
    parser.add_argument("--retrain", action="store_true", help="train even if data, code and configuration are unchanged")
    parser.add_argument("--override-comparison", metavar="REASON", help="register even if the champion is better; recorded")
    parser.add_argument("--by", help="who overrides; recorded, and required with --override-comparison")
    return parser


def _override(options: argparse.Namespace) -> Override | None:
    if options.override_comparison is None:
        return None
    if not options.by:
        raise KanaryaError("--override-comparison needs --by: an override is recorded with who asked for it")
    return Override(reason=options.override_comparison, by=options.by)


def _status(error: KanaryaError) -> int:
    if isinstance(error, ComparisonRefused):
        return EXIT_REFUSED
    return EXIT_REGISTRY if isinstance(error, RegistryError) else EXIT_BAD_INPUT


def _shown(outcome: Outcome) -> dict[str, object]:
    return {
        "model": outcome.model,
        "version": outcome.version,
        "digest": outcome.digest,
        "alias": outcome.alias,
        "trained": outcome.trained,
        "metrics": dict(outcome.metrics),
        "comparison": json.loads(outcome.comparison.dumps()),
        "artifactDir": str(outcome.artifact_dir),
        "runId": outcome.run_id,
    }


if __name__ == "__main__":
    sys.exit(main())
