"""What is to be done: the answer of `decide`, carried out by `act`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kanarya_contracts.names import Reason
from kanarya_contracts.rollout import ModelRolloutStatus, VersionRef
from kanarya_rollout.observation import Copies
from kanarya_rollout.sticky import Sticky


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that a person wants to hear of once."""

    type: str
    """`Normal` or `Warning`, as in Kubernetes."""
    reason: Reason
    message: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Backends that are to run; all others are to stop."""

    stable: VersionRef | None
    others: tuple[VersionRef, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AliasMove:
    """A compare-then-set in the registry."""

    alias: str
    to: str
    """Version."""
    expected: str | None
    """Version it must point to before."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One pass's outcome. Everything in it can be done again without harm."""

    now: datetime
    """When it was made."""
    status: ModelRolloutStatus
    """As it is to be written."""
    backends: Wanted | None
    """None: leave them as they are."""
    weights: Mapping[str, int] | None
    """Version → percent, summing to 100; None: leave the route as it is."""
    copies: Copies | None = None
    """What is to be copied beside; goes with `weights`."""
    sticky: Sticky | None = None
    """By what users are told apart; None: requests are drawn one by one."""
    alias: AliasMove | None = None
    """To be done before the status says so."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Version → tags to be set on it."""
    events: tuple[Event, ...] = ()
