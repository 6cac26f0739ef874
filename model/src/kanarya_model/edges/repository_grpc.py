"""The model repository extension over gRPC, as Triton describes it. Called by `v2_grpc`, where `--repository-control` is on.

What it says, and how strictly it reads, is as over REST: NOT_FOUND for what is not there, FAILED_PRECONDITION for what cannot
be done as things are, INVALID_ARGUMENT for a mistake, UNAVAILABLE for too much at once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import grpc

from kanarya_contracts.problems import KanaryaError
from kanarya_model.core.refusal import Reason, Refusal, quoted
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.edges.v2_calls import Context, abort
from kanarya_model.edges.workers import Overloaded
from kanarya_model.repository import CannotLoad, Entry, Repository, State, Unknown, asked

log = logging.getLogger(__name__)

_CODES: tuple[tuple[type[KanaryaError], grpc.StatusCode], ...] = (
    (Refusal, grpc.StatusCode.INVALID_ARGUMENT),
    (Unknown, grpc.StatusCode.NOT_FOUND),
    (CannotLoad, grpc.StatusCode.FAILED_PRECONDITION),
    (Overloaded, grpc.StatusCode.UNAVAILABLE),
)

_T = TypeVar("_T")


class RepositoryGrpc:
    """The extension's methods, for threads that may wait as long as a load takes. `loop` tells the repository's event loop."""

    def __init__(self, repository: Repository, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._repository = repository
        self._loop = loop

    def index(self, request: pb.RepositoryIndexRequest, context: Context) -> pb.RepositoryIndexResponse:
        """Every version, or those that answer."""

        async def ask() -> list[Entry]:
            _check_repository(request.repository_name)
            return [entry for entry in await self._repository.index() if not request.ready or entry.state is State.READY]

        entries = self._answer(ask(), context)
        return pb.RepositoryIndexResponse(models=[pb.RepositoryIndexResponse.ModelIndex(**one._asdict()) for one in entries])

    def load(self, request: pb.RepositoryModelLoadRequest, context: Context) -> pb.RepositoryModelLoadResponse:
        """Load a version beside what answers, then switch."""

        async def ask() -> None:
            _check_repository(request.repository_name)
            chosen = asked.load(_parameters(request))
            await self._repository.load(request.model_name, chosen.version, default=chosen.default)

        self._answer(ask(), context)
        return pb.RepositoryModelLoadResponse()

    def unload(self, request: pb.RepositoryModelUnloadRequest, context: Context) -> pb.RepositoryModelUnloadResponse:
        """Let a version answer no more, or all of the model's."""

        async def ask() -> None:
            _check_repository(request.repository_name)
            await self._repository.unload(request.model_name, asked.unload(_parameters(request)))

        self._answer(ask(), context)
        return pb.RepositoryModelUnloadResponse()

    def _answer(self, ask: Coroutine[Any, Any, _T], context: Context) -> _T:
        try:
            return asyncio.run_coroutine_threadsafe(ask, self._loop()).result()
        except KanaryaError as error:
            for kind, code in _CODES:
                if isinstance(error, kind):
                    abort(context, code, str(error))
            log.exception("the repository cannot be read")
            abort(context, grpc.StatusCode.INTERNAL, "the repository cannot be read; the server's log says why")


def _check_repository(name: str) -> None:
    if name:
        raise Refusal(Reason.FIELD, f"repository_name: got {quoted(name)}, expected none: there is one")


def _parameters(request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest) -> dict[str, object]:
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in request.parameters.items()}
    return {name: getattr(request.parameters[name], choice) if choice else None for name, choice in chosen.items()}
