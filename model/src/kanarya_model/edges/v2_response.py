"""V2's responses over REST: a prediction as JSON, or as JSON with bytes after it. Called by `v2_rest`."""

from typing import Any

import orjson
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract
from kanarya_model.core.model import Prediction
from kanarya_model.edges.http import DOCUMENT_LENGTH, Reply
from kanarya_model.edges.v2_request import RestRequest

_BYTES = (b"content-type", b"application/octet-stream")


class ResponseWriter:
    """Writes a model's responses. What is the same in every response is bytes from the start."""

    def __init__(self, *, model: str, version: str, contract: ArtifactContract) -> None:
        self._head = orjson.dumps({"model_name": model, "model_version": version})[:-1]
        self._outputs = tuple(tensor.name for tensor in contract.outputs)
        self._datatypes = {tensor.name: tensor.datatype for tensor in contract.outputs}
        self._starts = {
            tensor.name: orjson.dumps({"name": tensor.name, "datatype": tensor.datatype.value})[:-1] + b',"shape":['
            for tensor in contract.outputs
        }

    def write(self, request: RestRequest, prediction: Prediction) -> Reply:
        """The response. `read_request` has checked the outputs."""
        parts = [self._head]
        if request.id is not None:
            parts.append(b',"id":' + orjson.dumps(request.id))
        separator = b',"outputs":['
        tail: list[bytes | memoryview] = []
        for name in request.outputs or self._outputs:
            shape = prediction.outputs[name].shape
            parts += (separator, self._starts[name], b"%d" % shape if len(shape) == 1 else b"%d,%d" % shape)
            separator = b","
            if request.in_bytes is not None and request.in_bytes.get(name, request.all_in_bytes):
                tail.append(prediction.in_bytes(name, self._datatypes[name]))
                parts.append(b'],"parameters":{"binary_data_size":%d}}' % len(tail[-1]))
            else:
                parts += (b'],"data":', _elements(prediction.output(name).ravel()), b"}")
        parts.append(b"]}")
        if not tail:
            return Reply(status=200, body=b"".join(parts))
        document = b"".join(parts)
        headers = (_BYTES, (DOCUMENT_LENGTH, b"%d" % len(document)))
        return Reply(status=200, body=b"".join([document, *tail]), headers=headers)


def _elements(array: NDArray[Any]) -> bytes:
    return orjson.dumps(array.tolist() if array.dtype == object else array, option=orjson.OPT_SERIALIZE_NUMPY)
