"""Rollouts as the verbs see them, wherever they are. `where` says which of the two worlds a command line means.

    LocalRollouts     local mode's files
    ClusterRollouts   objects of an API server          (in `cluster`, because the client is slow to import)

Reads ModelRollouts and writes requests, as kubectl would; the controller does the rest. What is not there, or does not answer,
is a KanaryaError that says where it was looked for and how to look elsewhere.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kanarya_cli.local import stack
from kanarya_cli.local.store import FileStore
from kanarya_cli.options import DEFAULT_STATE
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout, Request


@dataclass(frozen=True, kw_only=True)
class Records:
    """Where the records of decisions are. None: nobody here knows."""

    namespace: str
    """Of the rollouts."""
    place: str | None = None
    """As a URL."""
    registry: str | None = None
    """MLflow's address."""


class Rollouts(Protocol):
    """The rollouts of one namespace, or of local mode, by their short names."""

    every: float
    """Seconds between looks, for who watches."""
    named: str
    """For sentences: `local mode (.kanarya/local)`."""
    options: str
    """What a command line needs to mean this place again: `-n kanarya`; empty where that is nothing."""

    def names(self) -> tuple[str, ...]:
        """Every rollout, sorted."""
        ...

    def get(self, name: str) -> ModelRollout:
        """The object. Raises KanaryaError if there is none."""
        ...

    def request(self, name: str, request: Request) -> None:
        """Ask something of the controller. Raises KanaryaError if there is no such rollout."""
        ...

    def controller(self) -> str:
        """The commands that show whether the controller runs and what it says."""
        ...

    def records(self) -> Records:
        """Where decisions are kept on record, as far as this place tells; a rollout's status may know more."""
        ...


class LocalRollouts:
    """Those under local mode's state directory."""

    every = 0.25

    def __init__(self, state: Path) -> None:
        self._state = state
        self._store = FileStore(state)
        self.named = f"local mode ({state})"
        self.options = "" if state == DEFAULT_STATE else f"--state {shlex.quote(str(state))}"

    def names(self) -> tuple[str, ...]:
        """As the port says."""
        return self._store.names()

    def get(self, name: str) -> ModelRollout:
        """As the port says."""
        found = self._store.get(name)
        if found is None:
            there = ", ".join(self.names()) or "none"
            raise KanaryaError(
                f"there is no rollout {name!r} in {self.named}; there are: {there}. "
                f"Start local mode with: kanarya local up -f manifests/iris. Ask a cluster with: -n NAMESPACE"
            )
        return found[0]

    def request(self, name: str, request: Request) -> None:
        """As the port says."""
        self._store.request(name, request)

    def controller(self) -> str:
        """As the port says."""
        commands = ("kanarya local status", "kanarya local logs controller")
        return ", ".join(f"{command} {self.options}".strip() for command in commands)

    def records(self) -> Records:
        """As the port says."""
        found, place = stack.status(self._state).addresses, stack.audit(self._state)
        return Records(
            namespace="default",
            place=place.as_uri() if place.is_dir() else None,
            registry=found.registry if found is not None else None,
        )
