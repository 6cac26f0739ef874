"""What is done about rows that are not as they should be: counted, never silent. Pure; the pipeline reports the counts.

`clean` comes before the split and looks at rows one by one or in equal pairs, so nothing leaks; `trim` comes after it and
looks at training rows alone, because its bounds are statistics of what it is given.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from kanarya_contracts.problems import KanaryaError
from kanarya_training_job.features import Rows
from kanarya_training_job.row_settings import Cleaning

Counts = dict[str, int]
"""What was done → how often, in rows or values as the name says. Everything that was looked for is there, also at 0."""


def clean(rows: Rows, cleaning: Cleaning) -> tuple[Rows, Counts]:
    """Rows without what the configuration does not want, and what was done. The index keeps its values.

    Raises KanaryaError if no row is left.
    """
    counts: Counts = {}
    if cleaning.infinite == "missing":
        rows = _infinite_to_missing(rows, counts)
    if cleaning.missing != "refuse":
        rows = _without_missing(rows, counts, keep_missing_numbers=cleaning.missing == "impute")
    if cleaning.duplicates == "drop":
        twin = rows.frame.duplicated()
        counts["duplicates"] = int(twin.sum())
        rows = rows.keep(rows.frame[~twin])
    if not len(rows):
        raise KanaryaError(f"no row is left after cleaning ({_listed(counts)}). Relax cleaning, or look at the data.")
    return rows, counts


def trim(rows: Rows, cleaning: Cleaning) -> tuple[Rows, Counts]:
    """Training rows with their outliers kept, dropped or clipped, and what was done.

    Tukey's fences: an outlier lies more than `outlier_factor` interquartile ranges beyond a quartile (Tukey, Exploratory
    Data Analysis, 1977). A column whose quartiles coincide has no scale to judge by and is left alone.
    """
    numbers = [column.name for column in rows.columns if column.kind == "numeric"]
    if cleaning.outliers == "keep" or not numbers:
        return rows, {}
    values = rows.frame[numbers]
    low, high = values.quantile(0.25), values.quantile(0.75)
    reach = ((high - low) * cleaning.outlier_factor).replace(0.0, np.inf)
    outside = values.lt(low - reach) | values.gt(high + reach)
    if cleaning.outliers == "drop":
        beyond = outside.any(axis=1)
        return rows.keep(rows.frame[~beyond]), {"outlier-rows-dropped": int(beyond.sum())}
    clipped = values.clip(low - reach, high + reach, axis=1)
    return _replaced(rows, clipped), {"outlier-values-clipped": int(outside.to_numpy().sum())}


def _infinite_to_missing(rows: Rows, counts: Counts) -> Rows:
    numbers = [column.name for column in rows.columns if column.kind == "numeric"]
    infinite = rows.frame[numbers].isin([np.inf, -np.inf])
    counts["infinite-made-missing"] = int(infinite.to_numpy().sum())
    return _replaced(rows, rows.frame[numbers].mask(infinite))


def _without_missing(rows: Rows, counts: Counts, *, keep_missing_numbers: bool) -> Rows:
    numbers = [column.name for column in rows.columns if column.kind == "numeric"]
    must_be_there = [name for name in rows.frame.columns if not keep_missing_numbers or name not in numbers]
    lacking = rows.frame[must_be_there].isna().any(axis=1)
    counts["missing-rows-dropped"] = int(lacking.sum())
    kept = rows.frame[~lacking]
    if keep_missing_numbers:
        counts["missing-values-imputed"] = int(kept[numbers].isna().to_numpy().sum())
    return rows.keep(kept)


def _replaced(rows: Rows, values: pd.DataFrame) -> Rows:
    """The same rows, with `values` in the columns it has."""
    frame = rows.frame.copy()
    frame[values.columns] = values
    return rows.keep(frame)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items()) or "nothing was done"
