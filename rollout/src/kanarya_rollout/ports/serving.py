"""Backends: what runs a version. Called by `observe` and `act`. Local adapter: processes. On Kubernetes: KServe's pods."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from kanarya_contracts.rollout import VersionRef


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


class Serving(Protocol):
    """Runs versions of one model. Level-based: `ensure` says what is to run, `backends` what does."""

    def backends(self) -> Mapping[str, Backend]:
        """Every backend that runs, is starting, or could not: by version. Asks the example of one that is newly Ready."""
        ...

    def ensure(self, stable: VersionRef | None, others: Collection[VersionRef] = ()) -> None:
        """Start what is wanted and not there: fetch, verify against `digest`, start. Returns at once, never waits for readiness.

        Stops backends that are not wanted, gracefully: the caller has seen to it that they get no traffic. Idempotent.
        `stable` is named apart because KServe keeps it in `spec.predictor`, the others in `spec.canary`.
        """
        ...
