"""A model as a FastAPI router. Called by a service that is there already; needs the extra `fastapi`.

    app.include_router(kanarya_model.edges.fastapi.router("models/iris", version="7"), prefix="/ml")

Every path of the server's HTTP but /openapi.json, which is FastAPI's, under whatever prefix, with the same answers to the same
bytes: the router hands a request on to the server's own application and reads nothing of it.
"""

from pathlib import Path

from fastapi import APIRouter

from kanarya_model import hosted
from kanarya_model.edges.http import Receive, Scope, Send
from kanarya_model.edges.rest import Rest

_NOT_OURS = "/openapi.json"


def router(directory: str | Path, **options: object) -> APIRouter:
    """The artifact's router. `options` are the server's settings by name. Raises KanaryaError for one that is refused."""
    application = hosted.application(hosted.chosen(directory, options))
    made = APIRouter()
    for path in application.paths:
        if path != _NOT_OURS:
            # No methods: which ones there are, and what to say to another, the application knows.
            made.add_route(path, _Door(application, path), include_in_schema=False)  # type: ignore[arg-type]
    return made


class _Door:
    """One path, seen from the application: without the prefix, and without the state that other middleware left."""

    def __init__(self, application: Rest, path: str) -> None:
        self._application = application
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application({**scope, "path": self._path, "state": None}, receive, send)
