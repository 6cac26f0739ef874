"""The repository's verbs. Made by `server`; asked over HTTP and gRPC where `--repository-control` allows it.

A version is read, verified, loaded and asked its own example in a thread beside what answers. Only when it is right does it
answer: from one request to the next, for those that come; those that had begun end where they began. One that is refused
changes nothing, and the index says why. One load at a time, others wait for it, up to a limit; what is loaded has a limit too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from kanarya_contracts.problems import KanaryaError, one_line
from kanarya_model import artifact
from kanarya_model.core.refusal import quoted
from kanarya_model.core.reports import Reports
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Workers
from kanarya_model.repository.index import Entry, Key, index
from kanarya_model.repository.places import Places

log = logging.getLogger(__name__)

_MOST_WAITING = 16
"""Loads and unloads."""
_LOOK_SECONDS = 0.02
"""Between two looks at whether a version that leaves has ended its requests."""

_Run = Callable[[Callable[[], Any]], Awaitable[Any]]


class CannotLoad(KanaryaError):
    """What was asked does not go with what there is: the artifact is refused, or there is no room."""


class Make(Protocol):
    """Reads a version: verified, loaded, right about its example."""

    def __call__(self, directory: Path, *, name: str, version: str, reports: Reports | None) -> Served:
        """Raises KanaryaError with every reason against it."""
        ...


class Repository:
    """What fills a registry from a directory."""

    def __init__(
        self, places: Places, registry: Registry, make: Make, *, most_versions: int, most_loaded: int, patience: float
    ) -> None:
        """`most_versions`: of one model, that stay. `most_loaded`: of all models. `patience`: seconds that load and unload wait
        for what they let go to end its requests."""
        self._places = places
        self._registry = registry
        self._make = make
        self._most_versions = most_versions
        self._most_loaded = most_loaded
        self._patience = patience
        self._workers = Workers(threads=1, waiting=_MOST_WAITING, work="loads")
        self._loading: Key | None = None
        self._failed: dict[Key, str] = {}
        self._drains: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Load each model's default version; of those without a named one, the newest that is right. Raises KanaryaError."""
        there = self._places.models()
        self._registry.expect([name for name, versions in there.items() if versions and not self._start(name, versions)])

    def close(self) -> None:
        """End the thread."""
        self._workers.close()

    async def index(self) -> list[Entry]:
        """Every version that lies there or answers. Raises KanaryaError."""
        there = await asyncio.to_thread(self._places.models)
        known = {(name, version) for name, versions in there.items() for version in versions}
        self._failed = {key: reason for key, reason in self._failed.items() if key in known}
        leaving = {(one.model.name, one.model.version): one.in_flight for one in self._registry.leaving}
        return index(there, self._registry.versions, leaving=leaving, loading=self._loading, failed=self._failed)

    async def load(self, name: str, version: str | None = None, *, default: bool = True) -> list[Entry]:
        """Let that version answer (or the directory's default, or newest), as the model's default or only by its number.

        Returns what is there of the model now. Raises Unknown, CannotLoad or Overloaded.
        """
        with self._workers.place():
            async with self._workers.thread() as run:
                chosen = await run(partial(self._places.chosen, name, version))
                left = await self._bring(run, name, chosen, default=default)
        await self._drain(left)
        return [entry for entry in await self.index() if entry.name == name]

    async def unload(self, name: str, version: str | None = None) -> list[Entry]:
        """Let that version answer no more, or the whole model. Returns as `load` does. Raises Unknown or Overloaded."""
        with self._workers.place():
            async with self._workers.thread() as run:
                there = await run(partial(self._places.versions, name))
                versions = self._registry.versions
                loaded = versions.of(name)
                if not (there or loaded) or (version is not None and version not in (*there, *loaded)):
                    await run(partial(self._places.chosen, name, version))
                for one in loaded if version is None else set(loaded) & {version}:
                    versions = versions.take(name, one)
                left = self._registry.change(versions)
                if not versions.of(name):
                    self._registry.expect(self._registry.missing - {name})
        log.info("unloaded %s %s", name, f"version {version}" if version else "whole")
        await self._drain(left)
        return [entry for entry in await self.index() if entry.name == name]

    # --- one version --------------------------------------------------------------------------------------------------

    def _start(self, name: str, there: tuple[str, ...]) -> bool:
        """Whether a version of the model answers now."""
        try:
            named = self._places.default(name)
            candidates = [self._places.chosen(name, named)] if named else list(reversed(there))
        except KanaryaError as error:
            self._fail((name, there[-1]), error)
            return False
        for version in candidates:
            try:
                self._check_room(name, version)
                one = self._read(name, version)
            except KanaryaError as error:
                self._fail((name, version), error)
            else:
                self._registry.change(self._registry.versions.put(name, version, one))
                return True
        return False

    async def _bring(self, run: _Run, name: str, version: str, *, default: bool) -> tuple[Served, ...]:
        """Let the version answer. Returns those that leave for it."""
        versions = self._registry.versions
        loaded = versions.of(name)
        if version not in loaded:
            self._check_room(name, version)
            if loaded and not default and self._most_versions == 1:
                raise CannotLoad("default: got false, expected true where --most-versions is 1")
            one = await self._beside(run, name, version)
            versions = versions.put(name, version, one, default=default)
        else:
            await self._recorded(run, partial(self._check_same, versions.find(name, version)), (name, version))
            versions = versions.prefer(name, version) if default else versions
        for old in versions.surplus(name, self._most_versions, version):
            versions = versions.take(name, old)
        log.info("loaded %s version %s; version %s is the default", name, version, versions.models[name].default)
        return self._registry.change(versions)

    async def _beside(self, run: _Run, name: str, version: str) -> Served:
        self._loading = name, version
        try:
            one: Served = await self._recorded(run, partial(self._read, name, version), self._loading)
        finally:
            self._loading = None
        return one

    async def _recorded(self, run: _Run, work: Callable[[], Any], key: Key) -> Any:
        """What `work` returns. What it raises is what the index says of the version, as CannotLoad."""
        try:
            done = await run(work)
        except KanaryaError as error:
            raise CannotLoad(f"version: {quoted(key[1])} is refused, {self._fail(key, error)}") from None
        self._failed.pop(key, None)
        return done

    def _read(self, name: str, version: str) -> Served:
        """In a thread, once the server has started."""
        family = self._registry.versions.models.get(name)
        reports = family.versions[family.default].reports if family else None
        try:
            return self._make(self._places.artifact(name, version), name=name, version=version, reports=reports)
        except KanaryaError:
            raise
        except Exception:
            log.exception("%s version %s could not be loaded", name, version)
            raise CannotLoad("it could not be loaded; the server's log says why") from None

    def _check_room(self, name: str, version: str) -> None:
        if any((one.model.name, one.model.version) == (name, version) for one in self._registry.leaving):
            raise CannotLoad(f"version: {quoted(version)} was unloaded and has requests to end; ask again when it has")
        count = len(self._registry.counted())
        if count >= self._most_loaded:
            raise CannotLoad(f"{count} versions are loaded, expected at most {self._most_loaded}; unload one (--most-loaded)")

    def _check_same(self, one: Served) -> None:
        found = artifact.digest(self._places.artifact(one.model.name, one.model.version))
        if found != one.model.digest:
            was = f"was loaded as {one.model.digest}, and {found} lies there now"
            raise CannotLoad(f"{was}: a version does not change; give the artifact another number, or unload this one first")

    def _fail(self, key: Key, error: KanaryaError) -> str:
        """Why the version is not loaded, as the index says from now on: in one line, and without the server's own paths."""
        reason = self._failed[key] = one_line(error).replace(f"{self._places.directory}/", "")
        log.warning("%s version %s is not loaded: %s", *key, reason)
        return reason

    # --- what leaves --------------------------------------------------------------------------------------------------

    async def _drain(self, left: Iterable[Served]) -> None:
        """Wait until these have ended their requests; they go on where that takes longer than this waits."""
        drains = {asyncio.create_task(self._drained(one)) for one in left}
        self._drains |= drains
        for drain in drains:
            drain.add_done_callback(self._drains.discard)
        if drains:
            await asyncio.wait(drains, timeout=self._patience)

    async def _drained(self, one: Served) -> None:
        while one.in_flight:
            await asyncio.sleep(_LOOK_SECONDS)
        self._registry.gone(one)
