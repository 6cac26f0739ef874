"""How a request can fail: by the client's mistake (`Refusal`) or by the model's (`ModelFault`). Edges translate both."""

from enum import StrEnum

from kanarya_contracts.problems import KanaryaError


class Reason(StrEnum):
    """What was wrong with a request: the label values of `kanarya_model_rejected_total`. Fixed; never text from a client."""

    BODY = "body"
    """Not readable as a document at all."""
    MEDIA_TYPE = "media-type"
    """Announced as something that is not read here."""
    FIELD = "field"
    """A member is missing, unknown, given twice or of the wrong type."""
    TENSOR = "tensor"
    """An input is unknown, missing or given twice."""
    DATATYPE = "datatype"
    """An unknown datatype, or one that the column does not accept."""
    SHAPE = "shape"
    """The shape is not the model's, or not that of the data."""
    VALUE = "value"
    """An element is of the wrong type, out of its type's range, an unknown word, or missing where it must not."""
    OUTPUT = "output"
    """An output is unknown or asked for twice."""
    LIMIT = "limit"
    """Larger than this server accepts."""
    RANGE = "range"
    """A value so far from what the model was trained on that it has no finite answer."""
    VERSION = "version"
    """Feedback names a version that cannot be one, or one too many."""


class Refusal(KanaryaError):
    """The client's mistake. The message names the field, what it got and what was expected."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelFault(KanaryaError):
    """The model failed on a request that it should have answered. The message is for the log, never for the client."""


_SHOWN = 60
"""Characters of a client's text that a message repeats."""


def shown(value: object) -> str:
    """A JSON value in words, short: `the string "setosa"`, `true`, `null`, `the number 5.1`, `a list of 3`, `an object`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}" if abs(value) < 2**64 else f"the number {float(value):g}"
        case str():
            return f"the string {quoted(value)}"
        case list() | tuple():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def quoted(text: str) -> str:
    """The text in double quotes, cut where it is long, with no character that could break a line or a log."""
    printable = "".join(c if c.isprintable() else "�" for c in text[:_SHOWN])
    return f'"{printable}…" ({len(text)} characters)' if len(text) > _SHOWN else f'"{printable}"'


def listed(names: tuple[str, ...], most: int = 20) -> str:
    """Names for a message: `"a", "b" and 3 more`."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(quoted(name) for name in names[:most]) + rest
