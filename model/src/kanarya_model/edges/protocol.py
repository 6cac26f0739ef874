"""HTTP/1.1 as uvicorn speaks it (llhttp), with limits on a request's head and on everybody's patience, and errors as V2's. What
happens between a request and its answer is `cycle`'s.

Called by uvicorn, a protocol a connection; made by `server`, which calls `sweep` about once a second. Between two sweeps a
connection only writes down until when its client may take: to begin, to send a request whole, to send the rest of one that has
its answer already, to ask again, to read. A timer a request would cost more than the rest of this file.
"""

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kanarya_model.edges.cycle import Cycle
from kanarya_model.edges.http import BEGAN, GONE, IN_FLIGHT, error

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_REST_SECONDS = 5.0
_REST_BYTES = 16 << 20
"""What a client may still send of a request that has been answered, so that it comes to read the answer."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a connection may cost."""

    head_bytes: int
    """Of the request line with the headers."""
    request_seconds: float
    """From a request's first byte to its last, and for an answer to be read."""
    keep_alive_seconds: float
    """Between an answer and the next request."""


class StrictHttp(HttpToolsProtocol):
    """A connection. `patience` is set by `limited`."""

    patience: Patience
    cycle: Any
    """The latest request's `Cycle`, in place of uvicorn's."""
    pipeline: deque[tuple[Any, Any]]
    _head = 0
    _began = 0.0
    _reading_head = False
    _chunk = 0
    _ended = False
    """Whether a request has ended in these bytes: what comes after it is another's, and nobody says how much that is."""
    _rest = 0
    _begun: Cycle | None = None
    """A request whose head is there and whose application is not started: the same bytes may bring the whole of it."""
    _deadline = inf
    """By `perf_counter`: the client must have done by then what it is to do next. Infinite while it is our turn."""
    _read_deadline = inf
    """The same for reading what was written."""
    _wrong = (400, "request: is not HTTP/1.1")

    def sweep(self, now: float) -> None:
        """End the connection if its client takes too long. `now`: of `perf_counter`."""
        if self.transport.is_closing() and self._read_deadline == inf:
            self._read_deadline = now + self.patience.request_seconds
        if now >= self._read_deadline:
            self.transport.abort()
        elif now >= self._deadline and not self.transport.is_closing():
            self._give_up(now)

    def _give_up(self, now: float) -> None:
        ours = self.cycle is not None and not self.cycle.response_complete
        if ours and (self._reading_head or self.pipeline):
            # An earlier request has no answer yet: the client waits for us as much as we for it.
            self._deadline = now + self.patience.request_seconds
        elif ours or self._reading_head:
            if ours:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            limit = self.patience.request_seconds
            self._wrong = 408, f"request: was not there whole after {limit:g} s, expected at most that"
            self.send_400_response("")
        else:
            self.transport.close()

    # --- called by the event loop -------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(transport)
        self._deadline = perf_counter() + self.patience.request_seconds

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head that goes on and on."""
        self._chunk, self._ended = len(data), False
        super().data_received(data)
        if self._reading_head:
            self._head += 1 if self._ended else len(data)
            if self._head > self.patience.head_bytes and not self.transport.is_closing():
                self._wrong = self._too_large()
                self.send_400_response("")
        self._start()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._read_deadline = perf_counter() + self.patience.request_seconds
        super().pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._read_deadline = inf
        super().resume_writing()

    # --- called by the parser -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request starts."""
        self._reading_head, self._head, self._rest = True, 0, 0
        self._began = perf_counter()
        self._deadline = self._began + self.patience.request_seconds
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Its head has been read. What is raised here stops the parser, and `send_400_response` answers."""
        self._reading_head = False
        if (self._chunk > self.patience.head_bytes or self._head) and self._head_bytes() > self.patience.head_bytes:
            self._wrong = self._too_large()
            raise ValueError(self._wrong)
        if self.parser.should_upgrade():
            # The parser takes what follows for another protocol, so the body would be lost.
            self._wrong = 400, "Upgrade: got a request for another protocol, expected none"
            raise ValueError(self._wrong)
        self.scope = self._read_head()
        keep_alive = self.scope["http_version"] != "1.0" and self.parser.should_keep_alive()
        earlier, self.cycle = self.cycle, Cycle(self, keep_alive=keep_alive)
        if earlier is None or earlier.response_complete:
            self._begun = self.cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _read_head(self) -> Any:
        path, raw_path, query = _parsed(self.url)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": self.parser.get_http_version(),
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": "",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": {BEGAN: self._began, GONE: self.transport.is_closing, IN_FLIGHT: len(self.tasks)},
        }

    def _start(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None and not self.transport.is_closing():
            begun.start()

    def on_body(self, body: bytes) -> None:
        """A piece of its body; as uvicorn does, but what comes after the answer has an end."""
        cycle = self.cycle
        if cycle.response_complete:
            self._rest += len(body)
            if self._rest > _REST_BYTES:
                self.transport.close()
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is there whole; as uvicorn does."""
        self._deadline, self._ended = inf, True
        cycle = self.cycle
        if cycle.response_complete:
            self._deadline = perf_counter() + self.patience.keep_alive_seconds
        else:
            cycle.more_body = False
            cycle.message_event.set()
            self._start()

    # --- called when an answer is out ---------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """As uvicorn does, without its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            # Not from here: a thousand that wait would each start the next within the one before.
            self.loop.call_soon(self.pipeline.pop()[0].start)
        elif self._deadline == inf:
            self._deadline = perf_counter() + self.patience.keep_alive_seconds
        elif not self._reading_head:
            self._deadline = perf_counter() + _REST_SECONDS

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's text is replaced)
        """What cannot be read as HTTP, answered in JSON."""
        status, text = self._wrong
        body = error(text)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> tuple[int, str]:
        limit = self.patience.head_bytes
        return 431, f"headers: got more than {limit} bytes with the request line, expected at most that"


@lru_cache(maxsize=64)
def _parsed(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, the same as it came, and query. Clients ask for few; what is not asked again is soon forgotten."""
    parts = httptools.parse_url(url)
    path = parts.path.decode("ascii")
    return unquote(path) if "%" in path else path, parts.path, parts.query or b""


def limited(patience: Patience) -> type[Any]:
    """The protocol with that patience, for `uvicorn.Config(http=…)`."""
    return type("LimitedHttp", (StrictHttp,), {"patience": patience})
