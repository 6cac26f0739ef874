"""A small client of the V2 protocol: rows in, answers out. Used by `infer` and the demo.

Speaks REST with one tensor a column, which every Kanarya model takes. Raises KanaryaError with the server's own words.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from kanarya_contracts.datatypes import FLOATS, Datatype
from kanarya_contracts.problems import KanaryaError

Value = str | int | float | None
Row = Mapping[str, Value]
Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class Input:
    """A column the model wants."""

    name: str
    datatype: Datatype
    rank: int
    """1 for shape [-1], 2 for [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a model said in one tensor."""

    data: tuple[Value, ...]
    """Row by row."""
    width: int
    """Elements a row."""

    @property
    def rows(self) -> tuple[tuple[Value, ...], ...]:
        """A row a row."""
        return tuple(self.data[start : start + self.width] for start in range(0, len(self.data), self.width))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said to some rows."""

    version: str
    outputs: Mapping[str, Output]
    """By name."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of a classifier with one target."""
        return tuple(str(label) for label in self.outputs["label"].data)


def inputs_of(metadata: Mapping[str, Any]) -> tuple[Input, ...]:
    """The columns that a model's metadata document names."""
    return tuple(
        Input(name=str(one["name"]), datatype=Datatype(one["datatype"]), rank=len(one["shape"])) for one in metadata["inputs"]
    )


def request_body(inputs: Sequence[Input], rows: Sequence[Row]) -> dict[str, object]:
    """A V2 inference request with a tensor a column."""
    return {
        "inputs": [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": [len(rows)] if one.rank == 1 else [len(rows), 1],
                "data": [row[one.name] for row in rows],
            }
            for one in inputs
        ]
    }


def answer_of(document: Mapping[str, Any]) -> Answer:
    """The parts of a V2 inference response that people want."""
    said = {one["name"]: Output(data=tuple(one["data"]), width=math.prod(one["shape"][1:])) for one in document["outputs"]}
    return Answer(version=str(document.get("model_version", "")), outputs=said)


def typed_rows(inputs: Sequence[Input], rows: Sequence[Mapping[str, str]]) -> list[Row]:
    """Text as it stands in a CSV → values of the columns' types. Names every cell that is not of its type."""
    wrong: list[str] = []
    typed: list[Row] = []
    for number, row in enumerate(rows, start=1):
        missing = [one.name for one in inputs if one.name not in row]
        if missing:
            there = ", ".join(row)
            wanted = ", ".join(one.name for one in inputs)
            msg = f"row {number} has no {', '.join(missing)}; it has: {there}. The model wants: {wanted}"
            raise KanaryaError(msg)
        values: dict[str, Value] = {}
        for one in inputs:
            try:
                values[one.name] = _value(row[one.name], one.datatype)
            except ValueError:
                wrong.append(f"row {number}: {one.name}: got {row[one.name]!r}, expected {one.datatype}")
        typed.append(values)
    if wrong:
        raise KanaryaError("\n  ".join([f"{len(wrong)} of the values cannot be sent:", *wrong[:20]]))
    return typed


def _value(text: str, datatype: Datatype) -> Value:
    if datatype is Datatype.BYTES:
        return text
    if text.strip() == "":
        return None
    if datatype not in FLOATS:
        return int(text)
    if not math.isfinite(number := float(text)):
        raise ValueError(text)  # an empty cell says that a number is missing; JSON has none of these
    return number


class Client:
    """One model behind one address."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        host: str | None = None,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.model = model
        self._http = httpx.Client(timeout=timeout, headers={"Host": host} if host else None, transport=transport)

    def inputs(self) -> tuple[Input, ...]:
        """The model's columns. Raises KanaryaError if it does not answer or is not there."""
        return self._read(inputs_of, "GET", f"/v2/models/{self.model}")

    def infer(self, inputs: Sequence[Input], rows: Sequence[Row]) -> Answer:
        """Predict some rows."""
        return self._read(answer_of, "POST", f"/v2/models/{self.model}/infer", request_body(inputs, rows))

    def _read(self, read: Callable[[Mapping[str, Any]], Read], method: str, path: str, body: object = None) -> Read:
        document = self._json(method, path, body)
        try:
            return read(document)
        except (KeyError, IndexError, TypeError, ValueError):
            said = json.dumps(document)[:200]
            msg = f"{method} {self.url}{path} answered with JSON that is not the V2 protocol's: {said}. Is it a model server?"
            raise KanaryaError(msg) from None

    def _json(self, method: str, path: str, body: object = None) -> Any:
        try:
            response = self._http.request(method, self.url + path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            msg = f"{self.url} does not answer ({error}). Is it running? (kanarya local status)"
            raise KanaryaError(msg) from None
        try:
            document = response.json()
        except ValueError:
            said = response.text[:200]
            msg = f"{method} {self.url}{path} answered {response.status_code} with something that is not JSON: {said!r}"
            raise KanaryaError(msg) from None
        if response.is_error:
            said = document.get("error", document) if isinstance(document, dict) else document
            msg = f"{method} {self.url}{path} answered {response.status_code}: {said}"
            raise KanaryaError(msg)
        return document
