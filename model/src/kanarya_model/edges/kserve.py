"""A model as a `kserve.Model`, for whoever runs KServe's own ModelServer. Needs the extra `kserve`.

    kserve.ModelServer().start([kanarya_model.edges.kserve.KanaryaModel("iris", "models/iris", version="7")])

KServe reads the request and writes the answer, over REST and over gRPC; what it has read is held to the artifact's contract by
the same core, and refused with the same words as InvalidInput, which KServe answers with 400 and INVALID_ARGUMENT. What KServe
itself cannot read it answers in its own way. V2 alone: a V1 request is refused.
"""

import logging
from pathlib import Path
from typing import Any

import kserve
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse

from kanarya_contracts.problems import KanaryaError
from kanarya_model import hosted
from kanarya_model.core import raw
from kanarya_model.core.inputs import InputTensor
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import Reason, Refusal, shown
from kanarya_model.core.request import asked_outputs, tensor_datatype, tensor_name
from kanarya_model.edges.served import Served

log = logging.getLogger(__name__)


class KanaryaModel(kserve.Model):  # type: ignore[misc]  # KServe publishes no types
    """An artifact behind KServe's server. `options` are our server's settings by name. Raises KanaryaError as it loads."""

    def __init__(self, name: str, directory: str | Path, **options: object) -> None:
        super().__init__(name)
        self._settings = hosted.chosen(directory, {**options, "name": name})
        self._one: Served | None = None
        self.load()

    def load(self) -> bool:
        """Verify, load and ask the artifact its own example; once."""
        if self._one is None:
            self._one = hosted.served(self._settings)
        self.ready = True
        return self.ready

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> InferResponse:  # noqa: ARG002
        """KServe's request to KServe's response. Raises InvalidInput for a client's mistake."""
        assert self._one is not None  # noqa: S101 (`__init__` loads)
        try:
            outputs, tensors = _read(payload, self._one.model.outputs)
            prediction = await self._one.predict(self._one.model.inputs.rows(tensors))
        except Refusal as refusal:
            raise InvalidInput(str(refusal)) from None
        except KanaryaError:
            log.exception("inference failed")
            raise RuntimeError("the model or its server failed; the server's log says why") from None
        return InferResponse(
            response_id=payload.id,
            model_name=self.name,
            model_version=self._one.model.version,
            infer_outputs=[_output(self._one, name, prediction) for name in outputs],
            requested_outputs=payload.request_outputs,
            use_binary_outputs=payload.use_binary_outputs,
        )


def _read(payload: Any, known: tuple[str, ...]) -> tuple[tuple[str, ...], list[InputTensor]]:
    """Outputs and tensors. Raises Refusal."""
    if not isinstance(payload, InferRequest):
        raise Refusal(Reason.BODY, "body: got a V1 request, expected V2's, at /v2/models/{name}/infer")
    if not payload.inputs:
        raise Refusal(Reason.FIELD, "inputs: got nothing, expected at least one tensor")
    asked = asked_outputs([one.name for one in payload.request_outputs or ()], known)
    return asked or known, [_tensor(one, f"inputs[{index}]") for index, one in enumerate(payload.inputs)]


def _tensor(given: InferInput, where: str) -> InputTensor:
    name = tensor_name(given.name, where)
    datatype = tensor_datatype(given.datatype, where)
    shape = tuple(given.shape)
    if any(type(dimension) is not int or dimension < 0 for dimension in shape):
        raise Refusal(Reason.SHAPE, f"{where}.shape: got {list(shape)[:8]}, expected integers from 0")
    content, data = given._raw_data, given.data  # noqa: SLF001 (KServe gives bytes no other way than already converted)
    if content is not None:
        data = raw.read(content, datatype, shape, where)
    elif not isinstance(data, list):
        raise Refusal(Reason.FIELD, f"{where}.data: got {shown(data)}, expected a list")
    elif data and type(data[0]) is bytes:
        data = raw.text(data, where)
    return InputTensor(name=name, datatype=datatype, shape=shape, data=data, where=where)


def _output(one: Served, name: str, prediction: Prediction) -> InferOutput:
    datatype = next(tensor.datatype for tensor in one.model.contract.outputs if tensor.name == name)
    array = prediction.output(name)
    output = InferOutput(name, list(array.shape), datatype.value)
    output.set_data_from_numpy(array, binary_data=False)
    return output
