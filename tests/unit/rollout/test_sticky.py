"""Who is in which bucket: evenly spread, another draw for each test, and only those moved whom a weight moves."""

import uuid
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_rollout.sticky import BUCKETS, LONGEST_KEY, Sticky, Zone, between, bucket, buckets_of, fmix32, fnv1a

KEYS = {
    "numbers": [str(number) for number in range(10_000)],
    "numbered": [f"user-{number:06d}" for number in range(10_000)],
    "addresses": [f"{number}@example.com" for number in range(10_000)],
    "uuids": [str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for number in range(10_000)],
}
WORST = 1e-4
"""A right hash fails a look of these once in ten thousand; the keys are fixed, so it fails always or never."""


def chi_square_fails(observed: np.ndarray, expected: np.ndarray) -> bool:
    """By the normal approximation of chi-square (Wilson, Hilferty 1931)."""
    freedom = observed.size - 1
    statistic = float(((observed - expected) ** 2 / expected).sum())
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / (2 / (9 * freedom)) ** 0.5
    return z > 3.72  # of the standard normal, 1e-4 lies beyond


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("salt", ["iris/2", "a/10"])
def test_users_are_spread_evenly_over_the_buckets(keys: list[str], salt: str):
    counts = Counter(bucket(key, salt=salt) for key in keys)

    observed = np.array([counts[number] for number in range(BUCKETS)])
    assert not chi_square_fails(observed, np.full(BUCKETS, len(keys) / BUCKETS))


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_the_next_test_draws_its_users_anew(keys: list[str]):
    tens = Counter((bucket(key, salt="iris/2") // 10, bucket(key, salt="iris/3") // 10) for key in keys)

    observed = np.array([tens[one, other] for one in range(10) for other in range(10)])
    assert not chi_square_fails(observed, np.full(100, len(keys) / 100))


def test_neighbours_do_not_share_their_fate():
    pairs = Counter(
        (bucket(f"u{n}", salt="iris/2") // 10, bucket(f"u{n + 1}", salt="iris/2") // 10) for n in range(0, 40_000, 2)
    )

    observed = np.array([pairs[one, other] for one in range(10) for other in range(10)])
    assert not chi_square_fails(observed, np.full(100, 200.0))


@given(st.integers(0, 100), st.integers(0, 100), st.text(min_size=1, max_size=50))
def test_a_weight_that_moves_moves_the_users_between_and_nobody_else(before: int, after: int, key: str):
    number = bucket(key, salt="iris/2")
    moves = (number < before) != (number < after)
    assert moves == (min(before, after) <= number < max(before, after))


@given(st.data(), st.integers(0, 99))
def test_the_expression_takes_in_the_buckets_of_the_zone_and_no_others(data: st.DataObject, first: int):
    count = data.draw(st.integers(0, 100 - first))
    assert buckets_of(between(first, count)) == list(range(first, first + count))


@pytest.mark.parametrize(
    ("first", "count", "expression"),
    [(0, 37, "[0-2][0-9]|3[0-6]"), (0, 10, "0[0-9]"), (35, 30, "[4-5][0-9]|3[5-9]|6[0-4]"), (7, 1, "07"), (42, 3, "4[2-4]")],
)
def test_the_expression_is_one_that_a_person_can_read(first: int, count: int, expression: str):
    assert between(first, count) == expression


@pytest.mark.parametrize(
    ("key", "is_one"), [("", False), ("x" * LONGEST_KEY, True), ("x" * (LONGEST_KEY + 1), False), ("é" * 129, False)]
)
def test_what_is_empty_or_too_long_is_no_key(key: str, is_one: bool):
    assert (bucket(key, salt="iris/2") is not None) is is_one


def test_the_hash_is_the_published_one():
    """The vectors of FNV's authors, and those of MurmurHash3 of nothing, which is its last mixing of the seed."""
    assert [fnv1a(text) for text in (b"", b"a", b"foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
    assert [fmix32(seed) for seed in (0, 1, 0xFFFFFFFF)] == [0, 0x514E28B7, 0x81F16F39]


def test_there_are_users_to_be_told_apart_while_the_candidate_has_some_and_not_all():
    one = Sticky(header="x-user", salt="iris/2", zones=(Zone(version="2", first=0),))
    assert [one.splits({"1": 100 - share, "2": share}) for share in (0, 1, 99, 100)] == [False, True, True, False]
    assert not Sticky(header="x-user", salt="iris/", zones=(Zone(version=None, first=0),)).splits({"1": 50, "2": 50})
