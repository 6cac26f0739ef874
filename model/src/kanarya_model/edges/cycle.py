"""One request and its answer over HTTP/1.1, as ASGI sees them. Made by `protocol`, started where a request's last byte is read.

Most answers need nothing that is not there already, so the application's coroutine is driven from here and has mostly ended
when `start` returns: no task, no turn of the event loop, and head and body leave in one write. Where it does wait for something
(the rest of a body, a thread), what is left of it becomes a task. Answers come whole; one in pieces is refused.
"""

import asyncio
import logging
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from kanarya_model.edges.http import CLOSE, Message, Reply, error, send_reply

if TYPE_CHECKING:
    from kanarya_model.edges.protocol import StrictHttp

log = logging.getLogger(__name__)

_FAILED = Reply(status=500, body=error("the server failed; its log says why"))


class Cycle:
    """What uvicorn's protocol knows of a request on its way."""

    __slots__ = (
        "_continue",
        "_head",
        "_protocol",
        "_scope",
        "_transport",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
    )

    def __init__(self, protocol: "StrictHttp", *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._scope: Any = protocol.scope
        self._continue = protocol.expect_100_continue
        self._head: list[bytes] | None = None
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.message_event = _News()
        """There is more to receive: a piece of the body, its end, or nobody any more."""
        self.disconnected = False
        self.response_complete = False

    def start(self) -> None:
        """Call the application, to its end if it waits for nothing."""
        protocol, context, running = self._protocol, copy_context(), self._run()
        try:
            waits_for = context.run(running.send, None)
        except StopIteration:
            return
        task = protocol.loop.create_task(_go_on(running, waits_for), context=context)
        task.add_done_callback(protocol.tasks.discard)
        protocol.tasks.add(task)

    async def _run(self) -> None:
        try:
            await self._protocol.app(self._scope, self.receive, self.send)
        except Exception:
            log.exception("%s %s failed", self._scope["method"], self._scope["path"])
            await send_reply(self.send, _FAILED, close=True)
        except BaseException:  # the process ends before the answer is there
            self._transport.close()
            raise

    async def receive(self) -> Message:
        """ASGI's: a piece of the body, or that the client has left."""
        if self._continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._continue = False
        if not self.disconnected and not self.response_complete:
            self._protocol.flow.resume_reading()
            await self.message_event.wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """ASGI's: the head, then the whole body."""
        if message["type"] == "http.response.start":
            self._head = self._write_head(message["status"], message["headers"])
            return
        if self._head is None or self.response_complete or message.get("more_body"):
            raise RuntimeError(f"got {message['type']}, expected a head and then a whole body, once")
        if self._protocol.flow.write_paused and not self.disconnected:
            await self._protocol.flow.drain()
        if self.disconnected:
            return
        if self._scope["method"] != "HEAD":
            self._head.append(message["body"])
        self._transport.write(b"".join(self._head))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self._transport.close()
        self._protocol.on_response_complete()

    def _write_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
        self._continue = False
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers = [*headers, CLOSE]
        parts = [STATUS_LINE[status]]
        for name, value in (*self._protocol.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n")
        return parts


class _News:
    """An `asyncio.Event` that whoever has waited for it clears; made for every request, and rarely waited for."""

    __slots__ = ("_there", "_waiter")

    def __init__(self) -> None:
        self._there = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._there = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        while not self._there:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._there, self._waiter = False, None


async def _go_on(running: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _steps(running, waits_for)


@coroutine
def _steps(running: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """The rest of a coroutine that was begun without a task and waits for this."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as thrown:  # noqa: BLE001 (a cancellation, which is the coroutine's to see)
            waits_for = _or_end(running.throw, thrown)
        else:
            waits_for = _or_end(running.send, sent)
        if waits_for is _END:
            return


_END = object()


def _or_end(step: Any, value: Any) -> Any:
    try:
        return step(value)
    except StopIteration:
        return _END
