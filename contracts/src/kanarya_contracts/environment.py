"""Variables of a process's environment that are meant for it. Used by whoever has settings there.

A misspelt variable is to be refused, so every one that begins with a program's prefix is looked at, but for those that
Kubernetes puts there by itself: for a Service `kanarya-model` each pod of its namespace gets KANARYA_MODEL_SERVICE_HOST, and
KANARYA_MODEL_PORT=tcp://10.96.0.7:80 (Kubernetes documentation, "Environment variables", of Services).
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

_HOST = "_SERVICE_HOST"
_LINK = re.compile(r"_SERVICE_(HOST|PORT|PORT_.+)|_PORT_\d+_(TCP|UDP|SCTP)(_.+)?")


def meant(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The variables that begin with `prefix`, less empty ones and those of Services."""
    services = [name.removesuffix(_HOST) for name in environment if name.endswith(_HOST)]
    ours = {name: value for name, value in environment.items() if name.startswith(prefix) and value}
    return {name: value for name, value in ours.items() if not any(_is_link(name, value, one) for one in services)}


def unknown(names: Iterable[str], known: Iterable[str], prefix: str) -> dict[str, str]:
    """Name → what is wrong with it, for each that is not known. All begin with `prefix`."""
    words = {name.removeprefix(prefix) for name in known}
    strange = sorted(name.removeprefix(prefix) for name in names)
    return {
        prefix + word: _told(prefix, get_close_matches(word, words, n=1, cutoff=0.8)) for word in strange if word not in words
    }


def _is_link(name: str, value: str, service: str) -> bool:
    rest = name.removeprefix(service)
    return rest != name and (bool(_LINK.fullmatch(rest)) or (rest == "_PORT" and "://" in value))


def _told(prefix: str, near: list[str]) -> str:
    return f"is no setting; did you mean {prefix}{near[0]}?" if near else "is no setting"
