"""Spans at the doors: round the HTTP application, round a call by gRPC, and round what both serve. Made by `recorders` where
traces are on. Requests for inference and feedback have spans; health, metadata and metrics, which are asked all day, have none.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from kanarya_contracts import records
from kanarya_contracts.metrics import Edge
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Model, Prediction
from kanarya_model.edges.http import MIRRORED_TO, Application, Headers, Message, Receive, Scope, Send
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Gone, never_gone
from kanarya_model.records import spans
from kanarya_model.records.spans import Spans

if TYPE_CHECKING:
    from kanarya_model.edges.v2_calls import Call, Metadata, Outcome

_T = TypeVar("_T")
_RPC = {"rpc.system": "grpc", "rpc.service": "inference.GRPCInferenceService", "rpc.method": "ModelInfer"}


class TracedServed(Served):
    """A model version whose predictions have spans."""

    def __init__(self, model: Model, *, spans: Spans, **more: Any) -> None:
        super().__init__(model, **more)
        self._spans = spans

    def predict_here(self, rows: Rows) -> Prediction:
        """As Served does."""
        with self._spans.predicting(rows.count):
            return super().predict_here(rows)

    async def predict(self, rows: Rows, gone: Gone = never_gone) -> Prediction:
        """As Served does."""
        with self._spans.predicting(rows.count):
            if not self.merges_in_threads:
                return await super().predict(rows, gone)
            with self._spans.in_thread():  # the batch that it goes with, and the wait for it
                return await super().predict(rows, gone)

    async def aside(self, work: Callable[[], tuple[Rows, _T]], gone: Gone) -> _T:
        """As Served does."""
        with self._spans.in_thread():
            return await super().aside(work, gone)


class TracedHttp:
    """The application, with a span a request. The same ASGI."""

    def __init__(self, application: Application, rest: Rest, spans: Spans) -> None:
        """`rest` is what is innermost, and knows doors."""
        self._application = application
        self._rest = rest
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path, method = scope["path"], scope["method"]
        door = self._rest.doors.get(path)
        if door is None:
            await self._application(scope, receive, send)
            return
        edge, one = door
        headers = dict(scope["headers"])
        attributes = {**_of(one, edge, path), **_copy(one, headers), "http.request.method": method}
        with self._spans.request(f"{method} {path}", headers, attributes) as span:

            async def receiving() -> Message:
                message = await receive()
                if not message.get("more_body"):
                    self._spans.body_is_there()
                return message

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    spans.blame(span, message["status"])
                await send(message)

            await self._application(scope, receiving, sending)


def _of(one: Served, edge: Edge | None, path: str) -> dict[str, str | int]:
    return {**spans.of(one.model, edge), "http.route": path, "url.path": path}


def _copy(one: Served, headers: Headers) -> dict[str, str | int]:
    return {records.SPAN_COPY: one.counting(headers.get(MIRRORED_TO)) is one.copies}


def traced_call(call: "Call", to: Spans) -> "Call":
    """A call by gRPC, with a span."""

    def traced(content: bytes, metadata: "Metadata", gone: Gone) -> "Outcome":
        with to.request(f"{_RPC['rpc.service']}/{_RPC['rpc.method']}", metadata, _RPC) as span:
            to.body_is_there()
            outcome = call(content, metadata, gone)
            if outcome.served:
                span.set_attributes({**spans.of(outcome.served.model, Edge.V2_GRPC), **_copy(outcome.served, metadata)})
            span.set_attribute("rpc.grpc.status_code", outcome.code.value[0])
            spans.blame(span, outcome.status)
        return outcome

    return traced
