"""Every port in memory, a clock, and the fuse that ends the controller at a write."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from kanarya_contracts.names import ANNOTATION_REQUEST
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus, Request, VersionRef
from kanarya_rollout.observation import Backend, Copies, Kind, RegisteredVersion, Series
from kanarya_rollout.ports import Conflict, Unreachable, Unsupported
from kanarya_rollout.sticky import Sticky

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When a FakeClock begins."""


def digest(version: str) -> str:
    """A digest that belongs to a version."""
    return f"sha256:{int(version):064x}"


class Killed(BaseException):
    """The controller's process ended here."""


@dataclass
class Fuse:
    """Counts the writes to the world, and ends the controller at one of them."""

    at: int | None = None
    """Which moment: 0 before the first write, 1 after it, 2 before the second, and so on. None: never."""
    moments: int = 0
    """How many there were."""

    def around(self, write: Callable[[], None]) -> None:
        """A write, with a moment before it and one after."""
        self._moment()
        write()
        self._moment()

    def _moment(self) -> None:
        self.moments += 1
        if self.at is not None and self.moments - 1 == self.at:
            self.at = None
            raise Killed


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.time = EPOCH

    def now(self) -> datetime:
        """As the port says."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Move on; back, if negative."""
        self.time += timedelta(seconds=seconds)


class FakeStore:
    """Objects in memory, statuses through JSON."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self._objects: dict[str, tuple[ModelRollout, int]] = {}
        self.history: list[ModelRolloutStatus] = []
        """Every status that was written."""

    def put(self, rollout: ModelRollout) -> None:
        """Create or replace an object, as a person does; the status stays."""
        name = rollout.metadata.name
        if name in self._objects:
            old, version = self._objects[name]
            metadata = rollout.metadata.model_copy(update={"generation": old.metadata.generation + 1})
            self._objects[name] = (rollout.model_copy(update={"metadata": metadata, "status": old.status}), version + 1)
        else:
            self._objects[name] = (rollout, 1)

    def names(self) -> tuple[str, ...]:
        """As the port says."""
        return tuple(self._objects)

    def get(self, name: str) -> tuple[ModelRollout, str] | None:
        """As the port says."""
        found = self._objects.get(name)
        return None if found is None else (found[0], str(found[1]))

    def write_status(self, name: str, status: ModelRolloutStatus, *, resource_version: str) -> str:
        """As the port says."""
        rollout, version = self._objects[name]
        if str(version) != resource_version:
            raise Conflict(f"{name} is at {version}, not at {resource_version}")
        kept = ModelRolloutStatus.model_validate_json(status.model_dump_json(by_alias=True))

        def write() -> None:
            self._objects[name] = (rollout.model_copy(update={"status": kept}), version + 1)
            self.history.append(kept)

        self._fuse.around(write)
        return str(version + 1)

    def request(self, name: str, request: Request) -> None:
        """As the port says."""
        rollout, version = self._objects[name]
        annotations = {**rollout.metadata.annotations, ANNOTATION_REQUEST: request.model_dump_json(by_alias=True)}
        metadata = rollout.metadata.model_copy(update={"annotations": annotations})
        self._objects[name] = (rollout.model_copy(update={"metadata": metadata}), version + 1)


class FakeRegistry:
    """One model's versions and aliases."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.versions: dict[str, RegisteredVersion] = {}
        self.aliases: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        """Of the model itself."""
        self.reachable = True

    def register(self, version: str, *, alias: str | None = None, tagged: bool = True) -> None:
        """A version, with its digest unless told otherwise."""
        self.versions[version] = RegisteredVersion(
            version=version, digest=digest(version) if tagged else None, uri=f"s3://models/iris/{version}", tags={}
        )
        if alias is not None:
            self.aliases[alias] = version

    def delete(self, version: str) -> None:
        """A version, and the aliases on it."""
        del self.versions[version]
        self.aliases = {alias: other for alias, other in self.aliases.items() if other != version}

    def by_alias(self, model: str, alias: str) -> RegisteredVersion | None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        return self.versions.get(self.aliases.get(alias, ""))

    def by_version(self, model: str, version: str) -> RegisteredVersion | None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        return self.versions.get(version)

    def move_alias(self, model: str, alias: str, *, to: str, expected: str | None) -> None:
        """As the port says."""
        self._check()
        if self.aliases.get(alias) == to:
            return
        if self.aliases.get(alias) != expected:
            raise Conflict(f"{alias} of {model} points to {self.aliases.get(alias)}, not to {expected}")
        self._fuse.around(lambda: self.aliases.update({alias: to}))

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        old = self.versions[version]
        self._fuse.around(lambda: self.versions.update({version: replace(old, tags={**old.tags, **tags})}))

    def annotate_model(self, model: str, tags: Mapping[str, str]) -> None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        self._fuse.around(lambda: self.tags.update(tags))

    def _check(self) -> None:
        if not self.reachable:
            raise Unreachable("the registry at http://registry.test does not answer: connection refused")


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
        self._clock = clock
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
            source=f"process-{len(self.started)}", version=ref.version, started=self._clock.now()
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


class FakeTraffic:
    """A gateway that follows what it was told at the next look but `delay`."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.asked: dict[str, int] = {}
        self.sticky: Sticky | None = None
        """By what users are to be told apart."""
        self.now: dict[str, int] = {}
        """What it routes."""
        self.asked_copies: Copies | None = None
        self.copied: Copies | None = None
        """What it copies."""
        self.delay = 0
        """Looks until it follows."""
        self.foreign = False
        """Whether someone else wrote the route."""
        self.reachable = True
        self._left = 0

    def in_force(self) -> Mapping[str, int] | None:
        """As the port says."""
        if not self.reachable:
            raise Unreachable("the gateway at http://gateway.test does not answer")
        self._left -= 1
        if self._left < 0 and not self.foreign:
            self.now, self.copied = dict(self.asked), self.asked_copies
        return None if self.foreign else dict(self.now)

    def copies(self) -> Copies | None:
        """As the port says."""
        return self.copied

    def route(self, weights: Mapping[str, int], copies: Copies | None = None, sticky: Sticky | None = None) -> None:
        """As the port says."""
        if sum(weights.values()) != 100:
            raise AssertionError(f"weights {dict(weights)} do not sum to 100")
        if not self.reachable:
            raise Unreachable("the gateway at http://gateway.test does not answer")
        if (dict(weights), copies, sticky) != (self.asked, self.asked_copies, self.sticky) or self.foreign:
            self._fuse.around(lambda: self._follow(weights, copies, sticky))

    def _follow(self, weights: Mapping[str, int], copies: Copies | None, sticky: Sticky | None) -> None:
        self.asked, self.asked_copies, self.sticky = dict(weights), copies, sticky
        self.foreign, self._left = False, self.delay


class FakeMetrics:
    """Scrapes the processes."""

    query = "scrape"

    def __init__(self, serving: FakeServing) -> None:
        self._serving = serving
        self.reachable = True
        self.hidden: set[str] = set()
        """Versions whose processes do not answer the scrape."""
        self.drift: dict[str, tuple[str, ...]] = {}
        """By version: columns that drift."""

    def read(self, versions: Iterable[str], *, fresh: bool = True) -> tuple[Series, ...]:  # noqa: ARG002 (the port's)
        """As the port says."""
        if not self.reachable:
            raise Unreachable("no process answers a scrape")
        wanted = set(versions)
        return tuple(
            Series(source=process.source, version=version, kind=kind, bound=bound, of=of, value=value, started=process.started)
            for process in self._serving.processes.values()
            if process.version not in self.hidden
            for (version, kind, bound, of), value in process.counts.items()
            if version in wanted
        )

    def drifting(self, version: str) -> tuple[str, ...]:
        """As the port says."""
        if not self.reachable:
            raise Unreachable("no process answers a scrape")
        return self.drift.get(version, ())
