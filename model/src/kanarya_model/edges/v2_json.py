"""V2's JSON: an inference request's bytes into tensors, a prediction into a response's bytes. Called by `v2_rest`.

Strict, after the Open Inference Protocol's REST schema: every required member, of its type, once. Unknown members are refused,
for a misspelt `outputs` would otherwise be ignored; but `model_name` and `model_version`, which KServe's client adds, are let
pass unread (the path names the model). An optional member that is null counts as absent, as some clients write it.
A tensor's elements are checked later, by `core`.
"""

import json
from dataclasses import dataclass
from typing import NoReturn

import orjson

from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import InputTensor
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import Reason, Refusal, quoted, shown

_REQUEST_MEMBERS = frozenset({"id", "parameters", "inputs", "outputs", "model_name", "model_version"})
_TENSOR_MEMBERS = frozenset({"name", "shape", "datatype", "parameters", "data"})
_OUTPUT_MEMBERS = frozenset({"name", "parameters"})
_LONGEST_NAME = 256
_LONGEST_ID = 1024
_INT = frozenset({int})
_DATATYPES = {datatype.value: datatype for datatype in Datatype}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """An inference request."""

    id: str | None
    tensors: list[InputTensor]
    outputs: tuple[str, ...] | None
    """Names asked for; None for all."""


def read_request(body: bytes) -> Request:
    """Parse and check everything but the tensors' elements. Raises Refusal."""
    document = read_document(body)
    _check_members(document, _REQUEST_MEMBERS, "")
    request = Request(
        id=_id(document["id"]) if "id" in document else None,
        tensors=_tensors(document.get("inputs", _ABSENT)),
        outputs=_outputs(document["outputs"]) if document.get("outputs") is not None else None,
    )
    if document.get("parameters") is not None:
        _check_parameters(document["parameters"], "parameters")
    if body.count(b'"') != 2 * _strings(document):
        _refuse_repeated_members(body)
    return request


def read_document(body: bytes) -> dict[str, object]:
    """A body as a JSON object: UTF-8 without a byte order mark, no NaN, no infinity, nothing after it. Raises Refusal."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(Reason.BODY, f"body: got {len(body)} bytes that are not JSON, {error}") from None
    if type(document) is not dict:
        raise Refusal(Reason.BODY, f"body: got {shown(document)}, expected an object")
    return document


_ABSENT = object()


def _tensors(inputs: object) -> list[InputTensor]:
    if type(inputs) is not list or not inputs:
        got = "nothing" if inputs is _ABSENT else shown(inputs)
        raise Refusal(Reason.FIELD, f"inputs: got {got}, expected a list of at least one tensor")
    return [_tensor(item, f"inputs[{index}]") for index, item in enumerate(inputs)]


def _tensor(item: object, where: str) -> InputTensor:
    if type(item) is not dict:
        raise Refusal(Reason.FIELD, f"{where}: got {shown(item)}, expected an object with name, shape, datatype and data")
    _check_members(item, _TENSOR_MEMBERS, where)
    try:
        name, shape, datatype, data = item["name"], item["shape"], item["datatype"], item["data"]
    except KeyError as missing:
        raise Refusal(Reason.FIELD, f"{where}.{missing.args[0]}: is missing and required") from None
    known = _DATATYPES.get(datatype) if type(datatype) is str else None
    if known is None or known is Datatype.FP16:
        _refuse_datatype(datatype, where)
    if type(shape) is not list or not _INT.issuperset(map(type, shape)) or (shape and min(shape) < 0):
        _refuse_shape(shape, where)
    if type(data) is not list:
        raise Refusal(Reason.FIELD, f"{where}.data: got {shown(data)}, expected a list")
    if item.get("parameters") is not None:
        _check_parameters(item["parameters"], f"{where}.parameters")
    return InputTensor(name=_name(name, where), datatype=known, shape=tuple(shape), data=data, where=where)


def _name(name: object, where: str) -> str:
    if type(name) is not str or not 0 < len(name) <= _LONGEST_NAME:
        raise Refusal(Reason.FIELD, f"{where}.name: got {shown(name)}, expected a string of 1 to {_LONGEST_NAME} characters")
    return name


def _id(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str or len(value) > _LONGEST_ID or not value.isprintable():
        raise Refusal(Reason.FIELD, f"id: got {shown(value)}, expected a string of at most {_LONGEST_ID} printable characters")
    return value


def _outputs(value: object) -> tuple[str, ...] | None:
    if type(value) is not list:
        raise Refusal(Reason.FIELD, f"outputs: got {shown(value)}, expected a list of objects with name")
    names: list[str] = []
    for index, item in enumerate(value):
        where = f"outputs[{index}]"
        if type(item) is not dict or "name" not in item:
            raise Refusal(Reason.FIELD, f"{where}: got {shown(item)} without a name, expected an object with name")
        _check_members(item, _OUTPUT_MEMBERS, where)
        name = _name(item["name"], where)
        if item.get("parameters") is not None:
            _check_parameters(item["parameters"], f"{where}.parameters")
        names.append(name)
    return tuple(names) or None


def _check_members(document: dict[str, object], known: frozenset[str], where: str) -> None:
    if document.keys() <= known:
        return
    unknown = next(name for name in document if name not in known)
    place = f"{where}: " if where else "body: "
    raise Refusal(Reason.FIELD, f"{place}got the member {quoted(unknown)}, expected some of {', '.join(sorted(known))}")


def _check_parameters(value: object, where: str) -> None:
    if type(value) is not dict:
        raise Refusal(Reason.FIELD, f"{where}: got {shown(value)}, expected an object")
    for name, item in value.items():
        if not isinstance(item, str | int | float):
            message = f"{where}: {quoted(name)} is {shown(item)}, expected a string, a number, true or false"
            raise Refusal(Reason.FIELD, message)


def _refuse_datatype(datatype: object, where: str) -> NoReturn:
    if datatype == Datatype.FP16:
        message = f"{where}.datatype: FP16 has no form in JSON; send the numbers as FP32"
    else:
        message = f"{where}.datatype: got {shown(datatype)}, expected one of {', '.join(_DATATYPES)}"
    raise Refusal(Reason.DATATYPE, message)


def _refuse_shape(shape: object, where: str) -> NoReturn:
    if type(shape) is not list:
        raise Refusal(Reason.SHAPE, f"{where}.shape: got {shown(shape)}, expected a list of integers")
    wrong = next(dimension for dimension in shape if type(dimension) is not int or dimension < 0)
    raise Refusal(Reason.SHAPE, f"{where}.shape: got {shown(wrong)} in it, expected integers from 0")


# --- members given twice ---------------------------------------------------------------------------------------------
# JSON's decoder keeps the last of two members of a name, and the reader in front of us may keep the first. Every member's
# name and every string has two quotation marks, so counting those in the bytes tells at once that nothing was dropped; only
# when the count differs (a repeated member, or an escaped quotation mark) is the body read again, slowly, to be sure.


def _strings(document: dict[str, object]) -> int:
    """Strings in a checked document, names of members included."""
    count = 0
    pending: list[object] = [document]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            count += len(value)
            # Shapes and elements of numeric tensors hold no string; where they do, `core` refuses them anyway.
            skipped = ("shape", "data") if value.get("datatype", "BYTES") != "BYTES" else ("shape",)
            pending += [item for name, item in value.items() if name not in skipped]
        elif type(value) is list:
            pending += value
        elif type(value) is str:
            count += 1
    return count


def _refuse_repeated_members(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except RecursionError:
        raise Refusal(Reason.BODY, "body: is nested too deeply") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Refusal(Reason.FIELD, f"body: the member {quoted(repeated)} is given twice in one object")
    return members


# --- responses -------------------------------------------------------------------------------------------------------


class ResponseWriter:
    """Writes a model's responses. What is the same in every response is bytes from the start."""

    def __init__(self, *, model: str, version: str, contract: ArtifactContract) -> None:
        self._head = orjson.dumps({"model_name": model, "model_version": version})[:-1]
        self.outputs = tuple(tensor.name for tensor in contract.outputs)
        self._starts = {
            tensor.name: orjson.dumps({"name": tensor.name, "datatype": tensor.datatype.value})[:-1] + b',"shape":['
            for tensor in contract.outputs
        }
        self._width = len(contract.classes)

    def write(self, request: Request, prediction: Prediction) -> bytes:
        """The response document. The model has checked the outputs."""
        parts = [self._head]
        if request.id is not None:
            parts.append(b',"id":' + orjson.dumps(request.id))
        separator = b',"outputs":['
        for name in request.outputs or self.outputs:
            parts += (separator, self._starts[name], *self._tensor(name, prediction))
            separator = b","
        parts.append(b"]}")
        return b"".join(parts)

    def _tensor(self, name: str, prediction: Prediction) -> tuple[bytes, bytes, bytes]:
        rows = len(prediction.labels)
        if name == "label":
            return b'%d],"data":' % rows, orjson.dumps(prediction.labels.tolist()), b"}"
        flat = prediction.probabilities.ravel()
        return b'%d,%d],"data":' % (rows, self._width), orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY), b"}"


def error(message: str) -> bytes:
    """The protocol's error object."""
    return orjson.dumps({"error": message})
