"""YAML with its places: documents as data, and the line on which each of their paths stands. Pure but for reading files.

Called by `manifests`. Refuses what YAML lets pass in silence and a person did not mean: a key that is there twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_contracts.problems import Path as Place


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document of a file."""

    source: str
    """The file, as the person named it."""
    content: object
    lines: Mapping[Place, int]
    """Path → 1-based line of its key or item."""

    def line_of(self, place: Place) -> int | None:
        """The line, if the path is there."""
        return self.lines.get(place)

    def problem(self, message: str, *place: str | int) -> Problem:
        """A problem at that path, with the line of what encloses it if it is not there."""
        known = next((self.lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in self.lines), None)
        return Problem(path=place, message=message, line=known)


def read(path: Path) -> tuple[Document, ...]:
    """Every document in a file but empty ones. Raises InvalidInput for what is no YAML, or cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(str(path), [Problem(path=(), message=f"cannot be read: {why}")]) from None
    return parse(text, source=str(path))


def parse(text: str, *, source: str) -> tuple[Document, ...]:
    """`read`, of a text."""
    found = []
    try:
        for node in yaml.compose_all(text, yaml.SafeLoader):
            lines: dict[Place, int] = {}
            doubles = list(_walk(node, (), lines))
            if doubles:
                raise InvalidInput(source, doubles)
            content = yaml.SafeLoader("").construct_document(node)
            if content is not None:
                found.append(Document(source=source, content=content, lines=lines))
    except RecursionError:
        raise InvalidInput(source, [Problem(path=(), message="is nested too deeply, or inside itself")]) from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML raises ValueError for a date that no calendar has
        mark = getattr(error, "problem_mark", None)
        message = f"is not YAML: {getattr(error, 'problem', None) or error}"
        raise InvalidInput(source, [Problem(path=(), message=message, line=mark.line + 1 if mark else None)]) from None
    return tuple(found)


def _walk(node: yaml.Node | None, place: Place, lines: dict[Place, int]) -> Iterator[Problem]:
    """Fill in `lines`; yield a problem for each key that is there already."""
    if node is None:
        return
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner, line = (*place, str(key.value)), key.start_mark.line + 1
            if inner in lines:
                yield Problem(path=inner, message=f"is there twice, first on line {lines[inner]}", line=line)
            lines[inner] = line
            yield from _walk(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*place, index), lines)
