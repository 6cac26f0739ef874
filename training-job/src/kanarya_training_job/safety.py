"""Which types a skops file may name: a list of ours, fixed, by module. Called before a model is packaged and before one is
loaded (a champion's).

skops builds objects only of types it is told to trust. MLflow takes that list from the model itself, which is no boundary;
this one comes from nowhere but here.
"""

import skops.io

from kanarya_contracts.problems import KanaryaError

ALLOWED_TYPES = frozenset({"numpy.dtype"})
"""Types by their full name."""

ALLOWED_MODULES = (
    "sklearn._loss.",
    "sklearn.calibration.",
    "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn.metrics._dist_metrics.",
    "sklearn.neighbors._ball_tree.",
    "sklearn.neighbors._kd_tree.",
    "sklearn.tree._tree.",
)
"""Modules all of whose types may be named, beyond those that skops itself trusts (estimators, arrays, plain values). They
hold the state of our families' estimators and nothing that runs a command or opens a file."""


def trusted_types(content: bytes) -> list[str]:
    """What a skops file names beyond skops' own defaults, every one of it on our list, sorted.

    Raises KanaryaError that names the types that are not. Loads nothing.
    """
    named = sorted(skops.io.get_untrusted_types(data=content))
    refused = [name for name in named if not _is_allowed(name)]
    if refused:
        raise KanaryaError(
            f"the model's skops file names types that are not on the allow-list: {', '.join(refused)}. "
            "It is not loaded. Use another model family, or have the type reviewed and added to safety.ALLOWED_MODULES."
        )
    return named


def _is_allowed(name: str) -> bool:
    return name in ALLOWED_TYPES or name.startswith(ALLOWED_MODULES)
