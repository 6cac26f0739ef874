"""Durations and decimals as Kubernetes writes them: strings, never floats. Used by every resource of ours.

Both directions are exact: what is formatted is read back to the same value, down to a microsecond and to the last digit,
because a controller that restarts goes on from what it wrote.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|h|m|s))+$"
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000}


def parse_duration(text: object) -> timedelta:
    """`"1h30m"`, `"2.5ms"`, `"0s"` → a timedelta, rounded to a microsecond. Raises ValueError with the accepted form."""
    if not isinstance(text, str) or not text or _PART.sub("", text):
        raise ValueError(f'got {text!r}, expected a duration such as "30s", "2m", "1h30m" or "250ms"')
    microseconds = sum(Decimal(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(text))
    try:
        return timedelta(microseconds=round(microseconds))
    except OverflowError:
        raise ValueError(f"got {text!r}, expected a duration of at most {timedelta.max.days} days") from None


def format_duration(value: timedelta) -> str:
    """`"1h30m"`, `"2.5s"`, `"250ms"`: what `parse_duration` reads back to the same value. Raises ValueError below 0."""
    rest = value // timedelta(microseconds=1)
    if rest < 0:
        raise ValueError(f"got {value}, expected a duration that is not negative")
    hours, rest = divmod(rest, _MICROSECONDS["h"])
    minutes, rest = divmod(rest, _MICROSECONDS["m"])
    unit = "s" if rest >= _MICROSECONDS["s"] else "ms"
    amounts = ((Decimal(hours), "h"), (Decimal(minutes), "m"), (Decimal(rest) / _MICROSECONDS[unit], unit))
    parts = [f"{format_decimal(amount)}{name}" for amount, name in amounts if amount]
    return "".join(parts) or "0s"


def parse_decimal(text: object) -> Decimal:
    """`"1.2"` → Decimal. Refuses floats (0.1 in YAML is not a tenth), exponents, infinities and NaN with a ValueError."""
    if not isinstance(text, str) or not re.fullmatch(_DECIMAL, text):
        raise ValueError(f'got {text!r}, expected a number in quotes such as "1.2"')
    return Decimal(text)


def format_decimal(value: Decimal) -> str:
    """All digits, no exponent: a small `logE` is `"0.0000001"`, which the CRD's pattern takes, and not `"1E-7"`."""
    return format(value, "f")


def _duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(value)


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else parse_decimal(value)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError(f"got {format_duration(value)!r}, expected more than 0s")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["30s", "1h30m"]}),
]
"""A length of time, written `"1h30m"`."""

PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
"""A length of time that is not 0: what something is repeated after, or must be done within."""

Quantity = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(format_decimal, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DECIMAL, "examples": ["1.2"]}),
]
"""A decimal number, written in quotes."""
