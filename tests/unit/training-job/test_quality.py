"""The data contract: everything wrong with a table is said at once, each with its place."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.problems import InvalidInput
from kanarya_training_job.features import Column
from kanarya_training_job.quality import validate
from kanarya_training_job.settings import Settings
from kanarya_training_job.source import Table

Make = Callable[..., Settings]
MakeTable = Callable[..., Table]
FEW = {"minimum_rows": 4}


def problems_of(table: Table, settings: Settings) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        validate(table, settings)
    return [str(problem) for problem in caught.value.problems]


def test_a_missing_target_is_named_with_the_columns_there_are(make_settings: Make, make_table: MakeTable) -> None:
    found = problems_of(make_table(length=[1.0], colour=["red"]), make_settings())
    assert found == ["has no column 'species', the target; it has 'length', 'colour'"]


def test_every_missing_column_is_named(make_settings: Make, make_table: MakeTable) -> None:
    settings = make_settings(features={"length": {}, "width": {}})
    found = problems_of(make_table(length=[1.0]), settings)
    assert [problem.split(";")[0] for problem in found] == [
        "has no column 'width', the feature",
        "has no column 'species', the target",
    ]


def test_everything_wrong_with_the_values_is_said_at_once(make_settings: Make, make_table: MakeTable) -> None:
    table = make_table(
        length=[1.0, -2.0, -3.0, -4.0, -5.0, np.inf],
        width=["1", "wide", None, "4", "5", "6"],
        colour=["red", "blue", "green", "red", None, "red"],
        species=["a", "b", "a", "z", "b", None],
    )
    settings = make_settings(
        quality={"minimum_rows": 10, "classes": ["a", "b"]},
        features={
            "length": {"minimum": 0, "maximum": 10},
            "width": {},
            "colour": {"kind": "categorical", "categories": ["red", "blue"]},
        },
    )
    assert sorted(problems_of(table, settings)) == [
        "has 6 rows, expected at least 10 (quality.minimum_rows)",
        "line 3: length: 4 values are below the minimum 0: -2.0 (line 3), -3.0 (line 4), -4.0 (line 5), …",
        "line 3: width: 1 value is not a number: 'wide' (line 3)",
        "line 4: colour: 1 value is not one of blue, red: 'green' (line 4)",
        "line 4: width: 1 value is missing: line 4",
        "line 5: species: 1 value is not one of a, b: 'z' (line 5)",
        "line 6: colour: 1 value is missing: line 6",
        "line 7: length: 1 value is infinite: inf (line 7)",
        "line 7: species: 1 value is missing: line 7",
    ]


@pytest.mark.parametrize("value", [np.nan, None])
def test_a_missing_value_is_let_through_where_cleaning_deals_with_it(
    make_settings: Make, make_table: MakeTable, value: float | None
) -> None:
    table = make_table(length=[1.0, 2.0, 3.0, value], species=["a", "b", None, "b"])
    assert "is missing" in problems_of(table, make_settings(quality=FEW))[0]
    rows = validate(table, make_settings(quality=FEW, cleaning={"missing": "drop"}))
    assert rows.frame["length"].isna().tolist() == [False, False, False, True]


def test_an_infinity_is_let_through_where_cleaning_deals_with_it(make_settings: Make, make_table: MakeTable) -> None:
    table = make_table(length=[1.0, 2.0, -np.inf, np.inf], species=["a", "b", "a", "b"])
    bounded = {"length": {"minimum": 0, "maximum": 5}}
    assert "2 values are infinite" in problems_of(table, make_settings(quality=FEW, features=bounded))[0]
    cleaning = {"missing": "drop", "infinite": "missing"}
    assert len(validate(table, make_settings(quality=FEW, features=bounded, cleaning=cleaning))) == 4


def test_one_class_is_refused_by_name(make_settings: Make, make_table: MakeTable) -> None:
    found = problems_of(make_table(length=[1.0] * 4, species=["a"] * 4), make_settings(quality=FEW))
    assert found == ["species: is the target and has one class, 'a'; a classifier needs at least two"]


def test_a_target_of_fractions_is_no_class(make_settings: Make, make_table: MakeTable) -> None:
    found = problems_of(make_table(length=[1.0] * 4, species=[1.0, 2.0, 2.5, 1.0]), make_settings(quality=FEW))
    assert found == [
        "species: is the target and holds 2.5, expected words or whole numbers; set task: regression to estimate numbers"
    ]


@pytest.mark.parametrize(
    ("target", "labels"),
    [
        (["a", "b", "a", "b"], ["a", "b", "a", "b"]),
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        ([0.0, 1.0, 1.0, 0.0], [0, 1, 1, 0]),
        ([True, False, True, False], ["True", "False", "True", "False"]),
    ],
)
def test_labels_are_words_or_whole_numbers(
    make_settings: Make, make_table: MakeTable, target: list[object], labels: list[object]
) -> None:
    rows = validate(make_table(length=[1.0, 2.0, 3.0, 4.0], species=target), make_settings(quality=FEW))
    assert rows.labels.tolist() == labels
    assert rows.words("species") == [str(label) for label in labels]


def test_a_column_of_identifiers_is_refused(make_settings: Make, make_table: MakeTable) -> None:
    table = make_table(customer=["p", "q", "r", "s"], species=["a", "b", "a", "b"])
    found = problems_of(table, make_settings(quality={"minimum_rows": 4, "maximum_categories": 3}))
    assert found == ["customer: has 4 different words, more than 3: an identifier? (quality.maximum_categories)"]


def test_a_column_without_a_value_is_refused(make_settings: Make, make_table: MakeTable) -> None:
    table = make_table(length=[1.0, 2.0, 3.0, 4.0], width=[None] * 4, species=["a", "b", "a", "b"])
    settings = make_settings(quality=FEW, cleaning={"missing": "impute"}, features={"length": {}, "width": {}})
    assert problems_of(table, settings) == ["width: has no value in any row; leave the column out of features"]


def test_times_are_neither_numbers_nor_words(make_settings: Make, make_table: MakeTable) -> None:
    table = make_table(
        length=[1.0, 2.0, 3.0, 4.0], when=list(pd.date_range("2026-01-01", periods=4)), species=["a", "b", "a", "b"]
    )
    assert "when: holds times" in problems_of(table, make_settings(quality=FEW))[0]


def test_held_out_rows_need_the_columns_of_the_training_rows(make_settings: Make, make_table: MakeTable) -> None:
    table = make_table(width=[1.0], species=["a"])
    with pytest.raises(InvalidInput, match="has no column 'length', the feature"):
        validate(table, make_settings(), like=[Column(name="length", kind="numeric")])


@settings(max_examples=20, deadline=None)  # each makes and runs a schema
@given(
    st.lists(st.tuples(st.floats(0, 10), st.sampled_from("ab")), min_size=4, max_size=30).filter(
        lambda r: len({y for _, y in r}) == 2
    )
)
def test_rows_that_keep_the_contract_come_through_unchanged(rows: list[tuple[float, str]]) -> None:
    contract = Settings.model_validate(
        {
            "model": "m",
            "data": {"source": "x.csv"},
            "target": "y",
            "quality": FEW,
            "features": {"x": {"minimum": 0, "maximum": 10}},
        }
    )
    frame = pd.DataFrame(rows, columns=["x", "y"])
    checked = validate(Table(frame=frame, sha256="", source="x.csv", first_line=2), contract)
    assert checked.frame.to_numpy().tolist() == frame.to_numpy().tolist()
