"""Predictions on copies and the labels that come back: each pair once, none of strangers, never more than was allowed."""

from hypothesis import given
from hypothesis import strategies as st

from kanarya_model.core.pairs import Pairs

BOTH, LOST, WON, NEITHER = (True, True), (True, False), (False, True), (False, False)


def counted(pairs: Pairs) -> dict[tuple[bool, bool], int]:
    return {outcome: count for outcome, count in pairs.counts.items() if count}


def test_a_label_says_of_both_answers_whether_they_were_right():
    pairs = Pairs(most=100)
    for identity, own in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")):
        pairs.predicted(identity, [own])

    pairs.told([("a", "x", "x"), ("b", "x", "x"), ("c", "y", "x"), ("d", "y", "x")])

    assert pairs.counts == {BOTH: 1, LOST: 1, WON: 1, NEITHER: 1}


def test_a_label_that_is_faster_than_the_copy_waits_for_it():
    pairs = Pairs(most=100)
    pairs.told([("a", "x", "x")])
    assert counted(pairs) == {}
    pairs.predicted("a", ["y"])
    assert counted(pairs) == {LOST: 1}


def test_a_label_that_comes_twice_is_counted_once():
    pairs = Pairs(most=100)
    pairs.predicted("a", ["x"])
    for _ in range(3):
        pairs.told([("a", "x", "x")])
    assert counted(pairs) == {BOTH: 1}


def test_a_request_of_several_rows_is_counted_row_by_row_if_it_is_reported_whole():
    pairs = Pairs(most=100)
    pairs.predicted("a", [1, 2, 3])
    pairs.predicted("b", [1, 2])
    pairs.told([("a", "1", "1"), ("a", "1", "2"), ("a", "3", "4"), ("b", "1", "1")])
    assert counted(pairs) == {BOTH: 1, WON: 1, NEITHER: 1}


def test_an_id_that_two_requests_have_makes_no_pair():
    pairs = Pairs(most=100)
    pairs.predicted("42", ["x"])
    pairs.predicted("42", ["y"])
    pairs.told([("42", "x", "x")])
    pairs.told([("42", "y", "y")])
    assert counted(pairs) == {}


def test_requests_without_an_id_are_not_kept():
    pairs = Pairs(most=100)
    pairs.predicted(None, ["x"])
    pairs.predicted("", ["x"])
    pairs.told([("", "x", "x")])
    assert counted(pairs) == {}


def test_the_oldest_are_forgotten_first_and_one_larger_than_the_limit_at_once():
    pairs = Pairs(most=3)
    for identity in "abcd":
        pairs.predicted(identity, ["x"])
    pairs.predicted("e", ["x"] * 4)
    pairs.told([(identity, "x", "x") for identity in "abcd"])
    assert counted(pairs) == {}
    pairs.predicted("f", ["x"])
    pairs.told([("f", "x", "x")])
    assert counted(pairs) == {BOTH: 1}


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from("abcde"), st.integers(1, 4)), max_size=40), st.integers(0, 12)
)  # fmt: skip
def test_never_more_rows_wait_than_were_allowed_and_no_row_is_counted_twice(events, most):
    pairs, brought = Pairs(most=most), 0
    for own, identity, rows in events:
        if own:
            pairs.predicted(identity, ["x"] * rows)
            brought += rows
        else:
            pairs.told([(identity, "x", "x")] * rows)
        assert sum(len(half) for half in pairs._waiting.values()) == pairs._rows <= most
    assert sum(pairs.counts.values()) <= brought
