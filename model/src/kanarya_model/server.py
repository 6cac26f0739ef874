"""One process: an artifact in (or a repository of them), HTTP out and gRPC where asked for, until it is told to stop. Called by
`__main__`.

Start: take the port, fetch, verify, load, answer the artifact's own example, and only then listen, so that a server that can be
reached is a server that is right. Of a repository, a model that cannot be loaded leaves the server not ready, and the index
says why. Stop (SIGTERM): not ready at once, go on answering for `drain_seconds` while gateways look
elsewhere, close the door, finish what is in flight, leave with 0. Ctrl-C drains for no time; a second signal ends it there.
"""

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import uvicorn

from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem
from kanarya_model import artifact, loaders, storage
from kanarya_model.core.model import Model
from kanarya_model.core.pace import rows_within
from kanarya_model.core.reports import Reports
from kanarya_model.edges.http import Application
from kanarya_model.edges.inference import Limits
from kanarya_model.edges.protocol import Patience, limited
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Workers
from kanarya_model.recorders import Recorders
from kanarya_model.repository import Places, Repository
from kanarya_model.settings import Settings

if TYPE_CHECKING:
    from kanarya_model.edges.v2_grpc import V2Grpc

log = logging.getLogger(__name__)

_LINGER_SECONDS = 0.1
"""Between closing the door and closing idle connections: a request that was on its way in still gets its answer."""

_TICKS = 10
"""uvicorn's ticks between two sweeps: a second."""


class PortInUse(KanaryaError):
    """Somebody else listens there."""

    exit_status = 3


def load(settings: Settings) -> Model:
    """The model, verified, loaded and right about its own example. Raises KanaryaError with every reason against it."""
    with storage.local(settings.dir) as directory:
        found = artifact.read(directory, digest=settings.digest)
        predictor = loaders.load(found, threads=settings.onnx_threads)
    model = Model(
        contract=found.contract,
        predictor=predictor,
        name=settings.name or found.contract.model,
        version=settings.version or found.digest.removeprefix("sha256:")[:12],
        digest=found.digest,
        most_rows=settings.most_rows,
    )
    wrong = model.example_problems()
    if wrong:
        raise InvalidInput(f"{settings.dir}: example", [Problem(path=(), message=message) for message in wrong])
    return model


def serving(model: Model, settings: Settings, workers: Workers, make: Callable[..., Served] = Served, **more: object) -> Served:
    """The model as every edge serves it. `make` and `more`: for who watches it."""
    merge = settings.batching == "on" or (settings.batching == "auto" and not model.quick)
    return make(
        model,
        workers=workers,
        inline_rows=rows_within(settings.inline_milliseconds / 1000, model) if model.quick else 0,
        batch_rows=settings.most_batch_rows if merge else 0,
        most_series=settings.most_series,
        most_remembered=settings.most_remembered,
        **more,
    )


def serve(settings: Settings, ready: Callable[[Sequence[Model], int, int | None], None]) -> None:
    """Serve until a signal says stop. `ready` is told the models and the ports of HTTP and of gRPC once it listens.

    Raises PortInUse, or KanaryaError for an artifact that is refused.
    """
    listener = _take_port(settings.host, settings.port)
    workers = Workers(threads=settings.predict_threads, waiting=settings.most_queued)
    with listener, contextlib.closing(workers), contextlib.ExitStack() as open_until_the_end:
        model = None if settings.repository else load(settings)
        recorders = open_until_the_end.enter_context(contextlib.closing(Recorders(settings, model)))
        serving_one = partial(serving, settings=settings, workers=workers, make=recorders.served, sampled=recorders.sampled)
        registry = Registry([serving_one(model)] if model else [], may_change=settings.repository_control)
        repository = _repository(settings, registry, serving_one) if settings.repository else None
        if repository:
            open_until_the_end.enter_context(contextlib.closing(repository))
            repository.start()
        control = repository if settings.repository_control else None
        server = _server(registry, control, recorders, settings, ready)
        # What is here now stays: the collector need not walk through it again in the middle of a request.
        gc.collect()
        gc.freeze()
        try:
            server.run(sockets=[listener])
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _port_in_use(settings.host, settings.port) from None
            raise


def _repository(settings: Settings, registry: Registry, serving_one: Callable[..., Served]) -> Repository:
    def make(directory: Path, *, name: str, version: str, reports: Reports | None) -> Served:
        one = replace(settings, repository=None, dir=str(directory), name=name, version=version)
        return serving_one(load(one), reports=reports)

    return Repository(
        Places(settings.repository or ""),
        registry,
        make,
        most_versions=settings.most_versions,
        most_loaded=settings.most_loaded,
        patience=settings.grace_seconds,
    )


def _server(
    registry: Registry,
    control: Repository | None,
    recorders: Recorders,
    settings: Settings,
    ready: Callable[[Sequence[Model], int, int | None], None],
) -> "_Server":
    limits = Limits(body_bytes=settings.most_body_bytes, rows=settings.most_rows, in_flight=settings.most_in_flight)
    application = Rest(registry, limits=limits, collectors=recorders.collectors, repository=control)
    grpc = None if settings.grpc_port is None else _grpc(registry, control, settings, recorders)

    def listening(port: int, grpc_port: int | None) -> None:
        ready([one.model for one in registry.versions], port, grpc_port)

    return _Server(application, recorders.application(application), grpc, settings, listening)


def _grpc(registry: Registry, control: Repository | None, settings: Settings, recorders: Recorders) -> "V2Grpc":
    # Imported here: a tenth of a second and 20 MB that a server of HTTP alone need not have.
    from kanarya_model.edges.v2_grpc import GrpcLimits, V2Grpc  # noqa: PLC0415

    limits = GrpcLimits(
        message_bytes=settings.most_body_bytes,
        metadata_bytes=settings.most_head_bytes,
        in_flight=settings.most_in_flight,
    )
    return V2Grpc(registry, limits=limits, around=recorders.calls, repository=control)


def _take_port(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise KanaryaError(f"--host: got {host!r}, expected an address of this machine ({error.strerror})") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _port_in_use(host, port) from None
        raise KanaryaError(f"{host}:{port} cannot be listened on: {error.strerror}") from None
    return listener


def _port_in_use(host: str, port: int, flag: str = "--port") -> PortInUse:
    return PortInUse(f"port {port} on {host} is in use; give another with {flag}, or {flag} 0 for any free one")


class _Server(uvicorn.Server):
    """uvicorn, with a drain before its stop."""

    def __init__(
        self,
        application: Rest,
        asgi: Application,
        grpc: "V2Grpc | None",
        settings: Settings,
        listening: Callable[[int, int | None], None],
    ) -> None:
        """`asgi`: the application, with what watches it around it."""
        patience = Patience(
            head_bytes=settings.most_head_bytes,
            request_seconds=settings.request_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
        )
        super().__init__(
            uvicorn.Config(
                asgi,
                interface="asgi3",
                http=limited(patience),
                loop="uvloop",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=2048,
                timeout_graceful_shutdown=settings.grace_seconds,  # type: ignore[arg-type]  # goes to asyncio.wait_for
            )
        )
        self._application = application
        self._grpc = grpc
        self._settings = settings
        self._drain_seconds = settings.drain_seconds
        self._listening = listening
        self._stopping = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours, not uvicorn's: it would stop at once, and raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for number, seconds in ((signal.SIGTERM, self._drain_seconds), (signal.SIGINT, 0.0)):
            loop.add_signal_handler(number, self._stop, seconds)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        assert sockets is not None  # noqa: S101 (`serve` gives one)
        self._listening(sockets[0].getsockname()[1], self._start_grpc() if self._grpc else None)

    def _start_grpc(self) -> int:
        assert self._grpc is not None  # noqa: S101 (`startup` has looked)
        host, port = self._settings.host, self._settings.grpc_port or 0
        try:
            return self._grpc.start(host, port)
        except OSError:
            raise _port_in_use(host, port, "--grpc-port") from None

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once a second, end the connections whose clients take too long."""
        if counter % _TICKS == 0:
            now = perf_counter()
            for connection in list(self.server_state.connections):
                connection.sweep(now)  # type: ignore[union-attr]  # every one is `limited`'s
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, wait a moment for who is already inside, then as uvicorn does."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LINGER_SECONDS)
        ended = self._grpc.stop(0 if self.force_exit else self._settings.grace_seconds) if self._grpc else None
        await super().shutdown(sockets)
        if ended:
            await asyncio.to_thread(ended.wait)

    def _stop(self, drain_seconds: float) -> None:
        if self._stopping:
            self.should_exit = self.force_exit = True
            return
        self._stopping = True
        log.info("stopping: not ready from now on, answering for %g s more", drain_seconds)
        self._application.drain()
        if self._grpc:
            self._grpc.drain()
        asyncio.get_running_loop().call_later(drain_seconds, setattr, self, "should_exit", True)


def write_port(path: str, port: int) -> None:
    """The port as text, in one piece: who waits for the file never reads half of it."""
    target = Path(path)
    draft = target.with_name(f".{target.name}.draft")
    draft.write_text(f"{port}\n", encoding="ascii")
    draft.replace(target)
