"""V2 (Open Inference Protocol) over gRPC: inference.GRPCInferenceService, with health and reflection. Made by `server`.

The same core and the same strictness as over REST. A client's mistake is INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for what is
too large; a model or version that is not here is NOT_FOUND; too much at once is UNAVAILABLE; ours or the model's is INTERNAL,
and what went wrong inside stays in the log. Counted beside REST, by the HTTP status that REST would have answered with.

gRPC's threads, not the event loop: measured on one core, a request took 170 µs of processor time here and 260 under grpc.aio,
20 of them ours. Inference has threads of its own, so that health never waits for it; what takes long waits for `Served` on the
event loop like everybody's. Messages over the limit and calls beyond `most_in_flight` are refused by gRPC itself, uncounted.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from kanarya_contracts.metrics import Edge
from kanarya_model import VERSION
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import Reason, Refusal
from kanarya_model.core.request import Answered
from kanarya_model.core.versions import Versions
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.edges.http import MIRRORED_TO, REQUEST_ID
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.repository_grpc import RepositoryGrpc
from kanarya_model.edges.served import Served
from kanarya_model.edges.v2_calls import LEFT, OK, Call, Context, Metadata, Outcome, abort
from kanarya_model.edges.v2_proto import ResponseWriter, parse, read_request
from kanarya_model.edges.workers import ClientLeft, Gone, Overloaded
from kanarya_model.metrics import Counts
from kanarya_model.repository import Repository
from kanarya_model.repository.asked import EXTENSION

log = logging.getLogger(__name__)

SERVICE = "inference.GRPCInferenceService"
_INTERNAL = "the model or its server failed; the server's log says why"
_INFERENCE_THREADS = 4
"""More cost more processor time a request than they save."""
_MERGING_THREADS = 64
"""Where requests are merged, a thread does little but wait, and no more of them can go together than there are threads."""
_OTHER_THREADS = 2

EDGE = Edge.V2_GRPC


@dataclass(frozen=True, kw_only=True)
class GrpcLimits:
    """What a call may cost."""

    message_bytes: int
    metadata_bytes: int
    in_flight: int
    """More calls than this at once are refused."""


class _Shown(NamedTuple):
    """What there is to ask. A call takes it once: it may be another's turn before the call ends."""

    versions: Versions[Served]
    writers: Mapping[Served, ResponseWriter]


class V2Grpc:
    """The server. It answers for what is in `registry`, from `start` to the end of `stop`."""

    def __init__(
        self,
        registry: Registry,
        *,
        limits: GrpcLimits,
        around: Sequence[Callable[[Call], Call]] = (),
        repository: Repository | None = None,
    ) -> None:
        """`around`: what watches calls for inference, from the inside out. `repository` may be asked to load and unload."""
        self._registry = registry
        self._call: Call = self._ask
        for watched in around:
            self._call = watched(self._call)
        self._draining = self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._health = health.HealthServicer()
        self._shown = _Shown(Versions(), {})
        registry.watch(self._show)
        self._server = grpc.server(
            ThreadPoolExecutor(_OTHER_THREADS, thread_name_prefix="grpc"),
            options=(
                ("grpc.max_receive_message_length", limits.message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.absolute_max_metadata_size", limits.metadata_bytes),
                ("grpc.so_reuseport", 0),
            ),
            maximum_concurrent_rpcs=limits.in_flight,
        )
        self._register(repository)

    def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Called on the event loop that runs long predictions. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        address = f"[{host}]" if ":" in host else host
        try:
            taken = self._server.add_insecure_port(f"{address}:{port}")
        except RuntimeError as error:  # all that gRPC says of a port that it cannot have
            raise OSError(str(error)) from None
        self._server.start()
        self._started = True
        self._set_health()
        return taken

    def drain(self) -> None:
        """Not ready from now on; calls are answered as before."""
        self._draining = True
        self._set_health()

    def stop(self, grace_seconds: float) -> threading.Event:
        """Take no new call, and cancel what is still in flight after that time. The event is set when all has ended."""
        return self._server.stop(grace_seconds)

    # --- methods ------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Answer for what the registry has now."""
        versions = self._registry.versions
        for one in versions:
            for counts in (one.counts, one.copies):
                counts.opened(EDGE)
        self._shown = _Shown(versions, {one: ResponseWriter(one.model) for one in versions})
        if self._started:
            self._set_health()

    def _register(self, repository: Repository | None) -> None:
        # What a repository will bring nobody knows yet.
        merging = self._registry.may_change or any(one.merges_in_threads for one in self._registry.versions)
        threads = ThreadPoolExecutor(_MERGING_THREADS if merging else _INFERENCE_THREADS, thread_name_prefix="grpc-infer")
        extensions = [EXTENSION] if repository else []
        about = pb.ServerMetadataResponse(name="kanarya-model", version=VERSION, extensions=extensions)
        methods: dict[str, Any] = {
            "ServerLive": _method(pb.ServerLiveRequest, lambda _, __: pb.ServerLiveResponse(live=True)),
            "ServerReady": _method(pb.ServerReadyRequest, lambda _, __: pb.ServerReadyResponse(ready=self._ready)),
            "ModelReady": _method(pb.ModelReadyRequest, self._model_ready),
            "ServerMetadata": _method(pb.ServerMetadataRequest, lambda _, __: about),
            "ModelMetadata": _method(pb.ModelMetadataRequest, self._model_metadata),
            "ModelInfer": grpc.unary_unary_rpc_method_handler(_on(threads, self._infer)),
        }
        if repository:
            methods |= self._repository_methods(repository)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        servicer = _Reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME))
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, self._server)  # type: ignore[no-untyped-call]

    @property
    def _ready(self) -> bool:
        return self._registry.ready and not self._draining

    def _repository_methods(self, repository: Repository) -> dict[str, Any]:
        # Threads of their own: a load takes as long as it takes, and health does not wait for it.
        threads = ThreadPoolExecutor(_OTHER_THREADS, thread_name_prefix="grpc-repository")
        asked = RepositoryGrpc(repository, self._running)
        return {
            "RepositoryIndex": _method(pb.RepositoryIndexRequest, _on(threads, asked.index)),
            "RepositoryModelLoad": _method(pb.RepositoryModelLoadRequest, _on(threads, asked.load)),
            "RepositoryModelUnload": _method(pb.RepositoryModelUnloadRequest, _on(threads, asked.unload)),
        }

    def _running(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None  # noqa: S101 (`start` has set it before the first call)
        return self._loop

    def _set_health(self) -> None:
        status = HealthCheckResponse.SERVING if self._ready else HealthCheckResponse.NOT_SERVING
        for service in (health.OVERALL_HEALTH, SERVICE):
            self._health.set(service, status)

    def _model_ready(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:
        self._find(request.name, request.version, context)
        return pb.ModelReadyResponse(ready=not self._draining)

    def _model_metadata(self, request: pb.ModelMetadataRequest, context: Context) -> pb.ModelMetadataResponse:
        versions = self._shown.versions.of(request.name)
        metadata: dict[str, Any] = self._find(request.name, request.version, context).metadata(versions)
        del metadata["properties"]  # the message has no member for them
        return pb.ModelMetadataResponse(**metadata)

    def _find(self, name: str, version: str, context: Context) -> Served:
        try:
            return self._shown.versions.find(name, version or None)
        except LookupError as error:
            abort(context, grpc.StatusCode.NOT_FOUND, str(error.args[0]))

    # --- inference ----------------------------------------------------------------------------------------------------

    def _infer(self, content: bytes, context: Context) -> bytes:
        outcome = self._call(content, _metadata(context), lambda: not context.is_active())
        if outcome.status != OK:
            abort(context, outcome.code, outcome.message)
        return outcome.answer

    def _ask(self, content: bytes, metadata: Metadata, gone: Gone) -> Outcome:
        began = perf_counter()
        try:
            message = parse(content)
        except Refusal as refusal:
            return Outcome(_status(refusal), message=str(refusal))
        shown = self._shown
        try:
            one = shown.versions.find(message.model_name, message.model_version or None)
        except LookupError as error:
            return Outcome(404, message=str(error.args[0]))
        counts = one.counting(metadata.get(MIRRORED_TO))
        counts.began()
        try:
            return Outcome(OK, one, self._answer(one, shown.writers[one], message, began, counts, metadata, gone))
        except Refusal as refusal:
            status = _status(refusal)
            counts.refused(EDGE, status, refusal.reason)
            return Outcome(status, one, message=str(refusal))
        except Overloaded as refusal:
            counts.overloaded(EDGE)
            return Outcome(503, one, message=str(refusal))
        except ClientLeft:
            return Outcome(LEFT, one, message="the client has left")
        except Exception:
            log.exception("inference failed")
            counts.failed(EDGE)
            return Outcome(500, one, message=_INTERNAL)
        finally:
            counts.ended()

    def _answer(
        self,
        one: Served,
        writer: ResponseWriter,
        message: pb.ModelInferRequest,
        began: float,
        counts: Counts,
        metadata: Metadata,
        gone: Gone,
    ) -> bytes:
        request = read_request(message, one.model.outputs)
        rows = one.model.inputs.rows(request.tensors)
        prediction = self._predict(one, rows, gone)
        answer = writer.write(request, prediction, as_raw=bool(message.raw_input_contents))
        seconds, copy = perf_counter() - began, counts is one.copies
        counts.succeeded(EDGE, seconds, prediction)
        if copy:
            one.predicted(request.id, prediction)
        if one.sampled is not None:
            one.sampled.take(Answered(request.id, rows, prediction), EDGE, seconds, metadata.get(REQUEST_ID), copy=copy)
        return answer

    def _predict(self, one: Served, rows: Rows, gone: Gone) -> Prediction:
        if one.is_quick(rows):
            return one.predict_here(rows)
        return asyncio.run_coroutine_threadsafe(one.predict(rows, gone), self._running()).result()


class _Reflection(reflection.ReflectionServicer):
    """A client may keep this stream open for as long as it likes; it shall hold no thread that health needs."""

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__(services)
        threads = ThreadPoolExecutor(_OTHER_THREADS, thread_name_prefix="grpc-reflection")
        self.ServerReflectionInfo = _on(threads, super().ServerReflectionInfo)  # type: ignore[assignment,method-assign]


def _method(request: type[Any], behaviour: Callable[[Any, Context], Any]) -> Any:
    return grpc.unary_unary_rpc_method_handler(behaviour, request.FromString, lambda answer: answer.SerializeToString())


def _on(threads: ThreadPoolExecutor, behaviour: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Any]:
    """The behaviour, to be run by these threads: gRPC reads that from an attribute of the function."""

    def run(request: Any, context: Context) -> Any:
        return behaviour(request, context)

    run.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return run


def _metadata(context: Context) -> Metadata:
    return {
        name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in context.invocation_metadata()
    }


def _status(refusal: Refusal) -> int:
    return 413 if refusal.reason is Reason.LIMIT else 400
