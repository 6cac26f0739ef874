"""Rows of a CSV as columns of numbers or of words. Called by `writing`."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kanarya_contracts.artifact import CategoricalColumn, Column, NumericColumn, digest
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_model.core.inputs import InputTensor

MOST_CATEGORIES = 1000
"""A column with more different words is no column of categories."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A header and its rows, as text."""

    name: str
    """The file's."""
    sha256: str
    columns: dict[str, list[str]]
    """An empty cell is a missing value."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.columns.values())))

    def numbers(self, column: str) -> list[float | None] | None:
        """A column's values; None if one of them is no finite number."""
        try:
            values = [None if cell.strip() == "" else float(cell) for cell in self.columns[column]]
        except ValueError:
            return None
        return values if all(value is None or np.isfinite(value) for value in values) else None


def read(path: Path) -> Table:
    """Parse a file. Raises InvalidInput."""
    try:
        content = path.read_bytes()
        lines = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(path, f"is not CSV in UTF-8: {error}") from None
    header, rows = (lines[0], [line for line in lines[1:] if line]) if lines else ([], [])
    if not rows:
        raise _invalid(path, "has no rows, expected a header and one at least")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise _invalid(path, f"has more than one column named {', '.join(twice)}", line=1)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise _invalid(path, f"has {len(row)} cells, expected {len(header)} as in the header", line=number)
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    return Table(name=path.name, sha256=digest(content), columns=columns)


def described(table: Table, name: str, datatype: Datatype | None) -> Column:
    """A column of the contract. `datatype`: what the model takes; None for numbers or words, as the rows have them.

    Raises ValueError that says what is wrong with the rows.
    """
    numbers = table.numbers(name)
    if datatype is Datatype.BYTES or (datatype is None and numbers is None):
        words = [cell for cell in table.columns[name] if cell]
        if not words or len(set(words)) > MOST_CATEGORIES:
            raise ValueError(f"column {name!r} has {len(set(words))} different words, expected 1 to {MOST_CATEGORIES}")
        return CategoricalColumn(name=name, categories=tuple(sorted(set(words))), nullable=len(words) < table.rows)
    if numbers is None:
        wrong = next(cell for cell in table.columns[name] if not _is_number(cell))
        raise ValueError(f"column {name!r} has {wrong!r}, and the model takes {datatype}")
    present = [number for number in numbers if number is not None]
    if not present:
        raise ValueError(f"column {name!r} has no value in any row")
    chosen = datatype or Datatype.FP64
    return NumericColumn(
        name=name, datatype=chosen, minimum=min(present), maximum=max(present), nullable=len(present) < table.rows
    )


def tensors(table: Table, columns: Sequence[Column]) -> list[InputTensor]:
    """Every row as a request would have it."""
    return [
        InputTensor(
            name=column.name,
            datatype=column.datatype if column.datatype in (Datatype.BYTES, Datatype.BOOL) else Datatype.FP64,
            shape=(table.rows,),
            data=values(table, column),
            where=f"{table.name}, column {column.name}",
        )
        for column in columns
    ]


def values(table: Table, column: Column) -> list[object]:
    """A column's values, as a request and an example have them."""
    if column.kind == "categorical":
        return [cell or None for cell in table.columns[column.name]]
    numbers = table.numbers(column.name) or []
    return [bool(number) if column.datatype is Datatype.BOOL else number for number in numbers]


def _is_number(cell: str) -> bool:
    try:
        return cell.strip() == "" or bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _invalid(path: Path, message: str, line: int | None = None) -> InvalidInput:
    return InvalidInput(str(path), [Problem(path=(), message=message, line=line)])
