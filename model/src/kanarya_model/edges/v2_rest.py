"""V2 (Open Inference Protocol) over REST: inference. Called by `inference`.

A body may be called a form, as `curl -d` does of every body: it is read as JSON all the same, for asking changes nothing here.
"""

from functools import partial

from kanarya_contracts.metrics import Edge
from kanarya_model.core.inputs import Rows
from kanarya_model.core.request import Answered
from kanarya_model.edges.http import BYTES, DOCUMENT_LENGTH, FORM, LONG_BODY, Headers, Reply, check_json, document_length
from kanarya_model.edges.served import Served
from kanarya_model.edges.v2_request import read_request
from kanarya_model.edges.v2_response import ResponseWriter
from kanarya_model.edges.workers import Gone

EXTENSIONS = ("binary_tensor_data",)
"""Of the protocol, as the server's metadata names them."""


class V2Exchange:
    """V2's words for one model."""

    edge = Edge.V2_REST

    def __init__(self, one: Served) -> None:
        model = one.model
        self._one = one
        self._model = model
        self._writer = ResponseWriter(model=model.name, version=model.version, contract=model.contract)

    def check(self, headers: Headers) -> None:
        """Refuse a body by how it is announced."""
        check_json(headers, also=BYTES if DOCUMENT_LENGTH in headers else FORM)

    async def answer(self, headers: Headers, body: bytes, gone: Gone) -> tuple[Reply, Answered]:
        """The reply and what it answers."""
        length = document_length(headers)
        if len(body) > LONG_BODY:
            return await self._one.aside(partial(self._whole, body, length), gone)
        request = read_request(body, length, known=self._model.outputs)
        rows = self._model.inputs.rows(request.tensors)
        prediction = await self._one.predict(rows, gone)
        return self._writer.write(request, prediction), Answered(request.id, rows, prediction)

    def _whole(self, body: bytes, length: int | None) -> tuple[Rows, tuple[Reply, Answered]]:
        request = read_request(body, length, known=self._model.outputs)
        rows = self._model.inputs.rows(request.tensors)
        prediction = self._model.predict(rows)
        return rows, (self._writer.write(request, prediction), Answered(request.id, rows, prediction))
