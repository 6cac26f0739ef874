"""An inference request in `core`'s words, and what V2 asks of its header whatever the encoding. Called by edges."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import InputTensor, Rows
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import Reason, Refusal, listed, quoted, shown

_LONGEST_NAME = 256
_LONGEST_ID = 1024
_DATATYPES = {datatype.value: datatype for datatype in Datatype}


@dataclass(kw_only=True, slots=True)
class Request:
    """An inference request."""

    id: str | None
    tensors: list[InputTensor]
    outputs: tuple[str, ...] | None
    """Names asked for; None for all."""


class Answered(NamedTuple):
    """A request with its answer, for who writes requests down. A tuple, for every request makes one."""

    id: str | None
    """The protocol's, where it has one."""
    rows: Rows
    prediction: Prediction


def tensor_name(name: object, where: str) -> str:
    """The name of a tensor. Raises Refusal."""
    if type(name) is not str or not 0 < len(name) <= _LONGEST_NAME:
        raise Refusal(Reason.FIELD, f"{where}.name: got {shown(name)}, expected a string of 1 to {_LONGEST_NAME} characters")
    return name


def request_id(value: object) -> str:
    """A request's id. Raises Refusal."""
    if type(value) is not str or len(value) > _LONGEST_ID or not value.isprintable():
        raise Refusal(Reason.FIELD, f"id: got {shown(value)}, expected a string of at most {_LONGEST_ID} printable characters")
    return value


def tensor_datatype(value: object, where: str) -> Datatype:
    """The datatype of that name. Raises Refusal."""
    known = _DATATYPES.get(value) if type(value) is str else None
    if known is None:
        raise Refusal(Reason.DATATYPE, f"{where}.datatype: got {shown(value)}, expected one of {', '.join(_DATATYPES)}")
    return known


def asked_outputs(names: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...] | None:
    """The outputs asked for, None for all. Raises Refusal for one that the model does not have, or that is asked for twice."""
    asked: list[str] = []
    for index, name in enumerate(names):
        where = f"outputs[{index}].name"
        if name not in known:
            raise Refusal(Reason.OUTPUT, f"{where}: got {quoted(name)}, expected some of {listed(known)}")
        if name in asked:
            raise Refusal(Reason.OUTPUT, f"{where}: output {quoted(name)} is asked for twice")
        asked.append(name)
    return tuple(asked) or None
