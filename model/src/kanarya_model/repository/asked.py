"""What a client asks of the repository, read as strictly as everything: alike over REST and gRPC. Called by the edges."""

from collections.abc import Mapping
from typing import NamedTuple

from kanarya_model.core.refusal import Reason, Refusal, quoted, shown

EXTENSION = "model_repository"
"""As the server's metadata names it."""

_KINDS = {bool: "true or false", str: "a string", dict: "an object"}
_LOAD: Mapping[str, type] = {"version": str, "default": bool}
_UNLOAD: Mapping[str, type] = {"version": str, "unload_dependents": bool}
"""Triton's clients always say whether what depends on the model is to go with it. Here nothing does."""


class Load(NamedTuple):
    """Which version, and whether it is to be the default. None: the directory's choice."""

    version: str | None
    default: bool


def ready_alone(document: Mapping[str, object]) -> bool:
    """Whether an index is to have the versions that answer, and no others. Raises Refusal."""
    return _members(document, "", {"ready": bool}).get("ready") is True


def parameters(document: Mapping[str, object]) -> Mapping[str, object]:
    """Those of a body. Raises Refusal."""
    given = _members(document, "", {"parameters": dict}).get("parameters")
    return given if isinstance(given, dict) else {}


def load(given: Mapping[str, object]) -> Load:
    """These parameters of a load. Raises Refusal."""
    chosen = _members(given, "parameters.", _LOAD)
    return Load(_text(chosen, "version"), chosen.get("default") is not False)


def unload(given: Mapping[str, object]) -> str | None:
    """The version that these parameters name, or None for all. Raises Refusal."""
    return _text(_members(given, "parameters.", _UNLOAD), "version")


def _members(document: Mapping[str, object], prefix: str, known: Mapping[str, type]) -> Mapping[str, object]:
    """The document, with no member but these. Raises Refusal."""
    for name, value in document.items():
        if name not in known:
            expected = " or ".join(f"{prefix}{one}" for one in known)
            raise Refusal(Reason.FIELD, f"body: got the member {quoted(f'{prefix}{name}')}, expected {expected}")
        if type(value) is not known[name]:
            raise Refusal(Reason.FIELD, f"{prefix}{name}: got {shown(value)}, expected {_KINDS[known[name]]}")
    return document


def _text(chosen: Mapping[str, object], name: str) -> str | None:
    value = chosen.get(name)
    return value if isinstance(value, str) else None
