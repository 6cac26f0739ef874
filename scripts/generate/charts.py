"""A chart's README.md and values.schema.json, from the comments in its values.yaml: those comments are the manual.

The first block of comments is the README's introduction. A comment right above a value is its meaning; a value without one is
an error. Lines in it that begin with `@` go to the schema: `@type string, integer`, `@enum a, b`, `@pattern …`, `@minimum 0`,
`@maximum 9`, `@required` (not empty), `@open` (a mapping that may hold anything). The type follows from the default. In
`renamed.yaml` stand old names of values: the schema lets them pass, so that the chart can say the new ones.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import documents
import yaml

Schema = dict[str, Any]

_GLOBAL: Schema = {"description": "Values that a parent chart shares with all of its charts.", "type": "object"}
_ENABLED: Schema = {"description": "A parent chart's condition; nothing here reads it.", "type": "boolean"}
_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value with what is said about it."""

    name: str
    """The key."""
    default: Any
    """As YAML reads it."""
    meaning: str
    """The comment's prose."""
    words: Mapping[str, str]
    """The comment's `@` lines."""
    children: tuple["Value", ...]
    """Of a mapping that is not empty."""


def files(root: Path) -> dict[str, Callable[[], str]]:
    """What is made for every chart under `root`."""
    made: dict[str, Callable[[], str]] = {}
    for values in sorted((root / "helm").glob("*/values.yaml")):
        name = f"helm/{values.parent.name}"
        made[f"{name}/values.schema.json"] = lambda chart=values.parent: schema_file(chart)
        made[f"{name}/README.md"] = lambda chart=values.parent: readme(chart)
    return made


def schema_file(chart: Path) -> str:
    """values.schema.json."""
    schema = _object(_values(chart))
    renamed = _yaml(chart / "renamed.yaml") or {}
    schema["properties"] |= {"global": _GLOBAL, "enabled": _ENABLED}
    schema["properties"] |= {old: {"description": f"Is now {new}."} for old, new in renamed.items()}
    head = {"$comment": documents.GENERATED, "$schema": "http://json-schema.org/draft-07/schema#", "title": chart.name}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def readme(chart: Path) -> str:
    """README.md."""
    about = _yaml(chart / "Chart.yaml")
    install = f"helm install {chart.name} helm/{chart.name} -n kanarya --create-namespace"
    rows = [
        [documents.code(path), documents.code(_shown(value)), value.meaning]
        for path, value in _flat(_values(chart), "")
        if value.meaning
    ]
    return documents.page(
        f"Chart {chart.name}",
        about["description"],
        _introduction((chart / "values.yaml").read_text(encoding="utf-8")),
        "## Install",
        documents.fenced(install, "sh"),
        "## Values",
        documents.table(["Value", "Default", "Meaning"], rows),
    )


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def _introduction(text: str) -> str:
    block = text.split("\n\n", 1)[0].splitlines()
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in block)


# --- reading ---------------------------------------------------------------------------------------------------------


def _values(chart: Path) -> tuple[Value, ...]:
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode), f"{chart.name}/values.yaml: expected a mapping"  # noqa: S101
    return tuple(_read(node, text.splitlines(), f"{chart.name}/values.yaml"))


def _read(node: yaml.MappingNode, lines: list[str], where: str) -> Iterator[Value]:
    for key, child in node.value:
        meaning, words = _comment(lines, key.start_mark.line)
        inside = isinstance(child, yaml.MappingNode) and bool(child.value)
        if not meaning:
            raise SystemExit(f"{where}: line {key.start_mark.line + 1}: {key.value} has no comment above it")
        default = yaml.safe_load(yaml.serialize(child))
        children = tuple(_read(child, lines, where)) if inside and "open" not in words else ()
        yield Value(name=key.value, default=default, meaning=meaning, words=words, children=children)


def _comment(lines: list[str], key_line: int) -> tuple[str, Mapping[str, str]]:
    above = key_line
    while above > 0 and lines[above - 1].lstrip().startswith("#"):
        above -= 1
    said = [line.strip().removeprefix("#").strip() for line in lines[above:key_line]]
    words = dict([*line[1:].split(maxsplit=1), ""][:2] for line in said if line.startswith("@"))
    return " ".join(line for line in said if line and not line.startswith("@")), words


# --- schema ----------------------------------------------------------------------------------------------------------


def _object(children: tuple[Value, ...]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {child.name: _schema(child) for child in children},
    }


def _schema(value: Value) -> Schema:
    made: Schema = {"description": value.meaning}
    if value.children:
        return made | _object(value.children)
    words = value.words
    kinds = [kind.strip() for kind in words["type"].split(",")] if "type" in words else [_TYPES[type(value.default)]]
    made["type"] = kinds[0] if len(kinds) == 1 else kinds
    if "enum" in words:
        made["enum"] = [yaml.safe_load(word.strip()) if word.strip() else "" for word in words["enum"].split(",")]
    made |= {word: int(words[word]) for word in ("minimum", "maximum") if word in words}
    made |= {"pattern": words["pattern"]} if "pattern" in words else {}
    made |= {"minLength": 1} if "required" in words else {}
    return made


# --- README ----------------------------------------------------------------------------------------------------------


def _flat(values: tuple[Value, ...], prefix: str) -> Iterator[tuple[str, Value]]:
    for value in values:
        yield f"{prefix}{value.name}", value
        yield from _flat(value.children, f"{prefix}{value.name}.")


_LONGEST = 60


def _shown(value: Value) -> str:
    text = "" if value.children else json.dumps(value.default, ensure_ascii=False)
    return text if len(text) <= _LONGEST else "see values.yaml"
