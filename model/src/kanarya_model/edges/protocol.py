"""HTTP/1.1 as uvicorn speaks it (llhttp), with a limit on the head of a request and errors as V2 writes them.

Called by uvicorn, a protocol a connection; made by `server`. The limit counts the request line and headers.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kanarya_model.edges.http import error


class StrictHttp(HttpToolsProtocol):
    """A connection. `most_head_bytes` is set by `limited`."""

    most_head_bytes: int
    _head = 0
    _reading_head = False
    _chunk = 0
    _wrong = (400, "request: is not HTTP/1.1")

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head that goes on and on."""
        self._chunk = len(data)
        super().data_received(data)
        if self._reading_head:
            self._head += len(data)
            if self._head > self.most_head_bytes and not self.transport.is_closing():
                self._wrong = self._too_large()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request starts."""
        self._reading_head, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head has been read. What is raised here stops the parser, and `send_400_response` answers."""
        self._reading_head = False
        if self._chunk > self.most_head_bytes and self._head_bytes() > self.most_head_bytes:
            self._wrong = self._too_large()
            raise ValueError(self._wrong)
        if self.parser.should_upgrade():
            # The parser takes what follows for another protocol, so the body would be lost.
            self._wrong = 400, "Upgrade: got a request for another protocol, expected none"
            raise ValueError(self._wrong)
        super().on_headers_complete()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> tuple[int, str]:
        return 431, f"headers: got more than {self.most_head_bytes} bytes with the request line, expected at most that"

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's text is replaced)
        """What cannot be read as HTTP, answered in JSON."""
        status, text = self._wrong
        body = error(text)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


def limited(most_head_bytes: int) -> type[Any]:
    """The protocol with that limit, for `uvicorn.Config(http=…)`."""
    return type("LimitedHttp", (StrictHttp,), {"most_head_bytes": most_head_bytes})
