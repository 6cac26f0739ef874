"""Durations and decimals as Kubernetes writes them: strings, never floats. Used by every resource of ours."""

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> timedelta:
    """`"1h30m"`, `"250ms"`, `"0s"` → a timedelta. Raises ValueError with the accepted form."""
    if not isinstance(text, str) or not text or _PART.sub("", text):
        msg = f'got {text!r}, expected a duration such as "30s", "2m", "1h30m" or "250ms"'
        raise ValueError(msg)
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def format_duration(value: timedelta) -> str:
    """The shortest form that `parse_duration` reads back to the same value (to the millisecond)."""
    milliseconds = round(value.total_seconds() * 1000)
    if milliseconds == 0:
        return "0s"
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_decimal(text: str) -> Decimal:
    """`"1.2"` → Decimal. Refuses floats: 0.1 in YAML is not a tenth, and the API has none."""
    if not isinstance(text, str):
        msg = f'got {text!r}, expected a number in quotes such as "1.2"'
        raise ValueError(msg)  # noqa: TRY004 (pydantic turns ValueError, not TypeError, into a problem)
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        msg = f'got {text!r}, expected a number in quotes such as "1.2"'
        raise ValueError(msg)
    return value


def _duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(value)  # type: ignore[arg-type]


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else parse_decimal(value)  # type: ignore[arg-type]


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|h|m|s))+$"}),
]
"""A length of time, written `"1h30m"`."""

Quantity = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}),
]
"""A decimal number, written in quotes."""
