"""V2's gRPC messages: an inference request's bytes into tensors, a prediction into a response's bytes. Called by `v2_grpc`.

As strict as `v2_request`: a tensor's elements stand in the one member of `contents` that goes with its datatype, or those of
every tensor in `raw_input_contents`, and never both. A request that sent its elements raw is answered raw. Members that the
protocol does not know are passed over, as protobuf wants it: they may be a later version's. Elements are checked by `core`.
"""

from collections.abc import Mapping

import numpy as np
from google.protobuf.message import DecodeError

from kanarya_contracts.datatypes import Datatype
from kanarya_model.core import raw
from kanarya_model.core.inputs import InputTensor
from kanarya_model.core.model import Model, Prediction
from kanarya_model.core.refusal import Reason, Refusal, quoted
from kanarya_model.core.request import Request, asked_outputs, request_id, tensor_datatype, tensor_name
from kanarya_model.core.values import Elements
from kanarya_model.edges.open_inference_pb2 import InferParameter, ModelInferRequest, ModelInferResponse

_Input = ModelInferRequest.InferInputTensor

_CONTENTS = {
    Datatype.BOOL: "bool_contents",
    Datatype.INT8: "int_contents",
    Datatype.INT16: "int_contents",
    Datatype.INT32: "int_contents",
    Datatype.INT64: "int64_contents",
    Datatype.UINT8: "uint_contents",
    Datatype.UINT16: "uint_contents",
    Datatype.UINT32: "uint_contents",
    Datatype.UINT64: "uint64_contents",
    Datatype.FP32: "fp32_contents",
    Datatype.FP64: "fp64_contents",
    Datatype.BYTES: "bytes_contents",
}
"""Where a tensor's elements stand, by datatype. FP16 has no such place."""

_DTYPES = {
    "bool_contents": np.dtype(np.bool_),
    "int_contents": np.dtype(np.int32),
    "int64_contents": np.dtype(np.int64),
    "uint_contents": np.dtype(np.uint32),
    "uint64_contents": np.dtype(np.uint64),
    "fp32_contents": np.dtype(np.float32),
    "fp64_contents": np.dtype(np.float64),
}


def parse(content: bytes) -> ModelInferRequest:
    """The message. Raises Refusal."""
    try:
        return ModelInferRequest.FromString(content)
    except DecodeError:
        message = f"request: got {len(content)} bytes that are not an inference.ModelInferRequest"
        raise Refusal(Reason.BODY, message) from None


def read_request(message: ModelInferRequest, outputs: tuple[str, ...]) -> Request:
    """Check everything but the tensors' elements. `outputs`: what the model has. Raises Refusal."""
    _check_parameters(message.parameters, "parameters")
    for index, asked in enumerate(message.outputs):
        _check_parameters(asked.parameters, f"outputs[{index}].parameters")
    return Request(
        id=request_id(message.id) if message.id else None,
        tensors=_tensors(message),
        outputs=asked_outputs([asked.name for asked in message.outputs], outputs),
    )


def _tensors(message: ModelInferRequest) -> list[InputTensor]:
    inputs, contents = message.inputs, message.raw_input_contents
    if not inputs:
        raise Refusal(Reason.FIELD, "inputs: got nothing, expected at least one tensor")
    if contents and len(contents) != len(inputs):
        got = f"got {len(contents)} for {len(inputs)} inputs"
        raise Refusal(Reason.FIELD, f"raw_input_contents: {got}, expected one for each, or none and `contents` in each")
    return [_tensor(item, index, contents[index] if contents else None) for index, item in enumerate(inputs)]


def _tensor(item: _Input, index: int, content: bytes | None) -> InputTensor:
    where = f"inputs[{index}]"
    name = tensor_name(item.name, where)
    datatype = tensor_datatype(item.datatype, where)
    shape = tuple(item.shape)
    if shape and min(shape) < 0:
        raise Refusal(Reason.SHAPE, f"{where}.shape: got the number {min(shape)} in it, expected integers from 0")
    if item.parameters:
        _check_parameters(item.parameters, f"{where}.parameters")
    if content is None:
        data = _contents(item, datatype, where)
    elif item.HasField("contents"):
        message = f"{where}.contents: got elements here and in raw_input_contents, expected one of the two"
        raise Refusal(Reason.FIELD, message)
    else:
        data = raw.read(content, datatype, shape, f"raw_input_contents[{index}]")
    return InputTensor(name=name, datatype=datatype, shape=shape, data=data, where=where)


def _contents(item: _Input, datatype: Datatype, where: str) -> Elements:
    """Elements from the one member that goes with the datatype, and from no other."""
    wanted = _CONTENTS.get(datatype)
    if wanted is None:
        message = f"{where}.datatype: {datatype} has no place in `contents`; send it in raw_input_contents, or as FP32"
        raise Refusal(Reason.DATATYPE, message)
    elements: Elements = []
    for field, given in item.contents.ListFields():
        if field.name != wanted:
            raise Refusal(Reason.FIELD, f"{where}.contents: got {field.name}, expected {wanted} for {datatype}")
        elements = raw.text(given, where) if datatype is Datatype.BYTES else np.fromiter(given, _DTYPES[wanted], len(given))
    return elements


def _check_parameters(parameters: Mapping[str, InferParameter], where: str) -> None:
    for name, parameter in parameters.items():
        if parameter.WhichOneof("parameter_choice") is None:
            raise Refusal(Reason.FIELD, f"{where}: {quoted(name)} has no value, expected one of InferParameter's")


# --- responses -------------------------------------------------------------------------------------------------------


class ResponseWriter:
    """Writes a model's responses."""

    def __init__(self, model: Model) -> None:
        self._name = model.name
        self._version = model.version
        self._datatypes = {tensor.name: tensor.datatype for tensor in model.contract.outputs}

    def write(self, request: Request, prediction: Prediction, *, as_raw: bool) -> bytes:
        """The response message. `as_raw`: elements in `raw_output_contents`."""
        response = ModelInferResponse(model_name=self._name, model_version=self._version, id=request.id)
        for name in request.outputs or self._datatypes:
            datatype = self._datatypes[name]
            tensor = response.outputs.add(name=name, datatype=datatype.value, shape=prediction.outputs[name].shape)
            if as_raw:
                response.raw_output_contents.append(bytes(prediction.in_bytes(name, datatype)))
                continue
            elements = prediction.output(name).ravel().tolist()
            if datatype is Datatype.BYTES:
                elements = [text.encode() for text in elements]
            getattr(tensor.contents, _CONTENTS[datatype]).extend(elements)
        return response.SerializeToString()
