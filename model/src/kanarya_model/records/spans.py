"""Spans to an OpenTelemetry collector, over OTLP/HTTP. Made by `recorders`, told by `edges.traced`; needs the extra `otel`.

    POST /v2/models/iris/infer            the request, a child of the client's span where it sent `traceparent`
    ├── decode                            its body, once it is there, into rows
    └── predict                           rows into a prediction, waiting included
        └── thread                        where it took a thread: from the queue on

Where spans go and how many, the standard variables say: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME,
OTEL_PROPAGATORS and the rest. The SDK exports from a thread of its own, and drops spans where its queue is full.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from kanarya_contracts import records
from kanarya_contracts.metrics import Edge
from kanarya_model import VERSION
from kanarya_model.core.model import Model

Attributes = Mapping[str, str | int]

_LAST_SECONDS = 4.0
"""For the last spans when the server stops."""
_UNNAMED = "unknown_service"

_there: ContextVar[int | None] = ContextVar("there", default=None)
"""When the request's body was there whole, in nanoseconds since the epoch; None once that has been told."""


class Spans:
    """The spans of this process. For any thread."""

    def __init__(self) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("kanarya_model", VERSION)

    @contextmanager
    def request(self, name: str, headers: Mapping[bytes, bytes], attributes: Attributes) -> Iterator[Span]:
        """A request, for as long as the context lasts."""
        parent: Context = propagate.extract(headers, getter=_GETTER)
        with self._tracer.start_as_current_span(name, parent, SpanKind.SERVER, attributes) as span:
            yield span

    def body_is_there(self) -> None:
        """The request of this context has been received."""
        _there.set(time.time_ns())

    @contextmanager
    def predicting(self, rows: int) -> Iterator[None]:
        """The prediction for the request of this context; until now, its body was decoded."""
        began = _there.get()
        if began is not None:
            _there.set(None)
            self._tracer.start_span("decode", start_time=began).end()
        with self._tracer.start_as_current_span("predict", attributes={records.SPAN_ROWS: rows}):
            yield

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """Work for a thread, waiting included."""
        with self._tracer.start_as_current_span("thread"):
            yield

    def close(self) -> None:
        """Send what is left, unless that takes long."""
        last = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(_LAST_SECONDS)


class _Getter(Getter[Mapping[bytes, bytes]]):
    """Headers for OpenTelemetry: of the few that it asks for, and no other, text is made."""

    def get(self, carrier: Mapping[bytes, bytes], key: str) -> list[str] | None:
        value = carrier.get(key.lower().encode())
        return None if value is None else [value.decode("latin-1")]

    def keys(self, carrier: Mapping[bytes, bytes]) -> list[str]:
        return [name.decode("latin-1") for name in carrier]


_GETTER = _Getter()


def of(model: Model, edge: Edge | None) -> dict[str, str | int]:
    """Attributes of a request that found this model."""
    found: dict[str, str | int] = {records.SPAN_MODEL: model.name, records.SPAN_VERSION: model.version}
    return found if edge is None else {**found, records.SPAN_EDGE: edge.value}


def blame(span: Span, status: int) -> None:
    """An error is what is not the client's mistake. `status`: HTTP's."""
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def _resource() -> Resource:
    said = Resource.create({SERVICE_VERSION: VERSION})
    if str(said.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        return said.merge(Resource({SERVICE_NAME: "kanarya-model"}))
    return said
