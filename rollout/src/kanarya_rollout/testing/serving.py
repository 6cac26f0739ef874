"""The `serving` port in memory: processes that count, and what becomes of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.observation import Backend, Kind
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.testing.clock import FakeClock
from kanarya_rollout.testing.fuse import Fuse


@dataclass
class Process:
    """A model server: counters from nothing."""

    source: str
    version: str
    started: datetime
    counts: dict[tuple[str, Kind, float | None, str | None], int] = field(default_factory=dict)
    """(version, kind, bound, of) → count. The version differs from the process's own only for labels."""

    def __post_init__(self) -> None:
        kinds: tuple[Kind, ...] = ("requests", "errors", "right", "wrong")
        for kind in kinds:
            self.add(kind, 0)

    def add(
        self,
        kind: Kind,
        count: int,
        *,
        version: str | None = None,
        bound: float | None = None,
        of: str | None = None,
    ) -> None:
        """Count."""
        key = (version or self.version, kind, bound, of)
        self.counts[key] = self.counts.get(key, 0) + count


Behaviour = Literal["ready", "starting", "refused", "failed", "wrong-example"]


class FakeServing:
    """Backends that are Ready one look after they were started, unless told otherwise."""

    def __init__(self, fuse: Fuse, clock: FakeClock) -> None:
        self._fuse = fuse
        self.clock = clock
        self.processes: dict[str, Process] = {}
        self.behaviour: dict[str, Behaviour] = {}
        """By version; `ready` where nothing is said."""
        self.reachable = True
        self.refuses: str | None = None
        """Why a set-up like this cannot work, if it cannot."""
        self.started: list[VersionRef] = []
        """Every start, in order."""
        self._looked: set[str] = set()
        self._wanted: dict[str, VersionRef] = {}

    def backends(self) -> Mapping[str, Backend]:
        """As the port says."""
        self._check()
        found = {version: self._backend(version) for version in self._wanted}
        self._looked |= self.processes.keys()
        return found

    def ensure(self, stable: VersionRef | None, others: Collection[VersionRef] = ()) -> None:
        """As the port says."""
        self._check()
        wanted = {ref.version: ref for ref in (stable, *others) if ref is not None}
        if wanted.keys() != self._wanted.keys() or any(version not in self.processes for version in self._runnable(wanted)):
            self._fuse.around(lambda: self._change(wanted))

    def restart(self, version: str) -> None:
        """A new process in the place of the old one, counting from nothing."""
        self._start(self._wanted[version])

    def crash(self, version: str) -> None:
        """The process ends; `ensure` starts another."""
        del self.processes[version]
        self._looked.discard(version)

    def _check(self) -> None:
        if not self.reachable:
            raise Unreachable("the cluster at https://cluster.test does not answer")
        if self.refuses is not None:
            raise Unsupported(self.refuses)

    def _change(self, wanted: dict[str, VersionRef]) -> None:
        for version in self.processes.keys() - wanted.keys():
            del self.processes[version]
            self._looked.discard(version)
        self._wanted = wanted
        for version in self._runnable(wanted):
            if version not in self.processes:
                self._start(wanted[version])

    def _runnable(self, wanted: Iterable[str]) -> list[str]:
        return [version for version in wanted if self.behaviour.get(version) not in {"refused", "failed"}]

    def _start(self, ref: VersionRef) -> None:
        self.started.append(ref)
        self.processes[ref.version] = Process(
            source=f"process-{len(self.started)}", version=ref.version, started=self.clock.now()
        )

    def _backend(self, version: str) -> Backend:
        behaviour = self.behaviour.get(version, "ready")
        if behaviour == "refused":
            return Backend(version=version, state="Refused", message="model.onnx: has digest sha256:bad, expected sha256:good")
        if behaviour == "failed" or version not in self.processes:
            return Backend(version=version, state="Failed", message="the process ended with status 1")
        if behaviour == "starting" or version not in self._looked:
            return Backend(version=version, state="Starting")
        problems = ("row 0: label 'a', expected 'b'",) if behaviour == "wrong-example" else ()
        return Backend(version=version, state="Ready", example_problems=problems)
