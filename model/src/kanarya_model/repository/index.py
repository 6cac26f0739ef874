"""What there is to say of every version: of those that lie in the directory, and of those that answer. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from kanarya_model.core.versions import Versions

Key = tuple[str, str]
"""Model and version."""


class State(StrEnum):
    """The extension's words, as far as Triton and MLServer share them."""

    READY = "READY"
    LOADING = "LOADING"
    UNAVAILABLE = "UNAVAILABLE"


class Entry(NamedTuple):
    """A version in the index."""

    name: str
    version: str
    state: State
    reason: str
    """Why it is in that state; empty where there is nothing to say."""


DEFAULT = "the default version"
NOT_LOADED = "not loaded"


def index(
    there: Mapping[str, Sequence[str]],
    versions: Versions[Any],
    *,
    leaving: Mapping[Key, int],
    loading: Key | None,
    failed: Mapping[Key, str],
) -> list[Entry]:
    """An entry a version, by name. `leaving`: requests that each still has to end; `failed`: why the last load did."""
    entries = []
    for name in sorted({*there, *versions.models, *(name for name, _ in leaving)}):
        loaded = versions.of(name)
        left = (version for model, version in leaving if model == name)
        for version in dict.fromkeys((*there.get(name, ()), *loaded, *left)):
            key = name, version
            if version in loaded:
                reason = DEFAULT if versions.models[name].default == version else ""
                entry = Entry(*key, State.READY, failed.get(key, reason))
            elif key == loading:
                entry = Entry(*key, State.LOADING, "")
            elif key in leaving:
                entry = Entry(*key, State.UNAVAILABLE, f"unloaded, with {leaving[key]} requests to end")
            else:
                entry = Entry(*key, State.UNAVAILABLE, failed.get(key, NOT_LOADED))
            entries.append(entry)
    return entries
