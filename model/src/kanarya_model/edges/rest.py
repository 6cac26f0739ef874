"""The HTTP application, bare ASGI: finds a route, answers what needs no model. Made by `server`, called by uvicorn.

    GET  /v2  /v2/health/live  /v2/health/ready                     the server
    GET  /v2/models/{m}[/versions/{v}]  …/ready                     a model
    POST /v2/models/{m}[/versions/{v}]/infer                        inference
    POST /v2/models/{m}/feedback                                    labels that came back, or what became of a user of
                                                                    an A/B test (ours, not the protocol's)
    GET  /v1/models  /v1/models/{m}                                 the older protocol's word for ready
    POST /v1/models/{m}:predict                                     inference
    GET  /openapi.json                                              all this as OpenAPI, with the served models' names
    GET  /metrics                                                   for Prometheus

Every path that exists stands in one table, so finding a route is finding a key; everything else is 404 or 405 with a message.
Feedback changes what is counted, so it keeps to JSON, which a web page elsewhere cannot send without asking first. While
draining, readiness is 503 and every answer asks for another connection.
"""

import logging
from collections.abc import Awaitable, Sequence

import orjson
from prometheus_client.registry import Collector

from kanarya_contracts.metrics import Edge
from kanarya_contracts.names import BUCKET_HEADER, SCORES_HEADER
from kanarya_model import VERSION
from kanarya_model.core.feedback import labelled, read_feedback
from kanarya_model.core.goal import is_goal_report, read_goal
from kanarya_model.core.refusal import Refusal, quoted
from kanarya_model.edges import inference, openapi
from kanarya_model.edges.documents import read_document, refuse_repeats
from kanarya_model.edges.http import (
    JSON,
    MIRRORED_TO,
    Receive,
    Reply,
    Scope,
    Send,
    check_json,
    error,
    read_body,
    send_reply,
)
from kanarya_model.edges.inference import Exchange, Handler, Limits, refused
from kanarya_model.edges.served import Served, find
from kanarya_model.edges.v1_rest import V1Exchange
from kanarya_model.edges.v2_rest import EXTENSIONS, V2Exchange
from kanarya_model.edges.workers import ClientLeft
from kanarya_model.metrics import CONTENT_TYPE, Exposition

log = logging.getLogger(__name__)

_BUCKET = BUCKET_HEADER.encode()
_SCORES = SCORES_HEADER.encode()


class Rest:
    """The application. `served` is what it answers for; `collectors` have more to say at /metrics."""

    def __init__(self, served: Sequence[Served], *, limits: Limits, collectors: Sequence[Collector] = ()) -> None:
        self._served = served
        self._limits = limits
        self._draining = False
        self._exposition = Exposition(
            [one.counts for one in served], [one.copies for one in served], [one.pairs for one in served], collectors
        )
        self.doors: dict[str, tuple[Edge | None, Served]] = {}
        """Path → what a request for inference meets there, or one with feedback, which is of no edge."""
        self._routes = self._all_routes()

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is answered."""
        return tuple(self._routes)

    def drain(self) -> None:
        """Not ready from now on; requests are answered as before, each with `Connection: close`."""
        self._draining = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request."""
        methods = self._routes.get(scope["path"])
        if methods is None:
            return self._send(send, Reply(status=404, body=error(self._unknown(scope["path"]))))
        handler = methods.get(scope["method"])
        if handler is None:
            allowed = ", ".join(methods)
            message = f"method: got {scope['method']}, expected {allowed} for {scope['path']}"
            headers = (JSON, (b"allow", allowed.encode()))
            return self._send(send, Reply(status=405, body=error(message), headers=headers))
        return handler(scope, receive, send)

    def _send(self, send: Send, reply: Reply) -> Awaitable[None]:
        return send_reply(send, reply, close=self._draining)

    # --- routes -------------------------------------------------------------------------------------------------------

    def _all_routes(self) -> dict[str, dict[str, Handler]]:
        about = {"name": "kanarya-model", "version": VERSION, "extensions": list(EXTENSIONS)}
        routes: dict[str, dict[str, Handler]] = {
            "/v2": {"GET": self._fixed(about)},
            "/v2/": {"GET": self._fixed(about)},  # as the published OpenAPI document writes it
            "/v2/health/live": {"GET": self._fixed({"live": True})},
            "/v2/health/ready": {"GET": self._readiness({})},
            "/v1/models": {"GET": self._fixed({"models": [one.model.name for one in self._served]})},
            "/openapi.json": {"GET": self._fixed(openapi.document([one.model for one in self._served]))},
            "/metrics": {"GET": self._metrics},
        }
        for one in self._served:
            routes |= self._model_routes(one)
        return routes

    def _model_routes(self, one: Served) -> dict[str, dict[str, Handler]]:
        name = one.model.name
        feedback = f"/v2/models/{name}/feedback"
        self.doors[feedback] = (None, one)
        routes: dict[str, dict[str, Handler]] = {
            feedback: {"POST": self._feedback(one)},
            f"/v1/models/{name}": {"GET": self._readiness({"name": name})},
        }
        paths = (f"/v2/models/{name}", f"/v2/models/{name}/versions/{one.model.version}")
        for path in paths:
            routes[path] = {"GET": self._fixed(one.metadata())}
            routes[f"{path}/ready"] = {"GET": self._readiness({"name": name})}
        v1 = V1Exchange(one, most_rows=self._limits.rows)
        routes |= self._inference(one, V2Exchange(one), *(f"{path}/infer" for path in paths))
        return routes | self._inference(one, v1, f"/v1/models/{name}:predict")

    def _inference(self, one: Served, exchange: Exchange, *paths: str) -> dict[str, dict[str, Handler]]:
        infer = inference.handler(one, exchange, self._limits, self._send)
        self.doors |= dict.fromkeys(paths, (exchange.edge, one))
        return {path: {"POST": infer} for path in paths}

    def _unknown(self, path: str) -> str:
        stripped = path.rstrip("/")
        if stripped in self._routes:
            return f"path: got {quoted(path)}, expected {stripped} without the slash at the end"
        match path.split("/"):
            case ["", "v1" | "v2" as protocol, "models", name, *rest]:
                name = name.removesuffix(":predict") if protocol == "v1" else name
                try:
                    find(self._served, name, rest[1] if rest[:1] == ["versions"] and len(rest) > 1 else None)
                except LookupError as unknown:
                    return str(unknown)
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

    # --- feedback -----------------------------------------------------------------------------------------------------

    def _feedback(self, one: Served) -> Handler:
        model = one.model

        async def feedback(scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope["headers"])
            counts = one.counting(headers.get(MIRRORED_TO))
            try:
                check_json(headers)
                body = await read_body(headers, receive, self._limits.body_bytes)
                document = read_document(body)
                refuse_repeats(body, document)
                if is_goal_report(document):
                    said = headers.get(_SCORES)
                    scores = said.decode("latin-1") if said is not None else None
                    counts.became(read_goal(document, drawn=_BUCKET in headers, scores=scores))
                    counted = 1
                else:
                    targets = model.contract.targets
                    report = read_feedback(document, version=model.version, targets=targets, most_rows=self._limits.rows)
                    counted = report.rows
                    if counts is one.copies:  # the champion's server counts the labels; here they meet what copies predicted
                        one.told(labelled(document) if report.version != model.version else [])
                    else:
                        counts.came_back(report)
            except Refusal as refusal:
                await self._send(send, refused(refusal, counts, None))
            except ClientLeft:
                log.debug("a client left before its feedback was complete")
            else:
                await self._send(send, Reply(status=200, body=orjson.dumps({"counted": counted})))

        return feedback
