"""What is done about rows that are not as they should be, and that every one of them is accounted for."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.problems import KanaryaError
from kanarya_training_job.cleaning import clean, trim
from kanarya_training_job.features import Column, Rows
from kanarya_training_job.row_settings import Cleaning

MakeRows = Callable[..., Rows]
NAN = float("nan")


def test_twins_are_dropped_and_counted(make_rows: MakeRows) -> None:
    rows, counts = clean(make_rows(x=[1.0, 1.0, 1.0, 2.0], y=["a", "a", "b", "a"]), Cleaning())
    assert rows.frame.index.tolist() == [0, 2, 3]
    assert counts == {"duplicates": 1}


def test_twins_are_kept_where_the_configuration_says_so(make_rows: MakeRows) -> None:
    rows, counts = clean(make_rows(x=[1.0, 1.0], y=["a", "a"]), Cleaning(duplicates="keep"))
    assert (len(rows), counts) == (2, {})


def test_rows_with_a_missing_value_are_dropped_and_counted(make_rows: MakeRows) -> None:
    rows = make_rows(x=[1.0, NAN, 3.0, 4.0], w=["p", "q", None, "p"], y=["a", "b", "a", None])
    cleaned, counts = clean(rows, Cleaning(missing="drop"))
    assert cleaned.frame["x"].tolist() == [1.0]
    assert counts == {"missing-rows-dropped": 3, "duplicates": 0}


def test_missing_numbers_stay_for_the_model_to_impute_and_missing_words_do_not(make_rows: MakeRows) -> None:
    rows = make_rows(x=[1.0, NAN, 3.0, 4.0], w=["p", "q", None, "p"], y=["a", "b", "a", None])
    cleaned, counts = clean(rows, Cleaning(missing="impute"))
    assert cleaned.frame.index.tolist() == [0, 1]
    assert counts == {"missing-rows-dropped": 2, "missing-values-imputed": 1, "duplicates": 0}


def test_infinities_become_missing_values(make_rows: MakeRows) -> None:
    rows = make_rows(x=[1.0, np.inf, -np.inf], y=["a", "b", "a"])
    cleaned, counts = clean(rows, Cleaning(infinite="missing", missing="drop"))
    assert cleaned.frame["x"].tolist() == [1.0]
    assert counts == {"infinite-made-missing": 2, "missing-rows-dropped": 2, "duplicates": 0}


def test_nothing_left_is_an_error_that_says_why(make_rows: MakeRows) -> None:
    with pytest.raises(KanaryaError, match=r"no row is left after cleaning \(missing-rows-dropped 2, duplicates 0\)"):
        clean(make_rows(x=[NAN, NAN], y=["a", "b"]), Cleaning(missing="drop"))


@pytest.mark.parametrize(
    ("outliers", "left", "counts"),
    [
        ("keep", [1.0, 2.0, 3.0, 4.0, 100.0], {}),
        ("drop", [1.0, 2.0, 3.0, 4.0], {"outlier-rows-dropped": 1}),
        ("clip", [1.0, 2.0, 3.0, 4.0, 10.0], {"outlier-values-clipped": 1}),  # quartiles 2 and 4, three ranges beyond: 10
    ],
)
def test_outliers_lie_beyond_tukeys_fences(
    make_rows: MakeRows, outliers: str, left: list[float], counts: dict[str, int]
) -> None:
    rows = make_rows(x=[1.0, 2.0, 3.0, 4.0, 100.0], y=["a"] * 5)
    trimmed, found = trim(rows, Cleaning.model_validate({"outliers": outliers}))
    assert trimmed.frame["x"].tolist() == left
    assert found == counts


def test_a_column_without_spread_has_no_outliers(make_rows: MakeRows) -> None:
    rows = make_rows(x=[0.0] * 9 + [1.0], y=["a"] * 10)
    assert len(trim(rows, Cleaning(outliers="drop"))[0]) == 10


cells = st.lists(
    st.tuples(st.sampled_from([1.0, 2.0, NAN, np.inf]), st.sampled_from(["p", "q", None]), st.sampled_from(["a", "b", None])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=30, deadline=None)  # pandas takes milliseconds for each
@given(cells)
def test_every_row_is_kept_or_counted_and_cleaning_twice_changes_nothing(cells: list[tuple[object, ...]]) -> None:
    columns = (Column(name="x", kind="numeric"), Column(name="w", kind="categorical"))
    rows = Rows(frame=pd.DataFrame(cells, columns=["x", "w", "y"]), columns=columns, targets=("y",))
    cleaning = Cleaning(missing="drop", infinite="missing")
    try:
        once, counts = clean(rows, cleaning)
    except KanaryaError:
        return
    twice, again = clean(once, cleaning)
    assert len(once) + counts["missing-rows-dropped"] + counts["duplicates"] == len(rows)
    assert twice.frame.equals(once.frame)
    assert set(again.values()) == {0}
