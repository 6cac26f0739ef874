"""Errors for people: which field, what it got, what was expected, all of them at once. Used wherever input is read.

KanaryaError              anything a person can act on; the command prints it without a traceback
└── InvalidInput          a document with problems, each with its place
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

Path = tuple[str | int, ...]
"""Where in a document: `("spec", "steps", 2, "setWeight")`."""


class KanaryaError(Exception):
    """Something a person can act on. The message says what is wrong and what to do."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with a document."""

    path: Path
    """Where; empty for the document as a whole."""
    message: str
    """What it got and what was expected."""
    line: int | None = None
    """1-based line in the file, where known."""

    def __str__(self) -> str:
        """`line 7: spec.steps[2].setWeight: got 150, expected 0 to 100`."""
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        return ": ".join(part for part in (f"line {self.line}" if self.line else "", where, self.message) if part)


class InvalidInput(KanaryaError):
    """A document with problems. `str()` lists every one of them, a line each."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in self.problems)]))


def from_validation(
    source: str, error: ValidationError, line_of: Callable[[Path], int | None] = lambda _: None
) -> InvalidInput:
    """Pydantic's findings as problems. `line_of` maps a path to a line; a missing key is given its parent's line."""
    return InvalidInput(source, [_problem(item["loc"], item["type"], item, line_of) for item in error.errors()])


_WORDS = {
    "missing": "is missing and required",
    "extra_forbidden": "is not a known field",
}


def _problem(loc: Path, kind: str, item: object, line_of: Callable[[Path], int | None]) -> Problem:
    assert isinstance(item, dict)  # noqa: S101 (pydantic's ErrorDetails; its TypedDict would tie us to pydantic_core)
    # A union's branch names stand in `loc` beside the keys of the document; those in brackets or capitals are no keys.
    path = tuple(part for part in loc if isinstance(part, int) or not part.startswith(("function-", "tagged-")))
    message = _WORDS.get(kind)
    if message is None:
        text = str(item["msg"]).removeprefix("Value error, ")
        got = item.get("input")
        simple = got is None or isinstance(got, str | int | float | bool)
        message = text if text.startswith("got ") or not simple or kind == "value_error" else f"got {got!r}: {text}"
    line = line_of(path) or (line_of(path[:-1]) if path else None)
    return Problem(path=path, message=message, line=line)
