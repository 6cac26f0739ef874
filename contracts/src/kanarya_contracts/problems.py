"""Errors for people: which field, what it got, what was expected, all of them at once. Used wherever input is read.

KanaryaError              anything a person can act on; the command prints it without a traceback
└── InvalidInput          a document with problems, each with its place

`validated` reads a document into a model. A validator that compares fields ends with `agreed`, so that each complaint keeps the
place of the field it is about.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]
"""Where in a document: `("spec", "steps", 2, "setWeight")`."""


Model = TypeVar("Model", bound=BaseModel)
Checked = TypeVar("Checked")


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
        """`line 7: spec.steps[2].setWeight: got 150, expected 100 or less`."""
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        return ": ".join(part for part in (f"line {self.line}" if self.line else "", where, self.message) if part)


class InvalidInput(KanaryaError):
    """A document with problems. `str()` lists every one of them, a line each."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in self.problems)]))


def one_line(error: KanaryaError) -> str:
    """What it says, in one line: for logs, and for the last line of a command that failed."""
    if isinstance(error, InvalidInput):
        return f"{error.source}: {'; '.join(str(problem) for problem in error.problems)}"
    return " ".join(str(error).split())


class Inconsistent(ValueError):
    """Raised by a pydantic validator: values that do not fit together. Paths are relative to what the validator sees."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


def problem(message: str, *path: str | int) -> Problem:
    """`problem("got 3, expected 2", "steps", 0)`: a problem without a line, for `agreed`."""
    return Problem(path=path, message=message)


def repeated(field: str, words: Sequence[str]) -> list[Problem]:
    """A problem at `field` if a word stands there more than once."""
    twice = sorted({word for word in words if words.count(word) > 1})
    return [problem(f"got {twice} more than once, expected every name once", field)] if twice else []


def agreed(checked: Checked, wrong: Sequence[Problem]) -> Checked:
    """The end of an after-validator: what was checked, or Inconsistent if something is wrong with it."""
    if wrong:
        raise Inconsistent(wrong)
    return checked


LineOf = Callable[[Path], int | None]
"""The line in the file on which a path stands, if it is there."""


def validated(
    model: type[Model],
    document: object,
    *,
    source: str,
    line_of: LineOf = lambda _: None,
    context: Mapping[str, object] | None = None,
) -> Model:
    """Parsed YAML or JSON as a model, read as strictly as the API server would. Raises InvalidInput with every problem.

    `"5"`, `5.0` and `true` are no whole numbers here, and `set_weight` is not `setWeight`: what local mode takes, a cluster
    takes. `source` names the document in the error; `context` is handed to the model's validators.
    """
    try:
        content = json.dumps(document, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(source, [Problem(path=(), message=f"cannot be written as JSON: {error}")]) from None
    try:
        return model.model_validate_json(content, strict=True, context=context, by_alias=True, by_name=False)
    except ValidationError as error:
        raise from_validation(source, error, line_of, document=json.loads(content)) from None


def from_validation(
    source: str, error: ValidationError, line_of: LineOf = lambda _: None, *, document: object = None
) -> InvalidInput:
    """Pydantic's findings as problems; `validated` does this by itself.

    `line_of` maps a path to a line; what has none (a missing key) gets that of what encloses it. `document` is what was
    read: with it, the names that pydantic puts into paths for the members of a union are told from keys and left out.
    They come in the order of the lines.
    """
    findings: dict[tuple[Path, str], list[str]] = {}
    for item in error.errors(include_url=False):
        path = _path(item["loc"], document, missing=item["type"] == "missing")
        for finding in _findings(path, item["type"], item["msg"], item["input"], item.get("ctx", {})):
            expected = findings.setdefault((finding.path, finding.found), [])
            expected += [finding.expected] if finding.expected and finding.expected not in expected else []
    problems = [
        Problem(path=path, message=", expected ".join([found, *([" or ".join(expected)] if expected else [])]), line=line)
        for (path, found), expected in findings.items()
        for line in [_nearest_line(path, line_of)]
    ]
    return InvalidInput(source, sorted(problems, key=lambda one: one.line or 0))


def _nearest_line(path: Path, line_of: LineOf) -> int | None:
    places = (path[:length] for length in range(len(path), -1, -1))
    return next((line for line in map(line_of, places) if line is not None), None)


def _path(loc: Path, document: object, *, missing: bool) -> Path:
    """`loc` without the names of union members and validators that pydantic puts between the keys of the document."""
    if document is None:
        return tuple(part for part in loc if isinstance(part, int) or "[" not in part)
    path: list[str | int] = []
    here = document
    for index, part in enumerate(loc):
        child = _child(here, part)
        if child is not _ABSENT:
            here = child
        elif not (missing and index == len(loc) - 1):
            continue
        path.append(part)
    return tuple(path)


_ABSENT = object()


def _child(here: object, part: str | int) -> object:
    if isinstance(here, Mapping):
        return here.get(part, _ABSENT)
    if isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
        return here[part]
    return _ABSENT


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """A problem whose expectation stands apart: the members of a union each add theirs."""

    path: Path
    found: str
    expected: str = ""


_MISSING = "is missing and required"

_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "datetime_from_date_parsing": "a time such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "a time such as 2026-01-31T12:00:00Z",
    "datetime_type": "a time such as 2026-01-31T12:00:00Z",
    "dict_type": "a mapping",
    "enum": "{expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_long": "text of {max_length} or fewer characters",
    "string_too_short": "text of {min_length} or more characters",
    "string_type": "text",
    "too_long": "{max_length} or fewer items",
    "too_short": "{min_length} or more items",
    "tuple_type": "a list",
}
"""Pydantic's error types in our words. A type that is not here keeps pydantic's sentence."""


def _findings(path: Path, kind: str, text: str, got: object, context: Mapping[str, object]) -> list[_Finding]:
    error = context.get("error")
    if isinstance(error, Inconsistent):
        return [_Finding(path=path + problem.path, found=problem.message) for problem in error.problems]
    if kind == "too_short" and isinstance(got, list | tuple) and len(got) >= int(str(context["min_length"])):
        return []  # pydantic does not count the items it refused; each of them has a finding of its own
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return [_tag_finding(path, got, context)]
    if kind in _EXPECTED:
        bounds = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
        return [_Finding(path=path, found=f"got {_shown(got)}", expected=_EXPECTED[kind].format(**bounds))]
    sentences = {
        "missing": _MISSING,
        "extra_forbidden": "is not a known field",
        "json_invalid": f"is not JSON: {error}",
        "value_error": text.removeprefix("Value error, "),
    }
    return [_Finding(path=path, found=sentences.get(kind) or f"got {_shown(got)}: {text}")]


def _tag_finding(path: Path, got: object, context: Mapping[str, object]) -> _Finding:
    """The field that says which member of a union is meant is missing or says something else."""
    field = str(context["discriminator"]).strip("'")
    if not isinstance(got, Mapping) or field not in got:
        return _Finding(path=(*path, field), found=_MISSING)
    *others, last = str(context["expected_tags"]).split(", ")
    return _Finding(
        path=(*path, field), found=f"got {_shown(got[field])}", expected=" or ".join(filter(None, [", ".join(others), last]))
    )


_LONGEST = 80
"""Characters of a value that an error repeats."""


def _shown(value: object) -> str:
    """A value as its document has it, or what kind of value it is where it would fill the screen."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
