"""The HTTP application, bare ASGI: finds a route, answers what needs no model. Made by `server`, called by uvicorn.

    GET  /v2  /v2/health/live  /v2/health/ready                     the server
    GET  /v2/models/{m}[/versions/{v}]  …/ready                     a model
    POST /v2/models/{m}[/versions/{v}]/infer                        inference
    POST /v2/models/{m}/feedback                                    labels that came back, or what became of a user of
                                                                    an A/B test (ours, not the protocol's)
    GET  /v1/models  /v1/models/{m}                                 the older protocol's word for ready
    POST /v1/models/{m}:predict                                     inference
    POST /v2/repository/…                                           what is loaded, where that was asked for
    GET  /openapi.json                                              all this as OpenAPI, with the served models' names
    GET  /metrics                                                   for Prometheus

Every path of a model that exists stands in one table, so finding a route is finding a key; everything else is 404 or 405 with a
message. When what is served changes, a new table takes the old one's place. While draining, readiness is 503 and every answer
asks for another connection.
"""

from collections.abc import Awaitable, Sequence

import orjson
from prometheus_client.registry import Collector

from kanarya_contracts.metrics import Edge
from kanarya_model import VERSION
from kanarya_model.core.refusal import quoted
from kanarya_model.core.versions import Family
from kanarya_model.edges import feedback, inference, openapi
from kanarya_model.edges.http import JSON, Receive, Reply, Scope, Send, error, send_reply
from kanarya_model.edges.inference import Exchange, Handler, Limits
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.repository_rest import RepositoryRest
from kanarya_model.edges.served import Served
from kanarya_model.edges.v1_rest import V1Exchange
from kanarya_model.edges.v2_rest import EXTENSIONS, V2Exchange
from kanarya_model.metrics import CONTENT_TYPE, Exposition
from kanarya_model.repository import Repository
from kanarya_model.repository.asked import EXTENSION

Routes = dict[str, dict[str, Handler]]
"""Path → method → handler."""


class Rest:
    """The application. It answers for what is in `registry`; `collectors` have more to say at /metrics; `repository` may be
    asked to load and unload."""

    def __init__(
        self,
        registry: Registry,
        *,
        limits: Limits,
        collectors: Sequence[Collector] = (),
        repository: Repository | None = None,
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._draining = False
        self._exposition = Exposition(registry.counted, collectors)
        self._repository = RepositoryRest(repository, limits, self._send) if repository else None
        self.doors: dict[str, tuple[Edge | None, Served]] = {}
        """Path → what a request for inference meets there, or one with feedback, which is of no edge."""
        self._routes: Routes = {}
        registry.watch(self._show)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is answered."""
        return tuple(self._routes)

    def knows(self, path: str) -> bool:
        """Whether the path is answered."""
        return path in self._routes or self._elsewhere(path) is not None

    def drain(self) -> None:
        """Not ready from now on; requests are answered as before, each with `Connection: close`."""
        self._draining = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request."""
        methods = self._routes.get(scope["path"]) or self._elsewhere(scope["path"])
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

    def _elsewhere(self, path: str) -> dict[str, Handler] | None:
        return self._repository.route(path) if self._repository else None

    # --- routes -------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Make the table of what the registry has now."""
        self.doors = {}
        routes = self._server_routes()
        for name, family in self._registry.versions.models.items():
            routes |= self._model_routes(name, family)
        self._routes = routes

    def _server_routes(self) -> Routes:
        extensions = [*EXTENSIONS, *([EXTENSION] if self._repository else [])]
        about = {"name": "kanarya-model", "version": VERSION, "extensions": extensions}
        models = [one.model for one in self._registry.versions]
        return {
            "/v2": {"GET": self._fixed(about)},
            "/v2/": {"GET": self._fixed(about)},  # as the published OpenAPI document writes it
            "/v2/health/live": {"GET": self._fixed({"live": True})},
            "/v2/health/ready": {"GET": self._readiness({}, self._registry.ready)},
            "/v1/models": {"GET": self._fixed({"models": list(self._registry.versions.models)})},
            "/openapi.json": {"GET": self._fixed(openapi.document(models, repository=self._repository is not None))},
            "/metrics": {"GET": self._metrics},
        }

    def _model_routes(self, name: str, family: Family[Served]) -> Routes:
        default = family.versions[family.default]
        path, reports = f"/v2/models/{name}", f"/v2/models/{name}/feedback"
        self.doors[reports] = (None, default)
        routes: Routes = {
            reports: {"POST": feedback.handler(family, self._limits, self._send)},
            f"/v1/models/{name}": {"GET": self._readiness({"name": name})},
        }
        v1 = V1Exchange(default, most_rows=self._limits.rows)
        routes |= self._inference(default, v1, f"/v1/models/{name}:predict")
        for version, one in family.versions.items():
            routes |= self._v2_routes(one, tuple(family.versions), f"{path}/versions/{version}", *[path] * (one is default))
        return routes

    def _v2_routes(self, one: Served, versions: Sequence[str], *paths: str) -> Routes:
        routes = self._inference(one, V2Exchange(one), *(f"{path}/infer" for path in paths))
        for path in paths:
            routes[path] = {"GET": self._fixed(one.metadata(versions))}
            routes[f"{path}/ready"] = {"GET": self._readiness({"name": one.model.name})}
        return routes

    def _inference(self, one: Served, exchange: Exchange, *paths: str) -> Routes:
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
                    self._registry.versions.find(name, rest[1] if rest[:1] == ["versions"] and len(rest) > 1 else None)
                except LookupError as unknown:
                    return str(unknown)
        return f"path: got {quoted(path)}, which is not served here; GET /v2 and /v2/models/{{name}} are where to start"

    # --- small answers ------------------------------------------------------------------------------------------------

    def _fixed(self, document: object) -> Handler:
        reply = Reply(status=200, body=orjson.dumps(document))

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
            await self._send(send, reply)

        return answer

    def _readiness(self, document: dict[str, object], ready: bool = True) -> Handler:
        yes = Reply(status=200, body=orjson.dumps({**document, "ready": True}))
        no = Reply(status=503, body=orjson.dumps({**document, "ready": False}))

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
            await self._send(send, yes if ready and not self._draining else no)

        return answer

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = ((b"content-type", CONTENT_TYPE.encode()),)
        await self._send(send, Reply(status=200, body=self._exposition.text(), headers=headers))
