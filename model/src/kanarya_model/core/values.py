"""Elements of one tensor, a list as JSON gives it or an array, as the model wants them. Called by `inputs`.

Refuses what is not exactly of its datatype. JSON's types and the protocol's are matched strictly: `true` is no number, `"5.1"`
is no number, `5.0` is no integer, `5` is a fine FP64. A number that its datatype cannot hold is refused rather than wrapped,
cut or turned into infinity; NaN, which an array can carry, is the missing value that null is in JSON.
"""

from collections.abc import Iterable
from itertools import chain
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.datatypes import FLOATS, INTEGER_RANGE, Datatype
from kanarya_model.core.refusal import Reason, Refusal, shown

Numbers = NDArray[np.float64] | NDArray[np.float32]
"""FP32 stays what it is where it came as an array: it holds the same numbers, and a model of FP32 need not copy it."""
Words = NDArray[np.object_]

LARGEST_FP32 = float(np.finfo(np.float32).max)
LARGEST_FP64 = float(np.finfo(np.float64).max)
_EXACT = 2**53
"""Every integer up to here is an FP64 of its own."""
_MANY = 64
"""More elements than this, and a look at all of them for the quickest way to read them is paid back."""

_NULL: frozenset[type] = frozenset({type(None)})
_NUMBER_TYPES: dict[Datatype, frozenset[type]] = {
    **{datatype: frozenset({int}) for datatype in INTEGER_RANGE},
    Datatype.FP32: frozenset({int, float}),
    Datatype.FP64: frozenset({int, float}),
    Datatype.BOOL: frozenset({bool}),
}
_KINDS = {
    **dict.fromkeys(INTEGER_RANGE, "iu"),
    **dict.fromkeys(FLOATS, "f"),
    Datatype.BOOL: "b",
}
"""numpy's kinds of dtype for each datatype."""
_IN_WORDS = {
    **dict.fromkeys(INTEGER_RANGE, "an integer"),
    **dict.fromkeys(FLOATS, "a number"),
    Datatype.BOOL: "true or false",
    Datatype.BYTES: "a string",
}


Elements = list[object] | NDArray[Any]
"""Of one tensor: as JSON's decoder gives them, or flat in an array of the datatype's own kind."""


def flat(data: Elements, shape: tuple[int, ...], where: str) -> Elements:
    """The elements in row-major order. A list is flat, or nested exactly as a two-dimensional `shape` says."""
    if len(shape) == 2 and type(data) is list and data and type(data[0]) is list:
        return _unnested(data, shape, where)
    count = shape[0] if len(shape) == 1 else shape[0] * shape[1]
    if len(data) != count:
        raise Refusal(Reason.SHAPE, f"{where}.data: got {len(data)} elements, expected {count} for shape {list(shape)}")
    return data


def _unnested(data: list[object], shape: tuple[int, ...], where: str) -> list[object]:
    rows, width = shape
    if len(data) != rows:
        raise Refusal(Reason.SHAPE, f"{where}.data: got {len(data)} rows, expected {rows} for shape {list(shape)}")
    lists = [row for row in data if type(row) is list and len(row) == width]
    if len(lists) != rows:
        index = next(i for i, row in enumerate(data) if type(row) is not list or len(row) != width)
        message = f"{where}.data[{index}]: got {shown(data[index])}, expected a list of {width} for shape {list(shape)}"
        raise Refusal(Reason.SHAPE, message)
    return list(chain.from_iterable(lists))


def numbers(elements: Elements, datatype: Datatype, where: str, *, nullable: bool, largest: float) -> Numbers:
    """Elements as FP64, NaN for null. Every number is finite, at most `largest` in size, and exactly what was sent.

    Raises Refusal with the first element that is not of `datatype`, or missing where `nullable` is false.
    """
    if datatype is Datatype.FP32:
        largest = min(largest, LARGEST_FP32)
    if not isinstance(elements, list):
        return _from_array(elements, datatype, where, nullable=nullable, largest=largest)
    if datatype is Datatype.FP16:
        raise Refusal(Reason.DATATYPE, f"{where}.datatype: FP16 has no form in JSON; send it as bytes, or the numbers as FP32")
    if datatype in FLOATS and list(map(type, elements)).count(float) == len(elements):  # the common case, without a detour
        floats: list[float] = elements  # type: ignore[assignment]  # as has just been seen
        if len(elements) > _MANY:
            array: Numbers = np.frombuffer(pack(f"{len(elements)}d", *floats))
        else:
            array = np.array(floats, np.float64)
            if -largest <= min(floats) and max(floats) <= largest:
                return array
    else:
        array = _from_list(elements, datatype, where, nullable=nullable)
    _check_size(array, largest, where, nullable=nullable)
    return array


def _from_list(elements: list[object], datatype: Datatype, where: str, *, nullable: bool) -> Numbers:
    allowed = _NUMBER_TYPES[datatype]
    if nullable and datatype in FLOATS:
        allowed |= _NULL
    if not allowed.issuperset(map(type, elements)):
        raise _wrong_type(elements, allowed, datatype, where)
    if datatype in INTEGER_RANGE:
        _check_integers(elements, datatype, where)
    try:
        return np.array(elements, np.float64)
    except OverflowError:  # an integer beyond FP64: JSON's decoder makes none, another caller's could
        raise Refusal(Reason.VALUE, f"{where}.data: a number is too large for {datatype}") from None


def _from_array(array: NDArray[Any], datatype: Datatype, where: str, *, nullable: bool, largest: float) -> Numbers:
    kind = array.dtype.kind
    if kind not in _KINDS[datatype]:
        raise Refusal(Reason.DATATYPE, f"{where}.data: got an array of {array.dtype}, expected {_IN_WORDS[datatype]}")
    if kind in "iu" and array.size:
        # The bounds first: gRPC's contents carry a UINT8 in 32 bits.
        _check_bounds(array, int(array.min()), int(array.max()), datatype, where)
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    else:
        largest = min(largest, LARGEST_FP32)
    _check_size(array, largest, where, nullable=nullable)
    return array


def words(elements: Elements, where: str, *, nullable: bool) -> Words:
    """Elements as an object array of str, None for null."""
    text: frozenset[type] = frozenset({str})
    allowed = text | _NULL if nullable else text
    if not allowed.issuperset(map(type, elements)):
        raise _wrong_type(elements, allowed, Datatype.BYTES, where)
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array


def _check_size(array: Numbers, largest: float, where: str, *, nullable: bool) -> None:
    """Refuse a number larger than `largest`, and NaN where nothing may be missing."""
    # The common case. With a NaN among the numbers both comparisons are false, and the search below looks for it.
    if np.minimum.reduce(array) >= -largest and np.maximum.reduce(array) <= largest:
        return
    wrong = np.flatnonzero(np.abs(array) > largest)
    if wrong.size:
        index = int(wrong[0])
        raise Refusal(
            Reason.VALUE,
            f"{where}.data[{index}]: got the number {array[index]:g}, expected at most {largest:g} in size: "
            "the model computes with, or the datatype holds, no larger",
        )
    if not nullable:
        index = int(np.argmax(np.isnan(array)))
        raise Refusal(Reason.VALUE, f"{where}.data[{index}]: got NaN, and the model accepts no missing value here")


def check_integral(array: Numbers, datatype: Datatype, name: str) -> None:
    """Refuse what a column of an integer datatype cannot hold, when it was sent as numbers of another datatype."""
    low, high = INTEGER_RANGE[datatype]
    wrong = np.flatnonzero(~np.isnan(array) & ((array != np.floor(array)) | (array < low) | (array > high)))
    if wrong.size:
        index = int(wrong[0])
        message = f"column {name!r}, row {index}: got the number {array[index]:g}, expected an integer from {low} to {high}"
        raise Refusal(Reason.VALUE, message)


def _check_integers(elements: list[object], datatype: Datatype, where: str) -> None:
    integers: list[int] = elements  # type: ignore[assignment]  # the caller has looked at every type
    _check_bounds(integers, min(integers), max(integers), datatype, where)


def _check_bounds(integers: Iterable[int], smallest: int, greatest: int, datatype: Datatype, where: str) -> None:
    """Refuse the first of the integers, which lie from `smallest` to `greatest`, that its datatype or FP64 cannot hold."""
    low, high = INTEGER_RANGE[datatype]
    if smallest < low or greatest > high:
        index, value = next((i, value) for i, value in enumerate(integers) if not low <= value <= high)
        message = f"{where}.data[{index}]: got the number {value}, expected {low} to {high} for {datatype}"
        raise Refusal(Reason.VALUE, message)
    if smallest < -_EXACT or greatest > _EXACT:
        inexact = next(((i, int(value)) for i, value in enumerate(integers) if int(float(value)) != int(value)), None)
        if inexact is not None:
            index, value = inexact
            message = f"{where}.data[{index}]: got the number {value}, which the model's FP64 cannot hold exactly"
            raise Refusal(Reason.VALUE, message)


def _wrong_type(elements: Elements, allowed: frozenset[type], datatype: Datatype, where: str) -> Refusal:
    index = next(i for i, element in enumerate(elements) if type(element) not in allowed)
    got = elements[index]
    if got is None:
        message = f"{where}.data[{index}]: got null, and the model accepts no missing value here"
    else:
        message = f"{where}.data[{index}]: got {shown(got)}, expected {_IN_WORDS[datatype]} for {datatype}"
    return Refusal(Reason.SHAPE if isinstance(got, list) else Reason.VALUE, message)
