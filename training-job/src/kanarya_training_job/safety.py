"""Which types a skops file may name: a list of ours, fixed, by module. Called before a model is packaged and before one is
loaded (a champion's).

skops builds objects only of types it is told to trust. MLflow takes that list from the model itself, which is no boundary;
ours is the one that the server goes by too (`kanarya_contracts.skops_types`).
"""

import skops.io

from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.skops_types import SKOPS_MODULES, SKOPS_TYPES


def trusted_types(content: bytes) -> list[str]:
    """What a skops file names beyond skops' own defaults, every one of it on our list, sorted.

    Raises KanaryaError that names the types that are not. Loads nothing.
    """
    named = sorted(skops.io.get_untrusted_types(data=content))
    refused = [name for name in named if not _is_allowed(name)]
    if refused:
        raise KanaryaError(
            f"the model's skops file names types that are not on the allow-list: {', '.join(refused)}. "
            "It is not loaded. Use another model family, or have the type reviewed and added to kanarya_contracts.skops_types."
        )
    return named


def _is_allowed(name: str) -> bool:
    return name in SKOPS_TYPES or name.startswith(SKOPS_MODULES)
