"""A training configuration's text → `Settings`, or every problem in it at once, each with its line. Called by the command
and by the image's entry point."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from kanarya_contracts import problems
from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_training_job.settings import Settings

Lines = dict[problems.Path, int]


def load_settings(path: Path) -> Settings:
    """Read a configuration file. Raises InvalidInput with every problem and its line.

    Relative paths inside it are relative to the file itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(str(path), [Problem(path=(), message=f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise InvalidInput(
            str(path), [Problem(path=(), message=f"is not UTF-8: {error.reason} at byte {error.start}")]
        ) from None
    return parse_settings(text, source=str(path), directory=path.parent)


def parse_settings(text: str, *, source: str, directory: Path) -> Settings:
    """As `load_settings`, of a text. `source` names it in messages; relative paths inside it are relative to `directory`."""
    document, lines, repeated = _read(text, source)
    try:
        settings = Settings.model_validate(document, context={"directory": directory})
    except ValidationError as error:
        found = problems.from_validation(source, error, lambda path: _line_of(path, lines)).problems
        raise InvalidInput(source, _by_line([*repeated, *found])) from None
    if repeated:
        raise InvalidInput(source, repeated)
    return settings


def _read(text: str, source: str) -> tuple[object, Lines, list[Problem]]:
    """The document, the line of every key and item in it, and its repeated keys. YAML would let the last of those win."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
        places = list(_places(root, ()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(source, [_syntax_problem(error)]) from None
    if not isinstance(root, yaml.MappingNode):
        expected = "is empty" if root is None else "is not a mapping of keys to values"
        raise InvalidInput(source, [Problem(path=(), message=f"{expected}, expected at least model, data and target")])
    lines: Lines = {}
    repeated: list[Problem] = []
    for path, line in places:
        if path in lines:
            message = f"is given twice, first in line {lines[path]}; keep one"
            repeated.append(Problem(path=path, message=message, line=line))
        else:
            lines[path] = line
    return document, lines, repeated


def _places(node: yaml.Node | None, path: problems.Path) -> Iterator[tuple[problems.Path, int]]:
    """Every key and list item below `node` with its 1-based line, in the order of the text."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _places(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _places(item, (*path, index))


def _line_of(path: problems.Path, lines: Lines) -> int | None:
    """The line of `path` or of its nearest parent in the text; None for the document as a whole."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _syntax_problem(error: Exception) -> Problem:
    """PyYAML's own errors know a line. It raises ValueError for a date that no calendar has."""
    if isinstance(error, RecursionError):
        return Problem(path=(), message="is nested too deeply, or inside itself")
    mark = getattr(error, "problem_mark", None)
    detail = getattr(error, "problem", None) or str(error)
    return Problem(path=(), message=f"is not YAML: {detail}", line=mark.line + 1 if mark else None)


def _by_line(found: list[Problem]) -> list[Problem]:
    return sorted(found, key=lambda problem: problem.line or 0)
