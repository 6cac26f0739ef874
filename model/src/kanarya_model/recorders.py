"""Which records there are, from the settings, and how they stand round the edges. Made by `server`, which closes them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from kanarya_contracts.problems import KanaryaError
from kanarya_model.core.model import Model
from kanarya_model.edges.http import Application
from kanarya_model.edges.logged import LoggedHttp, logged_call
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.served import Served
from kanarya_model.records.access import AccessLog, standard_output
from kanarya_model.settings import Settings

if TYPE_CHECKING:
    from kanarya_model.edges.v2_calls import Call
    from kanarya_model.records.requests import RequestLog
    from kanarya_model.records.spans import Spans

_LEAST_KEY = 16
"""Bytes."""


class Recorders:
    """Those that were asked for."""

    def __init__(self, settings: Settings, model: Model | None) -> None:
        """`model`: the one that is served; a request log is one model's. Raises KanaryaError where something is missing."""
        self.sampled = _request_log(settings, model) if settings.request_log else None
        """Who keeps requests."""
        self._spans = _spans() if settings.traces else None
        self._access = AccessLog(standard_output) if settings.access_log else None

    @property
    def collectors(self) -> list[Collector]:
        """What they have to say at /metrics."""
        return [one for one in (self.sampled, self._access) if one]

    @property
    def served(self) -> Callable[..., Served]:
        """What makes what is served."""
        if self._spans is None:
            return Served
        from kanarya_model.edges.traced import TracedServed  # noqa: PLC0415 (needs an extra)

        return partial(TracedServed, spans=self._spans)

    def application(self, inner: Rest) -> Application:
        """The application, watched."""
        outer: Application = inner
        if self._spans:
            from kanarya_model.edges.traced import TracedHttp  # noqa: PLC0415 (needs an extra)

            outer = TracedHttp(outer, inner, self._spans)
        # The log is outermost: whoever else watches sees the id that it gives a request.
        return LoggedHttp(outer, self._access, inner) if self._access else outer

    @property
    def calls(self) -> "list[Callable[[Call], Call]]":
        """What watches calls for inference by gRPC, from the inside out."""
        watched: list[Callable[[Call], Call]] = []
        if self._spans:
            from kanarya_model.edges.traced import traced_call  # noqa: PLC0415 (needs an extra)

            watched.append(partial(traced_call, to=self._spans))
        if self._access:
            watched.append(partial(logged_call, log=self._access))
        return watched

    def close(self) -> None:
        """Write what is left."""
        for one in (self.sampled, self._spans, self._access):
            if one:
                one.close()


def _spans() -> "Spans":
    try:
        from kanarya_model.records.spans import Spans  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise KanaryaError(f"--traces: {error.name} is not installed; install kanarya-model[otel]") from None
    return Spans()


def _request_log(settings: Settings, model: Model | None) -> "RequestLog":
    try:
        from kanarya_model.records.place import writer  # noqa: PLC0415
        from kanarya_model.records.requests import Bounds, RequestLog  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise KanaryaError(f"--request-log: {error.name} is not installed; install kanarya-model[request-log]") from None
    assert model is not None  # noqa: S101 (the settings allow a request log to one model alone)
    bounds = Bounds(share=settings.request_log_share, rows=settings.request_log_rows, seconds=settings.request_log_seconds)
    key = _key(Path(settings.request_log_key_file)) if settings.request_log_key_file else None
    return RequestLog(model, writer(settings.request_log or ""), bounds=bounds, key=key)


def _key(path: Path) -> bytes:
    try:
        key = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise KanaryaError(f"--request-log-key-file: {path} cannot be read ({error.strerror})") from None
    if len(key) < _LEAST_KEY:
        raise KanaryaError(f"--request-log-key-file: {path} has {len(key)} bytes, expected {_LEAST_KEY} or more")
    return key
