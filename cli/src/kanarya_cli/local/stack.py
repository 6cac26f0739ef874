"""Local mode as a whole: up, down, status. Called by `commands/local`, the demo, and whoever wants the addresses.

Owns which processes there are and in which order they end. What each of them does is in its own module. Everything made is
under one state directory; two of those do not know of each other.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from kanarya_cli.local import files, launch, manifests
from kanarya_cli.local.launch import Launch
from kanarya_cli.local.manifests import Manifests
from kanarya_cli.local.ports import HOST, claim
from kanarya_cli.local.processes import Processes
from kanarya_cli.local.store import FileStore, ServiceStore
from kanarya_cli.local.traffic import Gateway
from kanarya_contracts.problems import KanaryaError

MLFLOW, ENVOY, CONTROLLER = "mlflow", "envoy", "controller"

STOP_SECONDS = 15.0
"""For a process to end by itself, requests in flight included, before it is killed."""

Report = Callable[[str], None]
"""Takes a line for people about what happens."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where things listen, on loopback; 0 lets the system choose."""

    gateway: int = 8080
    registry: int = 5000
    admin: int = 9901

    @classmethod
    def any(cls) -> Self:
        """Whatever is free."""
        return cls(gateway=0, registry=0, admin=0)


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """URLs, without a slash at the end."""

    gateway: str
    """The only door to the models."""
    registry: str
    """MLflow: its pages and its API."""
    admin: str
    """Envoy's admin."""


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One process, as it is now."""

    name: str
    running: bool
    pid: int | None
    since: datetime | None
    log: Path


@dataclass(frozen=True, kw_only=True)
class Status:
    """Local mode, as it is now."""

    state: Path
    addresses: Addresses | None
    """None when it is down."""
    processes: tuple[ProcessStatus, ...]


def up(
    state: Path,
    paths: Sequence[Path],
    *,
    ports: Ports = Ports(),
    registry: str | None = None,
    report: Report,
) -> Addresses:
    """Apply manifests and start what does not run. Returns when everything answers; what was started ends if something fails.

    `registry`: an MLflow server that runs somewhere else, in place of one of ours.
    """
    state = state.resolve()
    launch.require_parts()
    wanted = manifests.read(paths)
    with files.locked(state / ".lock"):
        for note in wanted.notes:
            report(note)
        stack = _Stack(state, report)
        with stack.undone_on_failure():
            return stack.up(wanted, ports, registry.rstrip("/") if registry else None)


def down(state: Path, *, report: Report) -> tuple[str, ...]:
    """Stop everything of ours, in order: controller, Envoy, model servers, MLflow. Returns the names of what ran."""
    state = state.resolve()
    if not state.exists():
        return ()
    with files.locked(state / ".lock"):
        return _Stack(state, report).down()


def status(state: Path) -> Status:
    """What runs and where. Works when nothing does."""
    state = state.resolve()
    processes = Processes(state)
    return Status(
        state=state,
        addresses=_read_addresses(state),
        processes=tuple(
            ProcessStatus(
                name=record.name,
                running=processes.runs(record),
                pid=record.pid,
                since=datetime.fromtimestamp(record.created, UTC) if record.created else None,
                log=processes.log(record.name),
            )
            for record in processes.all()
        ),
    )


def addresses(state: Path) -> Addresses:
    """Where things listen. Raises KanaryaError when local mode is down."""
    found = _read_addresses(state.resolve())
    if found is None:
        msg = f"local mode is not up in {state}. Start it: kanarya local up -f manifests/iris (or name another with --state)"
        raise KanaryaError(msg)
    return found


def logs(state: Path) -> Mapping[str, Path]:
    """Name → its log, of everything that ever ran here."""
    return {path.stem: path for path in sorted((state.resolve() / "logs").glob("*.log"))}


def discovery(state: Path) -> Path:
    """The directory that Envoy watches."""
    return state / "envoy"


def audit(state: Path) -> Path:
    """The directory in which decisions are kept on record."""
    return state.resolve() / "audit"


def artifact_path(state: Path, uri: str) -> Path:
    """Where our MLflow keeps what `mlflow-artifacts:/…` names."""
    return state.resolve() / "mlflow" / "artifacts" / urlsplit(uri).path.lstrip("/")


class _Stack:
    """One state directory, while its lock is held."""

    def __init__(self, state: Path, report: Report) -> None:
        self._state = state
        self._report = report
        self._processes = Processes(state)
        self._started: list[str] = []

    def up(self, wanted: Manifests, ports: Ports, registry: str | None) -> Addresses:
        if registry is not None:
            _require_answer(registry)
        registry_port = 0 if registry else self._port(MLFLOW, "port", ports.registry, "MLflow", "--registry-port")
        gateway_port = self._port(ENVOY, "port", ports.gateway, "the gateway", "--gateway-port")
        admin_port = self._port(ENVOY, "admin-port", ports.admin, "Envoy's admin", "--admin-port")
        at = Addresses(gateway=_url(gateway_port), registry=registry or _url(registry_port), admin=_url(admin_port))
        self._apply(wanted, at)
        launches = [
            launch.gateway(discovery(self._state), port=gateway_port, admin_port=admin_port),
            launch.controller(self._state, registry_patience=0.0 if registry else launch.START_SECONDS),
        ]
        if registry is None:
            launches.append(launch.mlflow(self._state / "mlflow", registry_port))
        begun = time.monotonic()
        for one in reversed(launches):  # MLflow's server takes longest: first to start, last to be waited for
            self._start(one)
        for one in launches:
            launch.wait(one, self._processes)
            took = f"up after {time.monotonic() - begun:.1f} s" if one.name in self._started else "was up"
            self._report(f"{one.name:<10} {took}")
        return at

    def down(self) -> tuple[str, ...]:
        models = [record.name for record in self._processes.all() if "model" in record.details]
        stopped = [name for names in ([CONTROLLER], [ENVOY], models, [MLFLOW]) for name in self._stop(names)]
        shutil.rmtree(discovery(self._state), ignore_errors=True)
        _addresses_file(self._state).unlink(missing_ok=True)
        return tuple(stopped)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Stop what was started, if the block ends with any exception, Ctrl-C included."""
        was_up = _addresses_file(self._state).exists()
        try:
            yield
        except BaseException:
            if not was_up:
                self.down()
            for name in reversed(self._started):
                self._stop([name])
            raise

    def _apply(self, wanted: Manifests, at: Addresses) -> None:
        services, store = ServiceStore(self._state), FileStore(self._state)
        changed = [service.metadata.name for service in wanted.services if services.apply(service)]
        traffic = Gateway(discovery(self._state), admin=at.admin)
        for rollout in wanted.rollouts:
            store.apply(rollout)
        for name in store.names():
            if (found := store.get(name)) is not None:
                traffic.declare(found[0].spec.target_ref.name, found[0].spec.traffic.hostnames)
        traffic.start_from_nothing()
        files.write_json(_addresses_file(self._state), asdict(at))
        if changed and self._stop([CONTROLLER]):
            self._report(f"the controller starts anew, with the changed {', '.join(changed)}")

    def _port(self, name: str, detail: str, wanted: int, purpose: str, option: str) -> int:
        record = self._processes.get(name)
        if record is not None and self._processes.runs(record):
            return int(record.details[detail])
        return claim(wanted, purpose=purpose, option=option)

    def _start(self, one: Launch) -> None:
        record = self._processes.get(one.name)
        if record is None or not self._processes.runs(record):
            if one.file is not None:
                one.file.unlink(missing_ok=True)
            self._started.append(one.name)
            self._processes.start(one.name, one.command, details=one.details, env=one.env)

    def _stop(self, names: Sequence[str]) -> list[str]:
        """Ask all of them at once, and wait until all have ended. Returns those that ran."""
        records = [record for name in names if (record := self._processes.get(name)) is not None]
        ran = [record.name for record in records if self._processes.runs(record)]
        while records := [record for record in records if not self._processes.ask_to_stop(record, patience=STOP_SECONDS)]:
            time.sleep(0.02)
            records = [self._processes.get(record.name) or record for record in records]
        for name in ran:
            self._report(f"{name:<10} stopped")
        return ran


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _addresses_file(state: Path) -> Path:
    return state / "addresses.json"


def _read_addresses(state: Path) -> Addresses | None:
    path = _addresses_file(state)
    try:
        return Addresses(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        msg = f"{path} cannot be read: {error}. Run `kanarya local down` and start anew"
        raise KanaryaError(msg) from None


def _require_answer(registry: str) -> None:
    try:
        httpx.get(f"{registry}/health", timeout=5.0).raise_for_status()
    except httpx.HTTPError as error:
        why = error or type(error).__name__
        msg = f"the registry at {registry} does not answer: {why}. Is it MLflow's server, and does it run?"
        raise KanaryaError(msg) from None
