"""The data contract: a Pandera schema made from the configuration, checked lazily so that everything wrong is said at once.

Called by the pipeline's `validate`, for training rows and held-out rows alike. Refuses; changes nothing but types: numbers
become float64, words text, and a target of whole numbers int64, unless it is a regression's. What may be repaired
is `cleaning`'s.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_training_job.features import Column, Rows
from kanarya_training_job.row_settings import Feature
from kanarya_training_job.settings import Settings
from kanarya_training_job.source import Table

SHOWN = 3
"""How many offending values a problem quotes."""


_FINITE = pa.Check(lambda values: ~np.isinf(values), error="infinite")

Cell = tuple[str, int]
"""Column and row."""


def validate(table: Table, settings: Settings, *, like: Sequence[Column] | None = None) -> Rows:
    """Hold a table to the configuration's contract and give its columns their types.

    `like`: these are held-out rows, and their columns must be those of the training rows. Raises InvalidInput with every
    problem: missing columns, no numbers, out of bounds, missing or infinite where that is refused, one class, too few rows.
    """
    columns = tuple(like) if like is not None else _columns(table.frame, settings)
    absent = [name for name in (*(column.name for column in columns), *settings.target) if name not in table.frame.columns]
    if absent:
        raise InvalidInput(table.source, [_absent(name, settings.target, table.frame) for name in absent])
    frame, problems, no_numbers = _typed(table, columns, settings)
    if like is None:
        problems += _table_problems(frame, columns, settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # pandera's own, where it joins its failure tables
            schema(columns, settings).validate(frame, lazy=True)
    except SchemaErrors as error:
        problems += _described(error.failure_cases, no_numbers, table.first_line)
    if problems:
        raise InvalidInput(table.source, problems)
    return Rows(frame=frame, columns=columns, targets=settings.target, task=settings.task)


def schema(columns: Sequence[Column], settings: Settings) -> pa.DataFrameSchema:
    """The contract as Pandera has it: one column each, and the target."""
    nullable = settings.cleaning.missing != "refuse"
    features = settings.features or {}
    checks = {
        column.name: _checks(features.get(column.name, Feature(kind=column.kind)), settings.cleaning.infinite == "refuse")
        for column in columns
    }
    for target in settings.target:
        if settings.task == "regression":
            checks[target] = [_FINITE]
        else:
            checks[target] = [] if settings.quality.classes is None else [_one_of(settings.quality.classes)]
    return pa.DataFrameSchema({name: pa.Column(None, found, nullable=nullable) for name, found in checks.items()}, strict=True)


def _checks(feature: Feature, finite: bool) -> list[pa.Check]:
    if feature.kind == "categorical":
        return [] if feature.categories is None else [_one_of(feature.categories)]
    low, high = feature.minimum, feature.maximum
    found = []
    if finite:
        found.append(_FINITE)
    if low is not None:
        found.append(pa.Check(lambda values: (values >= low) | np.isinf(values), error=f"below the minimum {low:g}"))
    if high is not None:
        found.append(pa.Check(lambda values: (values <= high) | np.isinf(values), error=f"above the maximum {high:g}"))
    return found


def _one_of(allowed: Iterable[str]) -> pa.Check:
    words = sorted(set(allowed))
    return pa.Check(lambda values: values.astype(str).isin(words), error=f"not one of {', '.join(words)}")


# --- columns and types -----------------------------------------------------------------------------------------------


def _columns(frame: pd.DataFrame, settings: Settings) -> tuple[Column, ...]:
    """The features: as configured, or every column but the target, of the kind it looks like."""
    if settings.features is not None:
        return tuple(
            Column(name=name, kind=one.kind, unknown=one.unknown, personal=one.personal)
            for name, one in settings.features.items()
        )
    names = [str(name) for name in frame.columns if name not in settings.target]
    numeric = pd.api.types.is_numeric_dtype
    return tuple(Column(name=name, kind="numeric" if numeric(frame[name]) else "categorical") for name in names)


def _absent(name: str, targets: Sequence[str], frame: pd.DataFrame) -> Problem:
    role = "target" if name in targets else "feature"
    return Problem(path=(), message=f"has no column {name!r}, the {role}; it has {', '.join(map(repr, frame.columns))}")


def _typed(table: Table, columns: Sequence[Column], settings: Settings) -> tuple[pd.DataFrame, list[Problem], set[Cell]]:
    """The columns in their types, what could not be typed, and the cells that hold no number although they should."""
    problems: list[Problem] = []
    no_numbers: set[Cell] = set()
    typed: dict[str, pd.Series] = {}
    for column in columns:
        values = table.frame[column.name]
        if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
            problems.append(Problem(path=(column.name,), message=f"holds times ({values.dtype}), expected numbers or words"))
        elif column.kind == "categorical":
            typed[column.name] = _words(values)
            continue
        typed[column.name] = _numbers(table, column.name, problems, no_numbers)
    for target in settings.target:
        if settings.task == "regression":
            typed[target] = _numbers(table, target, problems, no_numbers)
        else:
            typed[target] = _typed_target(table.frame[target], target, problems)
    return pd.DataFrame(typed), problems, no_numbers


def _numbers(table: Table, name: str, problems: list[Problem], no_numbers: set[Cell]) -> pd.Series:
    values = table.frame[name]
    typed = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = values[typed.isna() & values.notna()]
    no_numbers |= {(name, int(row)) for row in wrong.index}
    if len(wrong):
        problems.append(_cells_problem(name, "not a number", list(wrong.items()), table.first_line))
    return typed


def _words(values: pd.Series) -> pd.Series:
    return pd.Series(
        [None if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)],
        index=values.index,
        dtype=object,
    )


def _typed_target(values: pd.Series, name: str, problems: list[Problem]) -> pd.Series:
    """Words, or whole numbers. A missing value stays missing."""
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return _words(values)
    present = values.dropna().astype(np.float64)
    broken = present[present != np.floor(present)]
    if len(broken):
        expected = "expected words or whole numbers; set task: regression to estimate numbers"
        message = f"is the target and holds {broken.iloc[0]:g}, {expected}"
        problems.append(Problem(path=(name,), message=message))
        return values
    return values.astype("Int64") if values.isna().any() else values.astype(np.int64)


# --- what is wrong ---------------------------------------------------------------------------------------------------


def _table_problems(frame: pd.DataFrame, columns: Sequence[Column], settings: Settings) -> Iterable[Problem]:
    least, most = settings.quality.minimum_rows, settings.quality.maximum_categories
    if len(frame) < least:
        yield Problem(path=(), message=f"has {len(frame)} rows, expected at least {least} (quality.minimum_rows)")
    for target in settings.target:
        different = frame[target].dropna().unique()
        if len(different) < 2 and settings.task == "regression":
            yield Problem(path=(target,), message=f"is the target and has {len(different)} different values, expected some")
        elif len(different) < 2:
            message = (
                f"is the target and has one class, {different[0]!r}" if len(different) else "is the target and has no value"
            )
            yield Problem(path=(target,), message=f"{message}; a classifier needs at least two")
    for column in columns:
        values = frame[column.name].dropna()
        if values.empty:
            yield Problem(path=(column.name,), message="has no value in any row; leave the column out of features")
        elif column.kind == "categorical" and values.nunique() > most:
            message = f"has {values.nunique()} different words, more than {most}: an identifier? (quality.maximum_categories)"
            yield Problem(path=(column.name,), message=message)


def _described(failures: pd.DataFrame, no_numbers: set[Cell], first_line: int | None) -> list[Problem]:
    """Pandera's table of failing cells as one problem per column and check."""
    problems = []
    for (column, check), cells in failures.groupby(["column", "check"], sort=False):
        found = [
            (int(row), value)
            for row, value in zip(cells["index"], cells["failure_case"], strict=True)
            if (column, int(row)) not in no_numbers
        ]
        if found:
            what = "missing" if check == "not_nullable" else str(check)
            problems.append(_cells_problem(str(column), what, found, first_line))
    return problems


def _cells_problem(column: str, what: str, cells: Sequence[tuple[object, object]], first_line: int | None) -> Problem:
    """`3 values are below the minimum 0: -5.0 (line 4), …`."""
    rows = [int(str(row)) for row, _ in cells]
    places = [f"line {row + first_line}" if first_line is not None else f"row {row}" for row in rows]
    quoted = [place if what == "missing" else f"{value!r} ({place})" for place, (_, value) in zip(places, cells, strict=True)]
    count = f"{len(cells)} values are" if len(cells) > 1 else "1 value is"
    more = ", …" if len(cells) > SHOWN else ""
    line = rows[0] + first_line if first_line is not None else None
    return Problem(path=(column,), message=f"{count} {what}: {', '.join(quoted[:SHOWN])}{more}", line=line)
