"""What a gate is: a test together with what it has seen. Used by every gate and by `decide`.

A gate is a value. `fold` returns another one that has seen one window more; nothing else changes it. `saved` is all that
must be kept for a restart to go on exactly where it stopped: sums are kept as the bytes they are, so reading them back gives
the same bits.
"""

import math
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kanarya_contracts.rollout import Evidence, Signal

Saved = dict[str, list[str]]
"""Counts by name, as decimal strings, and sums as `packed` writes them: the form in which the ledger keeps them."""


class Gate(Protocol):
    """A test and what it has seen."""

    def fold(self, window: Any) -> "Gate":
        """The gate that has seen this window too."""
        ...

    def judge(self, elapsed: float | None = None) -> Evidence:
        """What it has seen and what it says now. `elapsed`: seconds since the candidate's first observation, if known; with
        it, what is missing is said in time too."""
        ...

    def saved(self) -> Saved:
        """What `opened` needs to continue."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """How a signal is spoken of."""

    observations: str
    bad: str


_WORDS = {
    "errors": Words(observations="requests", bad="failed"),
    "slow": Words(observations="answers", bad="slow"),
    "labels": Words(observations="labels", bad="wrong"),
}


def words(signal: Signal) -> Words:
    """The words for a signal whose observations are good or bad."""
    return _WORDS[signal]


def packed(sums: Iterable[float]) -> list[str]:
    """Running sums for `Saved`: base64 of their doubles."""
    return [b64encode(array("d", sums)).decode()]


def unpacked(saved: list[str]) -> tuple[float, ...]:
    """From `packed`."""
    return tuple(array("d", b64decode(saved[0])))


def progress(n: int, needs: int | None, observations: str) -> str:
    """`812 of about 1,900 candidate requests needed`."""
    if needs is None:
        return f"{n:,} candidate {observations} so far; at the rates seen it is not possible to say how many it needs"
    return f"{n:,} of about {_about(n + needs):,} candidate {observations} needed"


def timed(message: str, needs: int | None, n: int, elapsed: float | None) -> str:
    """A message with how long what is missing will take at the rate at which it has come so far: `…, at this rate 40m`."""
    if not needs or not n or not elapsed or elapsed < 0:
        return message
    seconds = elapsed * needs / n
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{message}, at this rate {seconds / size:.0f}{unit}"
    return f"{message}, at this rate {max(1, math.ceil(seconds))}s"


def _about(count: int) -> int:
    """Two significant digits: the estimate has no more."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step
