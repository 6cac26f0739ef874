"""Processes that outlive whoever starts them. Called by `stack` and `serving`.

Owns STATE/processes (a record each: pid and creation time) and STATE/logs. A process is signalled only while its pid and
its creation time are those of the record, so never one that is not ours. The record is written before the start, too:
a process whose starter was killed in between is found again by its command.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from kanarya_cli.local import files
from kanarya_contracts.problems import KanaryaError

SAME_INSTANT_SECONDS = 1.0
"""Creation times closer than this are the same: the system's clock may be corrected, a pid is not reused so fast."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A process of ours, as remembered."""

    name: str
    command: tuple[str, ...]
    pid: int | None = None
    """None between the decision to start it and the start."""
    created: float | None = None
    """Seconds since the epoch, as the system says."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What the starter wants to know again: a port, a version."""
    stopping_since: float | None = None
    """When it was asked to end."""


class Processes:
    """The processes of one state directory. Any number of processes may have one of these."""

    def __init__(self, state: Path) -> None:
        self._records = state / "processes"
        self._logs = state / "logs"

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        details: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Record:
        """Start it in a session of its own, or return the one of that name that runs. Raises KanaryaError."""
        with files.locked(self._records / ".lock"):
            present = self.get(name)
            if present is not None and self.runs(present):
                return present
            record = Record(name=name, command=tuple(command), details=dict(details or {}))
            self._keep(record)
            pid = self._spawn(name, command, environment() if env is None else env)
            record = _replace(record, pid=pid, created=_created(pid))
            self._keep(record)
            return record

    def get(self, name: str) -> Record | None:
        """What is remembered of it, running or not."""
        path = self._path(name)
        try:
            document = json.loads(path.read_bytes())
            record = Record(**{**document, "command": tuple(document["command"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            msg = f"{path} cannot be read: {error}. Remove it; if the process still runs, stop it yourself"
            raise KanaryaError(msg) from None
        return record if record.pid is not None else self._find(record)

    def all(self) -> tuple[Record, ...]:
        """Every record, by name."""
        names = sorted(path.stem for path in self._records.glob("*.json") if not path.name.startswith("."))
        return tuple(record for name in names if (record := self.get(name)) is not None)

    def runs(self, record: Record) -> bool:
        """Whether that very process runs. One that ended is reaped if it was our child."""
        return _process(record) is not None

    def ask_to_stop(self, record: Record, *, patience: float) -> bool:
        """SIGTERM, and SIGKILL once `patience` seconds have passed since. Returns at once: whether it has ended; if so it is
        forgotten. Call it again until it has."""
        process = _process(record)
        if process is None:
            _kill_session(record)
            self.forget(record.name)
            return True
        now = time.time()
        if record.stopping_since is None:
            self._keep(_replace(record, stopping_since=now))
            with suppress(psutil.NoSuchProcess):
                process.terminate()  # psutil looks at the creation time once more
        elif not 0 <= now - record.stopping_since <= patience:
            _kill_session(record)
        return False

    def stop(self, name: str, *, patience: float = 10.0) -> bool:
        """Ask it to stop and wait until it has ended. Returns whether it ran."""
        record = self.get(name)
        if record is None:
            return False
        ran = self.runs(record)
        while not self.ask_to_stop(record, patience=patience):
            time.sleep(0.02)
            record = self.get(name) or record
        return ran

    def forget(self, name: str) -> None:
        """Drop the record. The log stays."""
        self._path(name).unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """Where its output goes."""
        return self._logs / f"{name}.log"

    def last_lines(self, name: str, count: int = 5) -> str:
        """The last lines that say something, for an error message."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-count:])

    def _path(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _keep(self, record: Record) -> None:
        files.write_json(self._path(record.name), asdict(record), durable=False)

    def _find(self, record: Record) -> Record | None:
        """A record without a pid: the starter was killed between its two writes. Its command names our own files."""
        for process in psutil.process_iter(["cmdline", "create_time"]):
            if tuple(process.info["cmdline"] or ()) == record.command:
                found = _replace(record, pid=process.pid, created=process.info["create_time"])
                self._keep(found)
                return found
        return record

    def _spawn(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> int:
        log = self.log(name)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            return os.posix_spawn(
                command[0],
                list(command),
                dict(env),
                file_actions=[nothing, output, (os.POSIX_SPAWN_DUP2, 1, 2)],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
            )
        except OSError as error:
            self.forget(name)
            msg = f"{name} cannot be started: {command[0]}: {error.strerror or error} (its log would be {log})"
            raise KanaryaError(msg) from None


def environment(*, without: Sequence[str] = (), **more: str) -> dict[str, str]:
    """The environment for a process of ours: this one's, less variables that begin with one of `without`, plus `more`.

    Loopback never goes through a proxy, and output is not held back.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(tuple(without))}
    direct = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost")))
    return kept | {"NO_PROXY": direct, "no_proxy": direct, "PYTHONUNBUFFERED": "1"} | more


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _replace(record: Record, **changes: object) -> Record:
    return Record(**(asdict(record) | changes))


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _process(record: Record) -> psutil.Process | None:
    """The process of a record, if it is that one and has not ended."""
    if record.pid is None or record.created is None:
        return None
    with suppress(ChildProcessError):  # it is a child of ours only in the process that started it
        os.waitpid(record.pid, os.WNOHANG)
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.created) < SAME_INSTANT_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _kill_session(record: Record) -> None:
    """Kill what is left of it and of what it started.

    Each was started in a session of its own, whose id is its pid, and a pid is not given away while it is a session's id:
    unless the pid has a new owner by now, the session's members are ours.
    """
    if record.pid is None or record.created is None:
        return
    with suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(record.pid).create_time() - record.created) >= SAME_INSTANT_SECONDS:
            return
    for pid in psutil.pids():
        with suppress(OSError):
            if os.getsid(pid) == record.pid:
                os.kill(pid, signal.SIGKILL)
