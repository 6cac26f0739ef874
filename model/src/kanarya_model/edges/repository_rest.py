"""The model repository extension over REST, as Triton describes it. Called by `rest`, where `--repository-control` is on.

    POST /v2/repository/index                   {} or {"ready": true}: every version, or those that answer
    POST /v2/repository/models/{m}/load         {} or {"parameters": {"version": "8", "default": true}}
    POST /v2/repository/models/{m}/unload       {} or {"parameters": {"version": "7"}}: that version, or all of them

No body is an empty one. Load and unload answer as index does, for that model. What is not there is 404; what cannot be done as
things are (an artifact that is refused, no room) is 409 with the reason; too much at once is 503. A web page may ask nothing
here: browsers name the page in `Origin`, and other clients do not.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import orjson

from kanarya_contracts.problems import KanaryaError
from kanarya_model.core.refusal import Reason, Refusal, quoted
from kanarya_model.edges.documents import read_document, refuse_repeats
from kanarya_model.edges.http import FORM, JSON, Headers, Receive, Reply, Scope, Send, check_json, error, read_body
from kanarya_model.edges.inference import Answer, Handler, Limits, told
from kanarya_model.edges.workers import ClientLeft, Overloaded
from kanarya_model.repository import CannotLoad, Entry, Repository, State, Unknown, asked

log = logging.getLogger(__name__)

INDEX = "/v2/repository/index"

_MODELS = "/v2/repository/models/"
_FAILED = Reply(status=500, body=error("the repository cannot be read; the server's log says why"))

Ask = Callable[[dict[str, object]], Awaitable[list[Entry]]]


class RepositoryRest:
    """The extension's routes."""

    def __init__(self, repository: Repository, limits: Limits, send_back: Answer) -> None:
        self._repository = repository
        self._limits = limits
        self._send_back = send_back
        self._index: dict[str, Handler] = {"POST": self._handler(self._ask_index)}

    def route(self, path: str) -> dict[str, Handler] | None:
        """Method → handler of a path of the extension's."""
        if path == INDEX:
            return self._index
        name, _, verb = path.removeprefix(_MODELS).partition("/")
        if not path.startswith(_MODELS) or not name or verb not in ("load", "unload"):
            return None
        return {"POST": self._handler(partial(self._ask_load if verb == "load" else self._ask_unload, name))}

    def _handler(self, ask: Ask) -> Handler:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                document = await self._read(dict(scope["headers"]), receive)
                entries = await ask(document)
                reply = Reply(status=200, body=orjson.dumps([entry._asdict() for entry in entries]))
            except Refusal as refusal:
                reply = told(refusal)
            except Overloaded as overload:
                again = (b"retry-after", b"%d" % overload.retry_seconds)
                reply = Reply(status=503, body=error(str(overload)), headers=(JSON, again))
            except (Unknown, CannotLoad) as refused:
                reply = Reply(status=404 if isinstance(refused, Unknown) else 409, body=error(str(refused)))
            except KanaryaError:
                log.exception("the repository cannot be read")
                reply = _FAILED
            except ClientLeft:
                return
            await self._send_back(send, reply)

        return answer

    async def _read(self, headers: Headers, receive: Receive) -> dict[str, object]:
        if b"origin" in headers:
            origin = quoted(headers[b"origin"].decode("latin-1"))
            raise Refusal(Reason.MEDIA_TYPE, f"Origin: got {origin}, expected none: no web page may ask this")
        body = await read_body(headers, receive, self._limits.body_bytes)
        if not body:
            return {}
        check_json(headers, also=FORM)
        document = read_document(body)
        refuse_repeats(body, document)
        return document

    async def _ask_index(self, document: dict[str, object]) -> list[Entry]:
        ready = asked.ready_alone(document)
        return [entry for entry in await self._repository.index() if not ready or entry.state is State.READY]

    async def _ask_load(self, name: str, document: dict[str, object]) -> list[Entry]:
        chosen = asked.load(asked.parameters(document))
        return await self._repository.load(name, chosen.version, default=chosen.default)

    async def _ask_unload(self, name: str, document: dict[str, object]) -> list[Entry]:
        return await self._repository.unload(name, asked.unload(asked.parameters(document)))
