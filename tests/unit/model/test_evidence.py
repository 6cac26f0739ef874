"""Answered rows in the bins of the reference: nothing lost, nothing counted twice, never more series than were allowed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kanarya_contracts.testing import contract
from kanarya_model.core.evidence import PENDING_ROWS, Evidence
from kanarya_model.core.inputs import Rows

EDGES = [1.0, 2.5, 4.0]


def described(numbers, words=()):
    """A contract of that many columns of numbers from 0 to 5, and of columns of words."""
    columns = [{"kind": "numeric", "name": f"n{i}", "minimum": 0.0, "maximum": 5.0, "nullable": True} for i in range(numbers)]
    columns += [{"kind": "categorical", "name": name, "categories": ["a", "b"], "unknown": "accept"} for name in words]
    features = {f"n{i}": {"kind": "numeric", "edges": EDGES, "counts": [1, 1, 1, 1]} for i in range(numbers)}
    features |= {name: {"kind": "categorical", "counts": {"a": 3, "b": 1}} for name in words}
    example = {
        "inputs": {column["name"]: [1.0 if column["kind"] == "numeric" else "a"] for column in columns},
        "outputs": {"label": ["setosa"], "probabilities": [[0.5, 0.5]]},
    }
    return contract(inputs=columns, example=example, reference={"rows": 4, "features": features, "predictions": {}})


def matrix(*rows):
    return Rows(count=len(rows), matrix=np.array(rows, np.float64))


def counted(evidence):
    return {one.name: (list(one.bins.values()), one.missing, one.outside) for one in evidence.features()}


def test_a_value_falls_in_the_bin_on_its_right_and_missing_and_outside_are_counted_apart():
    evidence = Evidence(described(2), most_series=100)

    evidence.add(matrix([0.5, 1.0], [np.nan, 2.4], [-1.0, 99.0]))

    assert counted(evidence) == {"n0": ([2, 0, 0, 0], 1, 1), "n1": ([0, 2, 0, 1], 0, 1)}


def test_words_are_counted_by_word_and_the_unknown_ones_only_together():
    evidence = Evidence(described(1, ["w"]), most_series=100)
    words = np.array(["a", None, "a", "b", "xyzzy", "plugh"], object)

    evidence.add(Rows(count=6, columns=(np.full(6, 3.0), words)))

    assert counted(evidence) == {"n0": ([0, 0, 6, 0], 0, 0), "w": ([2, 1], 1, 2)}


@given(batches=st.lists(arrays.arrays(np.float64, st.tuples(st.integers(1, 700), st.just(2))), max_size=4))
def test_every_row_is_counted_once_however_they_come(batches):
    evidence = Evidence(described(2), most_series=100)
    for batch in batches:
        if evidence.add(Rows(count=len(batch), matrix=batch)):
            evidence.fold()

    got, again = counted(evidence), counted(evidence)

    rows = sum(map(len, batches))
    assert {name: sum(bins) + missing for name, (bins, missing, _) in got.items()} == {"n0": rows, "n1": rows}
    assert got == again


def test_it_asks_to_be_folded_before_much_waits():
    evidence = Evidence(described(2), most_series=100)

    due = [evidence.add(matrix([1.0, 1.0])) for _ in range(PENDING_ROWS)]

    assert due == [False] * (PENDING_ROWS - 1) + [True]


def test_what_was_taken_does_not_change_with_the_requests_memory():
    evidence = Evidence(described(1), most_series=100)
    body = np.array([[0.5]])

    evidence.add(Rows(count=1, matrix=body))
    body[:] = 4.5

    assert counted(evidence) == {"n0": ([1, 0, 0, 0], 0, 0)}


@given(columns=st.integers(1, 40), most=st.integers(0, 120))
def test_there_are_never_more_series_than_allowed_whatever_is_sent(columns, most):
    evidence = Evidence(described(columns, ["w"]), most_series=most)
    words = np.array([f"word {number}" for number in range(300)], object)

    evidence.add(Rows(count=300, columns=(*[np.linspace(-9, 9, 300)] * columns, words)))

    assert sum(2 * len(one.bins) + 2 for one in evidence.features()) <= most
