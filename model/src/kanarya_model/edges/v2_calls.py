"""Calls by gRPC, as whoever answers or watches them sees them: how they come, how they end. Used by `v2_grpc` and others."""

from collections.abc import Callable
from typing import NamedTuple, NoReturn

import grpc

from kanarya_contracts.problems import KanaryaError
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Gone

OK = 200
LEFT = 499
"""No status of HTTP's: the client closed the connection before it was answered. Not counted."""
_CODES = {
    OK: grpc.StatusCode.OK,
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    LEFT: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""The status that HTTP would have had, under which a call is counted → gRPC's."""

Context = grpc.ServicerContext
Metadata = dict[bytes, bytes]


class Outcome(NamedTuple):
    """How a call for inference ends. A tuple, for every call makes one."""

    status: int
    """HTTP's, as it is counted."""
    served: Served | None = None
    """None where it found no model."""
    answer: bytes = b""
    message: str = ""
    """What is said to a client whose call did not end well."""

    @property
    def code(self) -> grpc.StatusCode:
        """gRPC's own."""
        return _CODES[self.status]


Call = Callable[[bytes, Metadata, Gone], Outcome]
"""A call for inference: the message's bytes, its metadata, whether its client has left."""


def abort(context: Context, code: grpc.StatusCode, message: str) -> NoReturn:
    """End the call with that."""
    context.abort(code, message)
    raise KanaryaError(message)  # never reached: `abort` raises
