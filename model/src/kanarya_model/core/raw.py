"""Tensors as bytes, both ways: REST's binary extension and gRPC's raw contents carry the same. Called by edges.

Row-major and little-endian, nothing between elements (Triton's `extension_binary_data.md`; Open Inference Protocol, "Raw
Tensor Contents"). BOOL is a byte that is 0 or 1, FP16 is IEEE 754's half, a BYTES element is its length in four bytes and
then as many bytes of UTF-8. Numbers are not copied: an array that is read is a view of the request. Bytes too few, bytes too
many, a length that points past the end are refused; whether the model takes such a tensor is `inputs`' to say.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.refusal import Reason, Refusal
from kanarya_model.core.values import Words

DTYPES: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype("?"),
    Datatype.UINT8: np.dtype("u1"),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype("i1"),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
}
"""How numpy names each datatype of a fixed size: all but BYTES."""

_PREFIX = 4
_MOST_DIMENSIONS = 8
_MOST_ELEMENTS = 2**40
_BYTE = np.dtype("u1")


def read(content: bytes | memoryview, datatype: Datatype, shape: Sequence[int], where: str) -> NDArray[Any]:
    """The tensor's elements, flat: numbers as a view of `content`, BYTES as objects of str. Raises Refusal.

    `shape`: as the client sent it; no dimension is negative.
    """
    count = _count(shape, where)
    if datatype is Datatype.BYTES:
        return text(_split(bytes(content), count, where), where)
    dtype = DTYPES[datatype]
    wanted = count * dtype.itemsize
    if len(content) != wanted:
        message = f"{where}: got {len(content)} bytes, expected {wanted} for {count} elements of {datatype}"
        raise Refusal(Reason.SHAPE, message)
    if datatype is Datatype.BOOL:
        return _booleans(np.frombuffer(content, _BYTE), where)
    return np.frombuffer(content, dtype)


def text(elements: Iterable[bytes], where: str) -> Words:
    """BYTES elements as objects of str. Raises Refusal for one that is not UTF-8."""
    words: list[str] = []
    try:
        for element in elements:
            words.append(element.decode())
    except UnicodeDecodeError as error:
        message = f"{where}.data[{len(words)}]: got bytes that are not UTF-8 ({error.reason}), expected text"
        raise Refusal(Reason.VALUE, message) from None
    array = np.empty(len(words), np.object_)
    array[:] = words
    return array


def write(array: NDArray[Any], datatype: Datatype) -> bytes | memoryview:
    """A tensor's elements as bytes; of an array that already lies in memory as `datatype` does, a view."""
    if datatype is Datatype.BYTES:
        encoded = [word.encode() for word in array.ravel().tolist()]
        return b"".join([piece for word in encoded for piece in (len(word).to_bytes(_PREFIX, "little"), word)])
    return np.ascontiguousarray(array, DTYPES[datatype]).reshape(-1).view(_BYTE).data


def _count(shape: Sequence[int], where: str) -> int:
    """Elements of a tensor of that shape. A product of very many, or very large, dimensions is not even computed."""
    if len(shape) > _MOST_DIMENSIONS:
        message = f"{where}.shape: got {len(shape)} dimensions, expected at most {_MOST_DIMENSIONS}"
        raise Refusal(Reason.SHAPE, message)
    count = prod(shape)
    if count > _MOST_ELEMENTS:
        message = f"{where}.shape: got {list(shape)}, expected at most {_MOST_ELEMENTS} elements in all"
        raise Refusal(Reason.SHAPE, message)
    return count


def _split(content: bytes, count: int, where: str) -> list[bytes]:
    elements: list[bytes] = []
    start, end = 0, len(content)
    while start < end and len(elements) < count:
        length = int.from_bytes(content[start : start + _PREFIX], "little")
        start += _PREFIX
        if start > end:
            message = f"{where}: ends within the length of element {len(elements)}, expected {_PREFIX} bytes for it"
            raise Refusal(Reason.SHAPE, message)
        if length > end - start:
            message = f"{where}: element {len(elements)} announces {length} bytes, and {end - start} are left"
            raise Refusal(Reason.SHAPE, message)
        elements.append(content[start : start + length])
        start += length
    if len(elements) != count or start != end:
        got = f"{len(elements)} elements with {end - start} bytes after them"
        raise Refusal(Reason.SHAPE, f"{where}: got {got}, expected {count} elements of BYTES and nothing more")
    return elements


def _booleans(octets: NDArray[np.uint8], where: str) -> NDArray[np.bool_]:
    if octets.size and octets.max() > 1:
        index = int(np.argmax(octets > 1))
        raise Refusal(Reason.VALUE, f"{where}.data[{index}]: got the byte {octets[index]}, expected 0 or 1 for BOOL")
    return octets.view(np.bool_)
