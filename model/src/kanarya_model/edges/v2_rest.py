"""V2 (Open Inference Protocol) over REST: inference. Called by `inference`.

A body may be called a form, as `curl -d` does of every body: it is read as JSON all the same, for asking changes nothing here.
"""

from functools import partial

from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction
from kanarya_model.edges.http import (
    BYTES,
    DOCUMENT_LENGTH,
    FORM,
    LONG_BODY,
    MIRRORED_TO,
    Headers,
    Reply,
    check_json,
    document_length,
)
from kanarya_model.edges.served import Served
from kanarya_model.edges.v2_request import read_request
from kanarya_model.edges.v2_response import ResponseWriter

EXTENSIONS = ("binary_tensor_data",)
"""Of the protocol, as the server's metadata names them."""


class V2Exchange:
    """V2's words for one model."""

    def __init__(self, one: Served) -> None:
        model = one.model
        self._one = one
        self._model = model
        self._writer = ResponseWriter(model=model.name, version=model.version, contract=model.contract)

    def check(self, headers: Headers) -> None:
        """Refuse a body by how it is announced."""
        check_json(headers, also=BYTES if DOCUMENT_LENGTH in headers else FORM)

    async def answer(self, headers: Headers, body: bytes) -> tuple[Reply, Prediction]:
        """The reply and what it says."""
        length = document_length(headers)
        copied = self._one.counting(headers.get(MIRRORED_TO)) is self._one.copies
        if len(body) > LONG_BODY:
            return await self._one.aside(partial(self._whole, body, length, copied=copied))
        request = read_request(body, length, known=self._model.outputs)
        prediction = await self._one.predict(self._model.inputs.rows(request.tensors))
        if copied:
            self._one.pairs.predicted(request.id, prediction.labels.tolist())
        return self._writer.write(request, prediction), prediction

    def _whole(self, body: bytes, length: int | None, *, copied: bool) -> tuple[Rows, tuple[Reply, Prediction]]:
        request = read_request(body, length, known=self._model.outputs)
        rows = self._model.inputs.rows(request.tensors)
        prediction = self._model.predict(rows)
        if copied:
            self._one.pairs.predicted(request.id, prediction.labels.tolist())
        return rows, (self._writer.write(request, prediction), prediction)
