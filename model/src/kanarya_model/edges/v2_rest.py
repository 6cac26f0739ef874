"""V2 (Open Inference Protocol) over REST, as a bare ASGI application. Made by `server`, called by uvicorn.

    GET  /v2  /v2/health/live  /v2/health/ready                     the server
    GET  /v2/models/{m}[/versions/{v}]  …/ready                     a model
    POST /v2/models/{m}[/versions/{v}]/infer                        inference
    POST /v2/models/{m}/feedback                                    labels that came back (ours, not the protocol's)
    GET  /metrics                                                   for Prometheus

Every path that exists stands in one table, so finding a route is finding a key; everything else is 404 or 405 with a message.
A body for inference may be called a form, as `curl -d` does: it is read as JSON all the same, and asking changes nothing here.
Feedback does, so it keeps to JSON, which a web page elsewhere cannot send without asking first.
A client's mistake is 4xx with `{"error"}`, ours or the model's is 500, and what went wrong inside stays in the log. While
draining, readiness is 503 and every answer asks for another connection.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import orjson

from kanarya_model import VERSION
from kanarya_model.core.feedback import read_feedback
from kanarya_model.core.refusal import Reason, Refusal, listed, quoted
from kanarya_model.edges.http import (
    BEGAN,
    BYTES,
    FORM,
    IN_FLIGHT,
    JSON,
    ClientLeft,
    Receive,
    Reply,
    Scope,
    Send,
    check_json,
    document_length,
    error,
    read_body,
    send_reply,
)
from kanarya_model.edges.served import Overloaded, Served
from kanarya_model.edges.v2_request import read_document, read_request
from kanarya_model.edges.v2_response import ResponseWriter
from kanarya_model.metrics import CONTENT_TYPE, Counts, Exposition

log = logging.getLogger(__name__)

_STATUS = {Reason.LIMIT: 413, Reason.MEDIA_TYPE: 415}
_INTERNAL = error("the model or its server failed; the server's log says why")

EXTENSIONS = ("binary_tensor_data",)
"""Of the protocol, as the server's metadata names them."""

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost."""

    body_bytes: int
    rows: int
    in_flight: int
    """More requests than this at once, and the next one for inference is refused."""


class V2Rest:
    """The application. `served` is what it answers for."""

    def __init__(self, served: Sequence[Served], *, limits: Limits) -> None:
        self._served = served
        self._limits = limits
        self._draining = False
        self._exposition = Exposition([one.counts for one in served])
        self._routes = self._all_routes()

    def drain(self) -> None:
        """Not ready from now on; requests are answered as before, each with `Connection: close`."""
        self._draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        methods = self._routes.get(scope["path"])
        if methods is None:
            await self._send(send, Reply(status=404, body=error(self._unknown(scope["path"]))))
            return
        handler = methods.get(scope["method"])
        if handler is None:
            allowed = ", ".join(methods)
            message = f"method: got {scope['method']}, expected {allowed} for {scope['path']}"
            headers = (JSON, (b"allow", allowed.encode()))
            await self._send(send, Reply(status=405, body=error(message), headers=headers))
            return
        await handler(scope, receive, send)

    async def _send(self, send: Send, reply: Reply) -> None:
        await send_reply(send, reply, close=self._draining)

    # --- routes -------------------------------------------------------------------------------------------------------

    def _all_routes(self) -> dict[str, dict[str, Handler]]:
        about = {"name": "kanarya-model", "version": VERSION, "extensions": list(EXTENSIONS)}
        routes: dict[str, dict[str, Handler]] = {
            "/v2": {"GET": self._fixed(about)},
            "/v2/": {"GET": self._fixed(about)},  # as the published OpenAPI document writes it
            "/v2/health/live": {"GET": self._fixed({"live": True})},
            "/v2/health/ready": {"GET": self._readiness({})},
            "/metrics": {"GET": self._metrics},
        }
        for one in self._served:
            routes |= self._model_routes(one)
        return routes

    def _model_routes(self, one: Served) -> dict[str, dict[str, Handler]]:
        name = one.model.name
        routes: dict[str, dict[str, Handler]] = {}
        for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/{one.model.version}"):
            routes[path] = {"GET": self._fixed(one.metadata())}
            routes[f"{path}/ready"] = {"GET": self._readiness({"name": name})}
            routes[f"{path}/infer"] = {"POST": self._inference(one)}
        routes[f"/v2/models/{name}/feedback"] = {"POST": self._feedback(one)}
        return routes

    def _unknown(self, path: str) -> str:
        stripped = path.rstrip("/")
        if stripped in self._routes:
            return f"path: got {quoted(path)}, expected {stripped} without the slash at the end"
        match path.split("/"):
            case ["", "v2", "models", name, *rest]:
                known = [one.model for one in self._served if one.model.name == name]
                if not known:
                    return f"model: got {quoted(name)}, expected {listed(tuple(one.model.name for one in self._served))}"
                if rest[:1] == ["versions"] and len(rest) > 1 and all(model.version != rest[1] for model in known):
                    served = listed(tuple(model.version for model in known))
                    return f"version: got {quoted(rest[1])} of model {quoted(name)}, expected {served}"
        return f"path: got {quoted(path)}, which is not served here; GET /v2 and /v2/models/{{name}} are where to start"

    # --- small answers ------------------------------------------------------------------------------------------------

    def _fixed(self, document: object) -> Handler:
        reply = Reply(status=200, body=orjson.dumps(document))

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
            await self._send(send, reply)

        return answer

    def _readiness(self, document: dict[str, object]) -> Handler:
        yes = Reply(status=200, body=orjson.dumps({**document, "ready": True}))
        no = Reply(status=503, body=orjson.dumps({**document, "ready": False}))

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
            await self._send(send, no if self._draining else yes)

        return answer

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = ((b"content-type", CONTENT_TYPE.encode()),)
        await self._send(send, Reply(status=200, body=self._exposition.text(), headers=headers))

    # --- inference ----------------------------------------------------------------------------------------------------

    def _inference(self, one: Served) -> Handler:
        model, counts = one.model, one.counts
        writer = ResponseWriter(model=model.name, version=model.version, contract=model.contract)

        async def infer(scope: Scope, receive: Receive, send: Send) -> None:
            state = scope.get("state")
            began = state[BEGAN] if state else perf_counter()
            counts.in_flight += 1
            try:
                if state:
                    self._check_load(state[IN_FLIGHT])
                headers = dict(scope["headers"])
                length = document_length(headers)
                check_json(headers, also=FORM if length is None else BYTES)
                body = await read_body(headers, receive, self._limits.body_bytes)
                request = read_request(body, length, known=model.outputs)
                prediction = await one.predict(model.inputs.rows(request.tensors))
                await self._send(send, writer.write(request, prediction))
                counts.succeeded(perf_counter() - began, prediction.labels.tolist())
            except Refusal as refusal:
                await self._refuse(send, refusal, counts, inference=True)
            except Overloaded as refusal:
                counts.overloaded()
                again = (b"retry-after", b"%d" % refusal.retry_seconds)
                await self._send(send, Reply(status=503, body=error(str(refusal)), headers=(JSON, again)))
            except ClientLeft:
                log.debug("a client left before its request was complete")
            except Exception:
                log.exception("inference failed")
                counts.failed()
                await self._send(send, Reply(status=500, body=_INTERNAL))
            finally:
                counts.in_flight -= 1

        return infer

    def _check_load(self, in_flight: int) -> None:
        if in_flight >= self._limits.in_flight:
            raise Overloaded(f"{in_flight} requests are in flight, expected at most {self._limits.in_flight}")

    async def _refuse(self, send: Send, refusal: Refusal, counts: Counts, *, inference: bool) -> None:
        status = _STATUS.get(refusal.reason, 400)
        counts.refused(status, refusal.reason, inference=inference)
        await self._send(send, Reply(status=status, body=error(str(refusal))))

    # --- feedback -----------------------------------------------------------------------------------------------------

    def _feedback(self, one: Served) -> Handler:
        model, counts = one.model, one.counts

        async def feedback(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                headers = dict(scope["headers"])
                check_json(headers)
                document = read_document(await read_body(headers, receive, self._limits.body_bytes))
                classes = model.contract.classes
                report = read_feedback(document, version=model.version, classes=classes, most_rows=self._limits.rows)
                counts.came_back(report)
            except Refusal as refusal:
                await self._refuse(send, refusal, counts, inference=False)
            except ClientLeft:
                log.debug("a client left before its feedback was complete")
            else:
                await self._send(send, Reply(status=200, body=orjson.dumps({"counted": report.right + report.wrong})))

        return feedback
