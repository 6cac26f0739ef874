"""A model as a Flask blueprint. Called by a service that is there already; needs the extra `flask`.

    app.register_blueprint(kanarya_model.edges.flask.blueprint("models/iris", version="7"), url_prefix="/ml")

Every path of the server's HTTP, with the same answers to the same bytes: a request is handed on to the server's own
application, which runs on an event loop in a thread of its own. It starts with the first request, after a WSGI server has
forked.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from kanarya_model import hosted
from kanarya_model.edges.http import Message, Scope
from kanarya_model.edges.rest import Rest

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def blueprint(directory: str | Path, **options: object) -> Blueprint:
    """The artifact's blueprint. `options` are the server's settings by name. Raises KanaryaError for one that is refused."""
    settings = hosted.chosen(directory, options)
    door = _Door(hosted.application(settings), settings.most_body_bytes)
    made = Blueprint("kanarya", __name__)
    for number, path in enumerate(door.application.paths):
        made.add_url_rule(path, str(number), door.view(path), methods=_METHODS, provide_automatic_options=False)
    return made


class _Door:
    def __init__(self, application: Rest, most_body_bytes: int) -> None:
        self.application = application
        self._most = most_body_bytes
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def view(self, path: str) -> Any:
        """Flask's view of one of the application's paths."""

        def answer() -> Response:
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
            scope = {"type": "http", "path": path, "method": request.method, "headers": headers}
            # One byte more than may be: the application sees that it is too much, and the rest is never held.
            body = request.stream.read(self._most + 1)
            return asyncio.run_coroutine_threadsafe(self._ask(scope, body), self._running()).result()

        return answer

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="kanarya", daemon=True).start()
            return self._loop

    async def _ask(self, scope: Scope, body: bytes) -> Response:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        start, content = sent
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return Response(content["body"], start["status"], headers)
