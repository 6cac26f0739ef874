"""Pydantic models as JSON Schemas and as reference pages: one table a model, from the docstrings under its fields."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any

import documents
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from kanarya_contracts.quantities import format_duration

Schema = Mapping[str, Any]
"""A JSON Schema, as pydantic makes it."""


class _Ours(GenerateJsonSchema):
    """Without field titles, which repeat the names in other letters, and with defaults as our documents write them."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False

    def encode_default(self, dft: object) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema, fields by the names documents use."""
    return model.model_json_schema(by_alias=True, schema_generator=_Ours)


def schema_file(model: type[BaseModel], name: str) -> str:
    """The published JSON Schema."""
    head = {
        "$comment": documents.GENERATED,
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"https://kanarya.dev/schema/{name}.schema.json",
    }
    return json.dumps(head | json_schema(model), indent=2, ensure_ascii=False) + "\n"


def page(title: str, model: type[BaseModel], module: ModuleType, *, example: str = "") -> str:
    """A page: what the module says about itself, a table for each model in the order they are met, an example."""
    schema = json_schema(model)
    sections = [_section(part, schema.get("$defs", {})) for part in _in_order(schema)]
    return documents.page(title, inspect.getdoc(module) or "", *sections, "## A valid document" if example else "", example)


def _in_order(schema: Schema) -> Iterator[Schema]:
    """The schema and its definitions, each after the first that mentions it, breadth first."""
    yield schema
    waiting, seen = list(_references(schema.get("properties", {}))), set()
    for name in waiting:
        if name not in seen:
            seen.add(name)
            definition = schema["$defs"][name]
            waiting += _references(definition.get("properties", {}))
            yield definition


def _references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].rsplit("/", 1)[1]
        for key, child in value.items():
            if key != "discriminator":
                yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _section(part: Schema, definitions: Schema) -> str:
    """Heading, docstring, and a table of fields or a list of words."""
    blocks = [f"## {part['title']}", inspect.cleandoc(part.get("description", ""))]
    if "enum" in part:
        blocks.append("One of " + ", ".join(map(documents.code, part["enum"])) + ".")
    else:
        required = part.get("required", [])
        rows = [
            [
                documents.code(name),
                _type(field),
                "required" if name in required else _default(field),
                _meaning(field, definitions),
            ]
            for name, field in part.get("properties", {}).items()
        ]
        blocks.append(documents.table(["Field", "Type", "Default", "Meaning"], rows))
    return "\n\n".join(filter(None, blocks))


def _meaning(field: Schema, definitions: Schema) -> str:
    """The field's docstring. Pydantic drops it where it says what the nested model's says, so then it is that."""
    nested = definitions.get(field.get("$ref", "").rsplit("/", 1)[-1], {})
    return documents.one_line(field.get("description") or nested.get("description", ""))


_LONGEST_DEFAULT = 60


def _default(field: Schema) -> str:
    """The default as a document would write it; that of a nested model stands in the model's own table."""
    value = field.get("default")
    text = json.dumps(value, ensure_ascii=False)
    shown = value is not None and not isinstance(value, Mapping) and len(text) <= _LONGEST_DEFAULT
    return documents.code(text) if shown else ""


def _type(field: Schema) -> str:
    """A schema in words."""
    for key in ("anyOf", "oneOf", "allOf"):
        if key in field:
            return " or ".join(_type(branch) for branch in field[key] if branch.get("type") != "null")
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "const" in field or "enum" in field:
        return " or ".join(documents.code(json.dumps(word)) for word in field.get("enum", [field.get("const")]))
    words = _WORDS.get(field.get("type", ""))
    return words(field) if words else "anything"


def _text(field: Schema) -> str:
    if "examples" in field:
        return "text such as " + " or ".join(documents.code(example) for example in field["examples"])
    return f"text like `{field['pattern']}`" if "pattern" in field else "text"


def _number(kind: str, field: Schema) -> str:
    if "minimum" in field and "maximum" in field:
        return f"{kind}, {field['minimum']} to {field['maximum']}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {field[name]}" for name, sign in bounds.items() if name in field)])


def _list(field: Schema) -> str:
    items = field["items"] if "items" in field else {"anyOf": field.get("prefixItems", [{}])}
    return f"list of {_type(items)}"


def _mapping(field: Schema) -> str:
    values = field.get("additionalProperties")
    return f"text → {_type(values)}" if isinstance(values, Mapping) else "mapping"


_WORDS: Mapping[str, Callable[[Schema], str]] = {
    "string": _text,
    "integer": lambda field: _number("whole number", field),
    "number": lambda field: _number("number", field),
    "boolean": lambda _: "true or false",
    "array": _list,
    "object": _mapping,
}
