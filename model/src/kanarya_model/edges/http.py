"""Bodies and replies over ASGI. Called by the REST edges."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from kanarya_contracts.names import HEADER_MIRRORED_TO
from kanarya_model.core.refusal import Reason, Refusal, quoted
from kanarya_model.edges.compression import INFLATERS, inflate
from kanarya_model.edges.workers import ClientLeft

Headers = Mapping[bytes, bytes]
"""By name in lower case; of one that is given twice, the last."""
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")
BEGAN = "began"
"""In a scope's `state`: `perf_counter` when the request's first byte came. `protocol` puts it there."""
IN_FLIGHT = "in_flight"
"""In a scope's `state`: requests of this process that had begun and had no answer when this one's head was there."""
GONE = "gone"
"""In a scope's `state`: whether its client has left, a function (`workers.Gone`)."""
LONG_BODY = 1 << 18
"""A body of more bytes takes milliseconds to read: a thread's work, reading, prediction and all."""
MIRRORED_TO = HEADER_MIRRORED_TO.encode()
DOCUMENT_LENGTH = b"inference-header-content-length"
REQUEST_ID = b"x-request-id"
"""What gateways call a request by, in their own logs too."""
FORM = frozenset({b"application/x-www-form-urlencoded"})
"""What `curl -d` says of every body unless it is told otherwise."""
BYTES = frozenset({b"application/octet-stream"})
_DIGITS = 18
_JSON_TYPES = frozenset({b"", b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})


@dataclass(kw_only=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)


def error(message: str) -> bytes:
    """The protocol's error object."""
    return orjson.dumps({"error": message})


async def send_reply(send: Send, reply: Reply, *, close: bool = False) -> None:
    """Send it whole. `close`: and ask the client to use another connection."""
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    if close:
        headers.append(CLOSE)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def read_body(headers: Headers, receive: Receive, most: int) -> bytes:
    """The request's body, inflated. Raises Refusal, or ClientLeft.

    A body that is too large is refused as soon as that is known, before or after inflation. The connection stays open for a
    while: `protocol` throws away what still comes, and a client that is busy writing finds the answer when it is done.
    """
    coding = headers.get(b"content-encoding")
    if coding is not None:
        coding = _known_coding(coding)
    length = int(headers.get(b"content-length", b"0"))
    if length > most:
        raise Refusal(Reason.LIMIT, f"body: got {length} bytes, expected at most {most}")
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body") and len(message.get("body", b"")) <= most:
        body: bytes = message.get("body", b"")
    else:
        body = await _read_on(message, receive, most)
    return inflate(body, coding, most) if coding is not None else body


async def _read_on(message: Message, receive: Receive, most: int) -> bytes:
    pieces, size = [], 0
    while message["type"] == "http.request":
        pieces.append(message.get("body", b""))
        size += len(message.get("body", b""))
        if size > most:
            raise Refusal(Reason.LIMIT, f"body: got more than {most} bytes, expected at most {most}")
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()
    raise ClientLeft


def check_json(headers: Headers, *, also: frozenset[bytes] = frozenset()) -> None:
    """Refuse a body that is announced as something else than JSON in UTF-8, nothing at all, or what is `also` taken."""
    kind = headers.get(b"content-type", b"")
    if kind not in _JSON_TYPES and kind not in also and not _is_json(kind):
        raise Refusal(Reason.MEDIA_TYPE, f"Content-Type: got {_text(kind)}, expected application/json in UTF-8")


def document_length(headers: Headers) -> int | None:
    """Bytes of the JSON document that a body begins with, where tensors as bytes follow it; None where it is JSON alone.

    Triton's raw bodies, which have no document and say 0, are not read: nothing in them says what they are.
    """
    text = headers.get(DOCUMENT_LENGTH)
    if text is None:
        return None
    if not text.isdigit() or len(text) > _DIGITS or int(text) == 0:
        message = f"Inference-Header-Content-Length: got {_text(text)}, expected the bytes of the JSON document, at least 2"
        raise Refusal(Reason.BODY, message)
    return int(text)


def _known_coding(coding: bytes) -> bytes | None:
    coding = coding.lower()
    if coding == b"identity":
        return None
    if coding not in INFLATERS:
        raise Refusal(Reason.MEDIA_TYPE, f"Content-Encoding: got {_text(coding)}, expected gzip, zstd or identity")
    return coding


def _is_json(kind: bytes) -> bool:
    media_type, *parameters = (part.strip().lower() for part in kind.split(b";"))
    charsets = [part.partition(b"=")[2].strip(b'" ') for part in parameters if part.startswith(b"charset")]
    return media_type == b"application/json" and all(charset in (b"utf-8", b"utf8", b"us-ascii") for charset in charsets)


def _text(value: bytes) -> str:
    return quoted(value.decode("latin-1"))
