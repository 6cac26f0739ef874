"""What a check says. Made by the checks beside this file, shown by `report`."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is."""

    FINE = "fine"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be looked at: a right is missing, or the thing is outside of the cluster."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """What: `Gateway kserve/kserve-ingress-gateway`."""
    state: State
    message: str
    """How it is, in words."""
    advice: str = ""
    """What to do; always there where something is wrong."""


def fine(subject: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(subject=subject, state=State.FINE, message=message)


def wrong(subject: str, message: str, advice: str) -> Finding:
    """It is not."""
    return Finding(subject=subject, state=State.WRONG, message=message, advice=advice)


def unknown(subject: str, message: str, advice: str = "") -> Finding:
    """Nobody knows."""
    return Finding(subject=subject, state=State.UNKNOWN, message=f"could not be looked at: {message}", advice=advice)
