"""Held-out rows: nothing in both parts, nothing lost, the same for the same seed."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.problems import InvalidInput
from kanarya_training_job.features import Column, Rows
from kanarya_training_job.split import check, draw

MakeRows = Callable[..., Rows]


@settings(max_examples=30, deadline=None)  # pandas takes milliseconds for each
@given(
    counts=st.lists(st.integers(5, 20), min_size=2, max_size=4), fraction=st.floats(0.25, 0.75), seed=st.integers(0, 2**32 - 1)
)
def test_the_parts_are_disjoint_whole_and_in_proportion(counts: list[int], fraction: float, seed: int) -> None:
    words = [name for name, count in zip("abcd", counts, strict=False) for _ in range(count)]
    frame = pd.DataFrame({"x": range(len(words)), "y": words})
    rows = Rows(frame=frame, columns=(Column(name="x", kind="numeric"),), targets=("y",))
    train, holdout = draw(rows, fraction=fraction, seed=seed, source="rows.csv")
    assert sorted([*train.frame["x"], *holdout.frame["x"]]) == list(range(len(words)))
    held_out = len(holdout.words("y"))
    assert held_out == math.ceil(fraction * len(words))
    for name, count in zip("abcd", counts, strict=False):
        assert abs(holdout.words("y").count(name) - count * held_out / len(words)) <= 1.0 + 1e-9
    again = draw(rows, fraction=fraction, seed=seed, source="rows.csv")
    assert again[0].frame.equals(train.frame)


def test_a_class_with_one_row_cannot_be_split(make_rows: MakeRows) -> None:
    rows = make_rows(x=[1.0, 2.0, 3.0, 4.0, 5.0], y=["a", "a", "b", "b", "c"])
    with pytest.raises(InvalidInput, match="has one row of 'c'; a class needs at least two"):
        draw(rows, fraction=0.5, seed=0, source="rows.csv")


def test_a_fraction_too_small_for_the_classes_is_said(make_rows: MakeRows) -> None:
    rows = make_rows(x=[float(n) for n in range(10)], y=["a", "b"] * 5)
    with pytest.raises(InvalidInput, match=r"split\.test 0\.1 holds out 1 of 10 rows; each side needs all 2 classes"):
        draw(rows, fraction=0.1, seed=0, source="rows.csv")


def test_a_class_with_fewer_training_rows_than_folds_and_one_never_trained_on_are_both_said(make_rows: MakeRows) -> None:
    train = make_rows(x=[1.0] * 7, y=["a"] * 5 + ["b"] * 2)
    holdout = make_rows(x=[1.0, 2.0], y=["a", "c"])
    with pytest.raises(InvalidInput) as caught:
        check(train, holdout, folds=5, source="rows.csv")
    assert [str(problem) for problem in caught.value.problems] == [
        "y: has 2 training rows of 'b', 5 folds need at least 5",
        "y: is c in held-out rows alone",
    ]
