"""Backends: what runs a version. Called by `observe` and `act`. Local adapter: processes. On Kubernetes: KServe's pods."""

from collections.abc import Collection, Mapping
from typing import Protocol

from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.observation import Backend

__all__ = ["Backend", "Serving"]


class Serving(Protocol):
    """Runs versions of one model. Level-based: `ensure` says what is to run, `backends` what does."""

    def backends(self) -> Mapping[str, Backend]:
        """Every backend that runs, is starting, or could not: by version. Asks the example of one that is newly Ready."""
        ...

    def ensure(self, stable: VersionRef | None, others: Collection[VersionRef] = ()) -> None:
        """Start what is wanted and not there: fetch, verify against `digest`, start. Returns at once, before they are ready.

        Stops backends that are not wanted, gracefully: the caller has seen to it that they get no traffic. Idempotent.
        `stable` is named apart because KServe keeps it in `spec.predictor`, the others in `spec.canary`.
        """
        ...
