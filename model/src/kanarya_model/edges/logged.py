"""The access log at the doors: round the HTTP application, and round a call by gRPC. Made by `server` where the log is on.

Every request gets an id: the client's `X-Request-Id`, if it is a short word, or one of ours; what answers it sees the id among
the headers, and the answer carries it. Left out of the log is what went well and was not for inference: health, metadata and
metrics, which are asked all day. What could not be read as HTTP has no request to speak of and no line.
"""

import re
import secrets
import time
from collections.abc import Awaitable
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

from kanarya_contracts.metrics import Edge
from kanarya_model.edges.http import BEGAN, MIRRORED_TO, REQUEST_ID, Application, Message, Receive, Scope, Send
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.workers import Gone
from kanarya_model.records.access import NOWHERE, AccessLog, Door, Visit

if TYPE_CHECKING:
    from kanarya_model.edges.v2_calls import Call, Metadata, Outcome

_SHORT_WORD = re.compile(rb"[!-~]{1,128}")
_LENGTH = b"content-length"
_METHOD = "ModelInfer"
_CLIENT_LEFT = 499
"""As nginx has it: nobody was there to be answered."""


class RequestIds:
    """Ids for requests that come without one: no two alike, whatever process made them."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8).encode()
        self._numbers = count(1)

    def of(self, given: bytes) -> bytes:
        """The id given, if it will do, or a new one."""
        return given if given and _SHORT_WORD.fullmatch(given) else b"%s-%x" % (self._process, next(self._numbers))


class LoggedHttp:
    """The application, with a line a request. The same ASGI. `rest` is what is innermost, and knows paths and doors."""

    def __init__(self, application: Application, log: AccessLog, rest: Rest) -> None:
        self._application = application
        self._log = log
        self._ids = RequestIds()
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path, state = scope["path"], scope.get("state")
        # Before the request is answered: what is served may change meanwhile.
        met = self._rest.doors.get(path)
        door = Door(met[1].model.name, met[1].model.version, met[0]) if met else NOWHERE
        began = state[BEGAN] if state else perf_counter()
        given, mirrored_to, received = b"", b"", None
        for name, value in scope["headers"]:
            if name == REQUEST_ID:
                given = value
            elif name == _LENGTH:
                received = int(value)
            elif name == MIRRORED_TO:
                mirrored_to = value
        request_id = self._ids.of(given)
        scope["headers"] = [*scope["headers"], (REQUEST_ID, request_id)]
        status = sent = 0

        # No coroutine: a change of hands a message would cost as much as all the rest of this.
        def sending(message: Message) -> Awaitable[None]:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((REQUEST_ID, request_id))
            else:
                sent += len(message["body"])
            return send(message)

        try:
            await self._application(scope, receive, sending)
        finally:
            status = status or _CLIENT_LEFT
            if status >= 400 or door is not NOWHERE:
                known = path if self._rest.knows(path) else None
                copy, seconds = _is_copy(mirrored_to, door), perf_counter() - began
                visit = Visit(time.time(), request_id, door, scope["method"], known, copy, status, seconds, received, sent)
                self._log.add(visit)


def logged_call(call: "Call", log: AccessLog) -> "Call":
    """A call by gRPC, with a line in the log."""
    ids = RequestIds()

    def logged(content: bytes, metadata: "Metadata", gone: Gone) -> "Outcome":
        began = perf_counter()
        request_id = metadata[REQUEST_ID] = ids.of(metadata.get(REQUEST_ID, b""))
        outcome = call(content, metadata, gone)
        one, seconds = outcome.served, perf_counter() - began
        door = Door(one.model.name, one.model.version, Edge.V2_GRPC) if one else NOWHERE
        copy, sizes = _is_copy(metadata.get(MIRRORED_TO, b""), door), (len(content), len(outcome.answer))
        log.add(Visit(time.time(), request_id, door, _METHOD, None, copy, outcome.status, seconds, *sizes))
        return outcome

    return logged


def _is_copy(mirrored_to: bytes, door: Door) -> bool:
    return bool(mirrored_to) and mirrored_to.decode("latin-1") == door.version
