"""A request for inference over HTTP, whatever its protocol: read, answered, counted. Called by `rest`, once a route.

A client's mistake is 4xx with `{"error"}` and is counted by what was wrong; too much at once is 503; ours or the model's is
500, and what went wrong inside stays in the log.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from kanarya_contracts.metrics import Edge
from kanarya_model.core.refusal import Reason, Refusal
from kanarya_model.core.request import Answered
from kanarya_model.edges.http import (
    BEGAN,
    GONE,
    IN_FLIGHT,
    JSON,
    MIRRORED_TO,
    REQUEST_ID,
    Application,
    Headers,
    Receive,
    Reply,
    Scope,
    Send,
    error,
    read_body,
)
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import ClientLeft, Gone, Overloaded, never_gone
from kanarya_model.metrics import Counts

log = logging.getLogger(__name__)

Answer = Callable[[Send, Reply], Awaitable[None]]
Handler = Application

_STATUS = {Reason.LIMIT: 413, Reason.MEDIA_TYPE: 415}
_INTERNAL = error("the model or its server failed; the server's log says why")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost."""

    body_bytes: int
    rows: int
    in_flight: int
    """More requests than this at once, and the next one for inference is refused."""


class Exchange(Protocol):
    """A protocol's words for one model."""

    edge: Edge
    """The door that it is."""

    def check(self, headers: Headers) -> None:
        """Refuse a body by how it is announced."""
        ...

    async def answer(self, headers: Headers, body: bytes, gone: Gone) -> tuple[Reply, Answered]:
        """The reply and what it answers. Raises Refusal, ModelFault, Overloaded or ClientLeft."""
        ...


def handler(one: Served, exchange: Exchange, limits: Limits, send_back: Answer) -> Handler:
    """The route's handler. `send_back` sends a reply as the application does at that moment."""
    edge, sampled = exchange.edge, one.sampled
    for counts in (one.counts, one.copies):
        counts.opened(edge)

    async def infer(scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state")
        began = state[BEGAN] if state else perf_counter()
        headers = dict(scope["headers"])
        counts = one.counting(headers.get(MIRRORED_TO))
        counts.began()
        try:
            if state:
                _check_load(state[IN_FLIGHT], limits.in_flight)
            exchange.check(headers)
            body = await read_body(headers, receive, limits.body_bytes)
            reply, answered = await exchange.answer(headers, body, state[GONE] if state else never_gone)
            await send_back(send, reply)
            seconds = perf_counter() - began
            counts.succeeded(edge, seconds, answered.prediction)
            if counts is one.copies:
                one.predicted(answered.id, answered.prediction)
            if sampled is not None:
                sampled.take(answered, edge, seconds, headers.get(REQUEST_ID), copy=counts is one.copies)
        except Refusal as refusal:
            await send_back(send, refused(refusal, counts, edge))
        except Overloaded as overload:
            counts.overloaded(edge)
            again = (b"retry-after", b"%d" % overload.retry_seconds)
            await send_back(send, Reply(status=503, body=error(str(overload)), headers=(JSON, again)))
        except ClientLeft:
            log.debug("a client left before it had its answer")
        except Exception:
            log.exception("inference failed")
            counts.failed(edge)
            await send_back(send, Reply(status=500, body=_INTERNAL))
        finally:
            counts.ended()

    return infer


def refused(refusal: Refusal, counts: Counts, edge: Edge | None) -> Reply:
    """The reply to a client's mistake, counted: as a request of that edge, or for None as none for inference."""
    reply = told(refusal)
    counts.refused(edge, reply.status, refusal.reason)
    return reply


def told(refusal: Refusal) -> Reply:
    """The reply to a client's mistake."""
    return Reply(status=_STATUS.get(refusal.reason, 400), body=error(str(refusal)))


def _check_load(in_flight: int, most: int) -> None:
    if in_flight >= most:
        raise Overloaded(f"{in_flight} requests are in flight, expected at most {most}")
