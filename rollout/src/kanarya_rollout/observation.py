"""What was seen in one pass, as values: the ports answer in these words, `observe` collects them, `decide` reads them.

Pure values. Nothing here reads anything, so `decide` and its tests need no port.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from kanarya_contracts.rollout import RegistryRef, Request


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A part of the world that could not be read. Never a verdict on the model."""

    message: str
    """Who did not answer, and what it said."""
    unsupported: bool = False
    """It did answer, and is set up in a way that cannot work; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version as the registry has it now."""

    version: str
    digest: str | None
    """TAG_DIGEST; None where nobody wrote one."""
    uri: str
    """Immutable place of the artifact, as a storage URI or one that `serving` can fetch (`mlflow-artifacts:/…`)."""
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RegistryView:
    """What the registry says about one model."""

    stable: RegisteredVersion | None
    """Where the stable alias points; None if it points nowhere."""
    candidate: RegisteredVersion | None
    """Where the candidate alias points; None if it points nowhere."""
    rivals: Mapping[str, RegisteredVersion | None] = field(default_factory=dict)
    """Where the other aliases of an A/B test of several point."""
    gone: frozenset[str] = frozenset()
    """Of the versions that are on their way, or kept warm, those that do not exist any more."""

    def named(self, alias: str, spec: RegistryRef) -> RegisteredVersion | None:
        """Where a challenger's alias points."""
        return self.candidate if alias == spec.candidate_alias else self.rivals.get(alias)


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A version's server, as it is now."""

    version: str
    state: Literal["Starting", "Ready", "Refused", "Failed"]
    """`Refused`: the artifact is not what was registered, and nothing was started. `Failed`: it started and ended."""
    message: str = ""
    """Why it is not Ready, for people: which file, which digest, the last line of the log."""
    example_problems: tuple[str, ...] | None = None
    """Answers to the artifact's own example, asked of this backend directly: () when they are right, None while unasked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copies:
    """Requests that somebody else answers, and a version gets a copy of: its answers reach nobody."""

    version: str
    percent: int
    """Of the requests, each copied with this chance; 1 to 100."""


Kind = Literal[
    "requests",
    "mirrored",
    "errors",
    "faster",
    "right",
    "wrong",
    "pairs",
    "scores",
    "score-sum",
    "score-squares",
    "predictions",
    "users",
    "reached",
    "goal-scores",
    "goal-score-sum",
    "goal-score-squares",
    "goal-outside",
]
PairOutcome = Literal["both", "lost", "won", "neither"]
"""Of a pair: who was right; `lost`: the champion alone, `won`: the candidate alone."""
OUTCOMES: tuple[PairOutcome, ...] = ("both", "lost", "won", "neither")

"""What a series counts: inference requests answered with anything but 4xx; those of them that were copies; those with 5xx;
successes at or under a duration bound (`bound`); labels that proved a prediction right; wrong; labels of copies, by PairOutcome
(`of`); scores, their sum and the sum of their squares, both in whole millionths; rows answered with a class (`of`); users of an
A/B test of whom clients have reported, and those of them who reached the goal (`of`); where the goal is a mean, users, the sum
of their scores and of the squares, as shares of the way between the bounds, both in whole millionths, and users with a score
outside (`of`: the goal with its bounds). All but labels, scores and users count copies too."""


class Series(NamedTuple):
    """A cumulative counter of one process, as read now. A tuple, because each pass makes a few for every process."""

    source: str
    """Which process: unique over restarts and ports (it carries the start time), so a reset is a new source."""
    version: str
    kind: Kind
    value: int
    bound: float | None = None
    """For `faster`: the histogram's upper bound in seconds; None is +Inf (every success)."""
    of: str | None = None
    """For `predictions`: the class. For `pairs`: the PairOutcome. Of users: what the goal is counted as."""
    started: datetime | None = None
    """When the process started, where the adapter knows. A process first seen in mid-rollout counts from 0 if it started
    after the rollout did; the champion's, if that is unknown, counts from where it is first seen."""
    at: datetime | None = None
    """When the process said so, or earlier, where that was before the reading."""

    @property
    def key(self) -> str:
        """The series' name in the ledger."""
        what = self.of if self.bound is None else f"{self.bound:g}"
        return f"{self.source}|{self.version}|{self.kind}" + ("" if what is None else f"|{what}")


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What is known of the place where decisions are kept on record."""

    place: str
    """As a URL."""
    kept: int
    """Number of the last record of this rollout that is known to be kept there, with every one before it."""
    controller: str
    """Which controller this is."""
    query: str
    """What is asked for the counters."""


@dataclass(frozen=True, kw_only=True)
class BadRequest:
    """A value of ANNOTATION_REQUEST that cannot be read. It is answered once, like any request."""

    id: str
    """Digest of the text."""
    message: str
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Everything one decision rests on, beside the rollout itself."""

    now: datetime
    registry: RegistryView | Unread
    """At most `spec.registry.pollInterval` old."""
    backends: Mapping[str, Backend] | Unread
    """Version → its server."""
    in_force: Mapping[str, int] | Unread | None
    """Version → percent as the gateway routes now; None when someone else has written the route."""
    copies: Copies | None = None
    """What the gateway copies now, by the same word of it."""
    lag: timedelta = timedelta()
    """For how long after that word requests may still be split as before."""
    series: tuple[Series, ...] | Unread = ()
    """Counters of the stable version and the candidate, at most `spec.analysis.interval` old; of the new champion alone while
    the former one is warm; () when there is neither. Read anew whenever a weight is about to change or on its way."""
    counted_at: datetime | None = None
    """Up to when everything is in `series` at least; None: up to now."""
    drifting: tuple[str, ...] = ()
    """Columns of the requests that are unlike what the candidate was trained on; as old as `series`."""
    request: Request | BadRequest | None = None
    """ANNOTATION_REQUEST, unless it was answered before."""
    taken: str | None = None
    """Why this rollout may touch nothing: another one has what it claims."""
    archive: Archive | None = None
    """None where no record of decisions is kept."""
