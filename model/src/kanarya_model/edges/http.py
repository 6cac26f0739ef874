"""Bodies and replies over ASGI. Called by `v2_rest`."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from kanarya_model.core.refusal import Reason, Refusal, quoted

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
_JSON_TYPES = frozenset({b"", b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})


class ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)


async def send_reply(send: Send, reply: Reply, *, close: bool = False) -> None:
    """Send it whole. `close`: and ask the client to use another connection."""
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    if close:
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def read_json_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The request's body, announced as JSON or as nothing. Raises Refusal, or ClientLeft.

    A body that is too large is refused as soon as that is known. The connection stays open: uvicorn throws away what still
    comes, and a client that is busy writing finds the answer when it is done.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    _check_media_type(headers)
    length = int(headers.get(b"content-length", b"0"))
    if length > most:
        raise Refusal(Reason.LIMIT, f"body: got {length} bytes, expected at most {most}")
    message = await receive()
    if message["type"] == "http.request" and not message["more_body"] and len(message["body"]) <= most:
        body: bytes = message["body"]
        return body
    return await _read_on(message, receive, most)


async def _read_on(message: Message, receive: Receive, most: int) -> bytes:
    pieces, size = [], 0
    while message["type"] == "http.request":
        pieces.append(message["body"])
        size += len(message["body"])
        if size > most:
            raise Refusal(Reason.LIMIT, f"body: got more than {most} bytes, expected at most {most}")
        if not message["more_body"]:
            return b"".join(pieces)
        message = await receive()
    raise ClientLeft


def _check_media_type(headers: dict[bytes, bytes]) -> None:
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding != b"identity" and encoding.lower() != b"identity":
        raise Refusal(Reason.MEDIA_TYPE, f"Content-Encoding: got {_text(encoding)}, expected identity")
    if b"inference-header-content-length" in headers:
        message = "Inference-Header-Content-Length: binary tensors are not read here; send the tensors as JSON"
        raise Refusal(Reason.MEDIA_TYPE, message)
    kind = headers.get(b"content-type", b"")
    if kind not in _JSON_TYPES and not _is_json(kind):
        raise Refusal(Reason.MEDIA_TYPE, f"Content-Type: got {_text(kind)}, expected application/json in UTF-8")


def _is_json(kind: bytes) -> bool:
    media_type, *parameters = (part.strip().lower() for part in kind.split(b";"))
    charsets = [part.partition(b"=")[2].strip(b'" ') for part in parameters if part.startswith(b"charset")]
    return media_type == b"application/json" and all(charset in (b"utf-8", b"utf8", b"us-ascii") for charset in charsets)


def _text(value: bytes) -> str:
    return quoted(value.decode("latin-1"))
