"""A model server for each version, as processes. Adapter of the `serving` port, one for each InferenceService.

Called by the controller's passes (what is wanted, what there is) and by its keeper, which starts again what ended, as a
kubelet would. Finds servers that an earlier controller started. Verifies an artifact before it starts anything.
"""

import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from kanarya_cli import v2
from kanarya_cli.local import artifacts
from kanarya_cli.local.ports import HOST
from kanarya_cli.local.processes import Processes, Record, environment, python
from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.ports.serving import Backend

PATIENCE_SECONDS = 30.0
"""For a server to finish its requests and end, as Kubernetes' default grace period."""
LONGEST_PAUSE_SECONDS = 30.0
"""Between two attempts to start or fetch, at most."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A model server that runs and listens."""

    version: str
    port: int
    pid: int
    created: float
    """Seconds since the epoch, as the system says."""


@dataclass(kw_only=True)
class _Attempt:
    """What this process knows of one wanted version."""

    ref: VersionRef
    contract: ArtifactContract | None = None
    thread: threading.Thread | None = None
    """Fetches and starts."""
    message: str = ""
    """Why it is not up yet."""
    refused: bool = False
    failures: int = 0
    not_before: float = 0.0
    """Monotonic time of the next attempt."""
    ended: int | None = None
    """Pid of the last server whose end was seen."""
    was_ready: bool = False
    answers: tuple[str, ...] | None = None
    """Problems with the answers to the example."""

    def failed(self, message: str) -> None:
        self.message = message
        pause = 0.0 if self.was_ready else min(0.5 * 2**self.failures, LONGEST_PAUSE_SECONDS)
        self.failures += 1
        self.not_before = time.monotonic() + pause
        self.was_ready = False


class LocalServing:
    """The servers of one model."""

    def __init__(self, model: str, *, state: Path, registry: str, env: Mapping[str, str]) -> None:
        self._model = model
        self._state = state
        self._registry = registry
        self._env = environment(without=("MLFLOW_",), **env)
        self._processes = Processes(state)
        self._http = httpx.Client(timeout=2.0, trust_env=False)
        self._lock = threading.RLock()
        self._wanted: dict[str, _Attempt] | None = None

    def close(self) -> None:
        """Let go of the connections to the servers. They stay."""
        self._http.close()

    # --- the port ----------------------------------------------------------------------------------------------------

    def ensure(self, stable: VersionRef | None, others: Collection[VersionRef] = ()) -> None:
        """As the port says."""
        with self._lock:
            before = self._wanted or {}
            self._wanted = {
                ref.version: _Attempt(ref=ref) if (known := before.get(ref.version)) is None or known.ref != ref else known
                for ref in filter(None, (stable, *others))
            }
            self.keep()

    def backends(self) -> Mapping[str, Backend]:
        """As the port says. Servers that are on their way out are none."""
        with self._lock:
            records = {record.details["version"]: record for record in self._records() if record.stopping_since is None}
            wanted = self._wanted if self._wanted is not None else {}
            found = {version: self._backend(attempt, records.get(version)) for version, attempt in wanted.items()}
            unknown = (version for version in records if version not in found and self._wanted is None)
            return found | {version: self._backend(self._adopted(records[version]), records[version]) for version in unknown}

    # --- the keeper's ------------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Bring what runs nearer to what is wanted. Returns at once. Does nothing until `ensure` has said what is wanted."""
        with self._lock:
            if self._wanted is None:
                return
            records = {record.details["version"]: record for record in self._records()}
            leaving = [record for record in records.values() if record.stopping_since is not None or not self._wants(record)]
            for record in leaving:
                if self._processes.ask_to_stop(record, patience=PATIENCE_SECONDS):
                    Path(record.details["port-file"]).unlink(missing_ok=True)
            for version in self._wanted.keys() - {record.details["version"] for record in leaving}:
                self._keep(self._wanted[version], records.get(version))

    def servers(self) -> tuple[Server, ...]:
        """Those that run and listen, wanted or on their way out."""
        found = []
        for record in self._records():
            port = self._port(record)
            if port and record.pid and record.created and self._processes.runs(record):
                found.append(Server(version=record.details["version"], port=port, pid=record.pid, created=record.created))
        return tuple(found)

    def ports(self) -> Mapping[str, int]:
        """Version → port, of the servers that run and listen."""
        return {server.version: server.port for server in self.servers()}

    def _wants(self, record: Record) -> bool:
        attempt = (self._wanted or {}).get(record.details["version"])
        return attempt is not None and attempt.ref.digest == record.details["digest"]

    # --- starting ----------------------------------------------------------------------------------------------------

    def _keep(self, attempt: _Attempt, record: Record | None) -> None:
        if attempt.refused or (attempt.thread is not None and attempt.thread.is_alive()):
            return
        if record is not None and self._processes.runs(record):
            return
        if record is not None and record.stopping_since is None and record.pid != attempt.ended:
            attempt.ended = record.pid
            lines = self._processes.last_lines(record.name)
            attempt.failed(f"the server ended; it said: {lines or 'nothing'}")
            _LOG.warning("server of %s version %s ended", self._model, attempt.ref.version)
        if time.monotonic() >= attempt.not_before:
            attempt.answers = None
            attempt.thread = threading.Thread(target=self._start, args=[attempt], daemon=True)
            attempt.thread.start()

    def _start(self, attempt: _Attempt) -> None:
        """In a thread: fetch, verify, start."""
        ref = attempt.ref
        directory = self._directory(ref)
        try:
            contract = artifacts.obtain(ref, directory, registry=self._registry)
            with self._lock:
                if (self._wanted or {}).get(ref.version) is attempt:
                    attempt.contract = contract
                    self._serve(ref, directory)
                    attempt.message = "the server is starting"
        except artifacts.Refused as error:
            attempt.refused, attempt.message = True, str(error)
            _LOG.warning("artifact of %s version %s is refused: %s", self._model, ref.version, error)
        except KanaryaError as error:
            attempt.failed(str(error))
            _LOG.warning("%s version %s is not up: %s", self._model, ref.version, error)

    def _serve(self, ref: VersionRef, directory: Path) -> None:
        name = f"model.{self._model}.{ref.version}"
        port_file = self._state / "processes" / f"{name}.port"
        port_file.unlink(missing_ok=True)
        pinned = ("--digest", ref.digest) if ref.digest else ()
        serve = ("serve", str(directory), "--name", self._model, "--version", ref.version, *pinned)
        self._processes.start(
            name,
            python("kanarya_model", *serve, "--port", "0", "--port-file", str(port_file)),
            details={
                "model": self._model,
                "version": ref.version,
                "digest": ref.digest or "",
                "uri": ref.uri or "",
                "port-file": str(port_file),
            },
            env=self._env,
        )

    # --- looking -----------------------------------------------------------------------------------------------------

    def _backend(self, attempt: _Attempt, record: Record | None) -> Backend:
        version = attempt.ref.version
        if attempt.refused:
            return Backend(version=version, state="Refused", message=attempt.message)
        if record is None or not self._processes.runs(record):
            message = attempt.message or "its artifact is being fetched"
            return Backend(version=version, state="Starting" if attempt.ended is None else "Failed", message=message)
        reason = self._not_ready(record)
        if reason is not None:
            return Backend(version=version, state="Starting", message=reason)
        attempt.was_ready, attempt.failures = True, 0
        if attempt.answers is None:
            attempt.answers = self._ask_example(attempt, record)
        return Backend(version=version, state="Ready", example_problems=attempt.answers)

    def _not_ready(self, record: Record) -> str | None:
        port = self._port(record)
        if port is None:
            return "the server is starting"
        try:
            response = self._http.get(f"http://{HOST}:{port}/v2/models/{self._model}/ready")
        except httpx.HTTPError as error:
            return f"the server does not answer: {error or type(error).__name__}"
        return None if response.is_success else f"the server says that it is not ready: {response.text[:200]}"

    def _ask_example(self, attempt: _Attempt, record: Record) -> tuple[str, ...] | None:
        try:
            contract = attempt.contract or artifacts.contract_of(self._directory(attempt.ref), attempt.ref.digest or "")
        except artifacts.Refused as error:
            return (f"its contract on this disk is not the registered one any more: {error}",)
        columns = contract.example.inputs
        rows = [{name: values[row] for name, values in columns.items()} for row in range(contract.example.rows)]
        try:
            with httpx.HTTPTransport() as transport:
                client = v2.Client(f"http://{HOST}:{self._port(record)}", self._model, timeout=5.0, transport=transport)
                answer = client.infer(client.inputs(), rows)
        except KanaryaError as error:
            unanswered = isinstance(error.__context__, httpx.HTTPError)
            return None if unanswered else (str(error),)
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            return (f"the answer is not the protocol's: {error!r}",)
        return tuple(contract.example_problems({name: one.data for name, one in answer.outputs.items()}))

    def _adopted(self, record: Record) -> _Attempt:
        """A server of an earlier controller, of which nobody has said yet whether it is wanted."""
        details = record.details
        ref = VersionRef(version=details["version"], digest=details["digest"], uri=details["uri"])
        return _Attempt(ref=ref, ended=record.pid)

    def _records(self) -> list[Record]:
        return [record for record in self._processes.all() if record.details.get("model") == self._model]

    def _port(self, record: Record) -> int | None:
        try:
            return int(Path(record.details["port-file"]).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def _directory(self, ref: VersionRef) -> Path:
        short = (ref.digest or "").removeprefix("sha256:")[:12]
        return self._state / "artifacts" / self._model / f"{ref.version}-{short}"
