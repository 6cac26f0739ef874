"""V2's requests over REST: a body into tensors, from JSON or from the bytes that follow it. Called by `v2_rest`.

Strict, after the Open Inference Protocol's REST schema: every required member, of its type, once. Unknown members are refused,
for a misspelt `outputs` would otherwise be ignored; but `model_name` and `model_version`, which KServe's client adds, are let
pass unread (the path names the model). An optional member that is null counts as absent, as some clients write it.
A tensor's elements are checked later, by `core`.

The binary extension (Triton's `extension_binary_data.md`): the header Inference-Header-Content-Length says where the document
ends; after it stand the tensors that have the parameter `binary_data_size` and no `data`, in their order, and nothing else.
"""

from dataclasses import dataclass
from typing import Any, NoReturn

from kanarya_contracts.datatypes import Datatype
from kanarya_model.core import raw
from kanarya_model.core.inputs import InputTensor
from kanarya_model.core.refusal import Reason, Refusal, quoted, shown
from kanarya_model.core.request import Request, asked_outputs, request_id, tensor_datatype, tensor_name
from kanarya_model.core.values import Elements
from kanarya_model.edges.documents import read_document, refuse_repeats

_REQUEST_MEMBERS = frozenset({"id", "parameters", "inputs", "outputs", "model_name", "model_version"})
_TENSOR_MEMBERS = frozenset({"name", "shape", "datatype", "parameters", "data"})
_OUTPUT_MEMBERS = frozenset({"name", "parameters"})
_INT = frozenset({int})


@dataclass(kw_only=True, slots=True)
class RestRequest(Request):
    """An inference request over REST."""

    in_bytes: dict[str, bool] | None
    """Which of the outputs are wanted as bytes (`binary_data`); None where none is."""
    all_in_bytes: bool
    """Whether those that `in_bytes` does not name are (`binary_data_output`)."""


def read_request(body: bytes, document_length: int | None = None, *, known: tuple[str, ...]) -> RestRequest:
    """Parse and check everything but the tensors' elements. `known`: the model's outputs. Raises Refusal.

    `document_length`: bytes of the JSON document, where tensors as bytes follow it; None where the body is that document.
    """
    content, tail = body, None
    if document_length is not None:
        if document_length > len(body):
            message = f"Inference-Header-Content-Length: got {document_length}, expected at most the body's {len(body)} bytes"
            raise Refusal(Reason.BODY, message)
        content, tail = body[:document_length], _Tail(memoryview(body)[document_length:])
    document = read_document(content)
    _check_members(document, _REQUEST_MEMBERS, "")
    given_id = request_id(document["id"]) if document.get("id") is not None else None
    tensors = _tensors(document.get("inputs", _ABSENT), tail)
    outputs, in_bytes = _outputs(document["outputs"], known) if document.get("outputs") is not None else (None, None)
    all_in_bytes = False
    if document.get("parameters") is not None:
        all_in_bytes = _flag(_parameters(document["parameters"], "parameters"), "binary_data_output", "parameters")
        if all_in_bytes and in_bytes is None:
            in_bytes = {}
    refuse_repeats(content, document)
    return RestRequest(id=given_id, tensors=tensors, outputs=outputs, in_bytes=in_bytes, all_in_bytes=all_in_bytes)


_ABSENT = object()


class _Tail:
    """The bytes after the document: each tensor takes its own, and none may be left."""

    def __init__(self, content: memoryview) -> None:
        self._content = content

    def take(self, size: object, where: str) -> memoryview:
        if type(size) is not int or size < 0:
            message = f"{where}.parameters: binary_data_size is {shown(size)}, expected a number of bytes"
            raise Refusal(Reason.FIELD, message)
        taken, self._content = self._content[:size], self._content[size:]
        if len(taken) < size:
            message = f"{where}.parameters: binary_data_size is {size}, and {len(taken)} bytes are left in the body"
            raise Refusal(Reason.SHAPE, message)
        return taken

    def check_end(self) -> None:
        if self._content:
            raise Refusal(Reason.SHAPE, f"body: got {len(self._content)} bytes after the last tensor, expected none")


def _tensors(inputs: object, tail: _Tail | None) -> list[InputTensor]:
    if type(inputs) is not list or not inputs:
        got = "nothing" if inputs is _ABSENT else shown(inputs)
        raise Refusal(Reason.FIELD, f"inputs: got {got}, expected a list of at least one tensor")
    tensors = [_tensor(item, f"inputs[{index}]", tail) for index, item in enumerate(inputs)]
    if tail is not None:
        tail.check_end()
    return tensors


def _tensor(item: object, where: str, tail: _Tail | None) -> InputTensor:
    if type(item) is not dict:
        raise Refusal(Reason.FIELD, f"{where}: got {shown(item)}, expected an object with name, shape, datatype and data")
    _check_members(item, _TENSOR_MEMBERS, where)
    try:
        name, shape, datatype = item["name"], item["shape"], item["datatype"]
    except KeyError as missing:
        raise Refusal(Reason.FIELD, f"{where}.{missing.args[0]}: is missing and required") from None
    known = tensor_datatype(datatype, where)
    if type(shape) is not list or not _INT.issuperset(map(type, shape)) or (shape and min(shape) < 0):
        _refuse_shape(shape, where)
    parameters = item.get("parameters")
    if parameters is not None and "binary_data_size" in _parameters(parameters, f"{where}.parameters"):
        data = _from_tail(item, known, shape, tail, where)
    else:
        data = _from_document(item, where)
    return InputTensor(name=tensor_name(name, where), datatype=known, shape=tuple(shape), data=data, where=where)


def _from_document(item: dict[str, object], where: str) -> Elements:
    data = item.get("data", _ABSENT)
    if type(data) is list:
        return data
    if data is _ABSENT:
        raise Refusal(Reason.FIELD, f"{where}.data: is missing and required")
    raise Refusal(Reason.FIELD, f"{where}.data: got {shown(data)}, expected a list")


def _from_tail(item: dict[str, Any], datatype: Datatype, shape: list[int], tail: _Tail | None, where: str) -> Elements:
    if tail is None:
        message = f"{where}.parameters: binary_data_size is given, and the request has no Inference-Header-Content-Length"
        raise Refusal(Reason.FIELD, message)
    if "data" in item:
        raise Refusal(Reason.FIELD, f"{where}: has both data and binary_data_size, expected one of them")
    return raw.read(tail.take(item["parameters"]["binary_data_size"], where), datatype, shape, where)


def _outputs(value: object, known: tuple[str, ...]) -> tuple[tuple[str, ...] | None, dict[str, bool] | None]:
    """Names, and which of them are to be bytes."""
    if type(value) is not list:
        raise Refusal(Reason.FIELD, f"outputs: got {shown(value)}, expected a list of objects with name")
    names: list[str] = []
    in_bytes: dict[str, bool] = {}
    for index, item in enumerate(value):
        where = f"outputs[{index}]"
        if type(item) is not dict or "name" not in item:
            raise Refusal(Reason.FIELD, f"{where}: got {shown(item)} without a name, expected an object with name")
        _check_members(item, _OUTPUT_MEMBERS, where)
        names.append(tensor_name(item["name"], where))
        if item.get("parameters") is not None:
            parameters = _parameters(item["parameters"], f"{where}.parameters")
            if "binary_data" in parameters:
                in_bytes[names[-1]] = _flag(parameters, "binary_data", f"{where}.parameters")
    return asked_outputs(names, known), in_bytes or None


def _check_members(document: dict[str, object], known: frozenset[str], where: str) -> None:
    if document.keys() <= known:
        return
    unknown = next(name for name in document if name not in known)
    place = f"{where}: " if where else "body: "
    raise Refusal(Reason.FIELD, f"{place}got the member {quoted(unknown)}, expected some of {', '.join(sorted(known))}")


def _parameters(value: object, where: str) -> dict[str, object]:
    if type(value) is not dict:
        raise Refusal(Reason.FIELD, f"{where}: got {shown(value)}, expected an object")
    for name, item in value.items():
        if not isinstance(item, str | int | float):
            message = f"{where}: {quoted(name)} is {shown(item)}, expected a string, a number, true or false"
            raise Refusal(Reason.FIELD, message)
    return value


def _flag(parameters: dict[str, object], name: str, where: str) -> bool:
    value = parameters.get(name, False)
    if type(value) is not bool:
        raise Refusal(Reason.FIELD, f"{where}: {name} is {shown(value)}, expected true or false")
    return value


def _refuse_shape(shape: object, where: str) -> NoReturn:
    if type(shape) is not list:
        raise Refusal(Reason.SHAPE, f"{where}.shape: got {shown(shape)}, expected a list of integers")
    wrong = next(dimension for dimension in shape if type(dimension) is not int or dimension < 0)
    raise Refusal(Reason.SHAPE, f"{where}.shape: got {shown(wrong)} in it, expected integers from 0")
