"""The V2 protocol's tensor datatypes (Open Inference Protocol, "Tensor Data Types"). Used by the artifact and the server."""

from enum import StrEnum
from typing import Final


class Datatype(StrEnum):
    """A tensor element's type as the protocol names it. BYTES is text in UTF-8; the numbers say how many bits."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


INTEGER_RANGE: Final = {
    Datatype.UINT8: (0, 2**8 - 1),
    Datatype.UINT16: (0, 2**16 - 1),
    Datatype.UINT32: (0, 2**32 - 1),
    Datatype.UINT64: (0, 2**64 - 1),
    Datatype.INT8: (-(2**7), 2**7 - 1),
    Datatype.INT16: (-(2**15), 2**15 - 1),
    Datatype.INT32: (-(2**31), 2**31 - 1),
    Datatype.INT64: (-(2**63), 2**63 - 1),
}
"""Inclusive bounds of each integer type."""

FLOATS: Final = frozenset({Datatype.FP16, Datatype.FP32, Datatype.FP64})
"""Floating-point types."""
