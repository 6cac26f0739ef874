"""What was predicted on copies, and the labels that come back for them: was the champion right, and was this version? Edges
bring both halves, in either order; `metrics` reads the counts.

Whoever has the truth reports it with the answer that somebody got: the champion's version, its prediction, the label, and the
request's id. The gateway copies that report as it has copied the request, so this server, which alone knows what it predicted
itself, has both. Nothing else is shared, and the champion's server keeps nothing.

Bounded: of more rows than `most`, the oldest are forgotten. An id that comes twice belongs to neither request: better no pair
than a wrong one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from threading import Lock

from kanarya_model.core.feedback import Labelled


@dataclass(frozen=True, kw_only=True, slots=True)
class _Half:
    """Of a request's rows, what waits for the other half. Neither, where two requests had the same id."""

    predicted: Sequence[str] | None = None
    """By this version."""
    told: Sequence[Labelled] | None = None

    def __len__(self) -> int:
        return len(self.predicted or self.told or "?")


class Pairs:
    """Of one version in this process. For any thread."""

    def __init__(self, *, most: int) -> None:
        """`most`: rows that are kept."""
        self._most = most
        self._rows = 0
        self._waiting: dict[str, _Half] = {}
        """By id, the oldest first."""
        self._lock = Lock()
        self.counts = {(champion, challenger): 0 for champion in (True, False) for challenger in (True, False)}
        """(champion's answer was right, this version's was) → rows."""

    def predicted(self, identity: str | None, labels: Sequence[object]) -> None:
        """This version's answer to a copy of the request with that id. Without an id no label finds it, and nothing is kept."""
        if identity:
            self._bring(identity, _Half(predicted=tuple(map(str, labels))))

    def told(self, labelled: Sequence[Labelled]) -> None:
        """Labels of requests that somebody else answered. One of several rows is reported whole and in order."""
        for identity, group in groupby(labelled, key=itemgetter(0)):
            self._bring(identity, _Half(told=tuple(group)))

    def _bring(self, identity: str, half: _Half) -> None:
        with self._lock:
            other = self._forget(identity)
            if other is None:
                self._keep(identity, half)
            elif half.predicted is not None and other.told is not None:
                self._count(half.predicted, other.told)
            elif half.told is not None and other.predicted is not None:
                self._count(other.predicted, half.told)
            else:
                self._keep(identity, _Half())

    def _count(self, predicted: Sequence[str], told: Sequence[Labelled]) -> None:
        if len(predicted) == len(told):
            for own, (_, champions, label) in zip(predicted, told, strict=True):
                self.counts[champions == label, own == label] += 1

    def _keep(self, identity: str, half: _Half) -> None:
        self._waiting[identity] = half
        self._rows += len(half)
        while self._rows > self._most:
            self._forget(next(iter(self._waiting)))

    def _forget(self, identity: str) -> _Half | None:
        half = self._waiting.pop(identity, None)
        self._rows -= len(half) if half is not None else 0
        return half
