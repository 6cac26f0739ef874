"""Which version a user of an A/B test gets, always the same. Used by `decide` and by the `traffic` adapters.

A user's bucket is a hash of the test's salt and the user's key, 0 to 99. Each challenger has a run of buckets, its zone, as
many as its weight has percents; whoever is in none gets the champion. The first zone begins at 0: a weight that moves from 20
to 50 moves the users of buckets 20 to 49 and nobody else. A script in the gateway finds the bucket (`ports.script`); `bucket`
says the same here, for tests and for who wants to know beforehand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

BUCKETS = 100
"""As many as a weight has percents."""

LONGEST_KEY = 256
"""Bytes. A longer one is no key: nobody's id is, and hashing has its price."""


@dataclass(frozen=True, kw_only=True)
class Zone:
    """The buckets of one challenger."""

    version: str | None
    """Who answers them; None: a challenger that the spec names and that is in no test now. The champion answers then."""
    first: int
    """The lowest of them. They are as many as the version has percents."""


@dataclass(frozen=True, kw_only=True)
class Sticky:
    """By what the gateway tells users apart, and who gets whom."""

    header: str | None = None
    """Whose value is a user's key, or None."""
    cookie: str | None = None
    """The other way: exactly one of the two is there."""
    salt: str
    """What makes the buckets of one test other ones than those of the next."""
    zones: tuple[Zone, ...] = ()
    """Of every challenger that the spec names, in the order of the spec, whether it has users or not; no two overlap. Whoever
    is in none of them, or has no key, gets the champion."""
    scores: str | None = None
    """What the gateway tells the server of a goal that is a mean, beside each user's bucket: SCORES_HEADER."""

    @property
    def context(self) -> dict[str, str]:
        """For the script."""
        key = {"header": self.header} if self.header is not None else {"cookie": self.cookie or ""}
        return {**key, "salt": self.salt, **({"scores": self.scores} if self.scores is not None else {})}

    def splits(self, weights: Mapping[str, int]) -> bool:
        """Whether there are users to be told apart at these weights."""
        return bool(self.occupied(weights))

    def occupied(self, weights: Mapping[str, int]) -> dict[str, Zone]:
        """Version → its zone, of those who have some of the users, and not all of them, at these weights."""
        return {one.version: one for one in self.zones if one.version is not None and 0 < weights.get(one.version, 0) < BUCKETS}


def bucket(key: str, *, salt: str) -> int | None:
    """A user's bucket; None for what is no key."""
    if not 0 < len(key.encode()) <= LONGEST_KEY:
        return None
    return fmix32(fnv1a(f"{salt}/{key}".encode())) * BUCKETS >> 32


def fnv1a(content: bytes) -> int:
    """FNV-1a of 32 bits (G. Fowler, L. Noll, K. Vo, D. Eastlake, draft-eastlake-fnv)."""
    hashed = 0x811C9DC5
    for byte in content:
        hashed = (hashed ^ byte) * 0x01000193 & 0xFFFFFFFF
    return hashed


def fmix32(hashed: int) -> int:
    """The last mixing of MurmurHash3 (A. Appleby, SMHasher). FNV-1a alone leaves texts that differ at the end alike."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashed = (hashed ^ hashed >> shift) * factor & 0xFFFFFFFF
    return hashed ^ hashed >> 16


def between(first: int, count: int) -> str:
    """A regular expression for the buckets `first` to `first + count - 1` as the script writes them; of none at count 0."""
    parts = [(tens, max(first - 10 * tens, 0), min(first + count - 10 * tens, 10)) for tens in range(10)]
    whole = [tens for tens, low, end in parts if (low, end) == (0, 10)]
    rest = [f"{tens}{_digit(low, end - 1)}" for tens, low, end in parts if low < end and tens not in whole]
    return "|".join([f"{_digit(whole[0], whole[-1])}[0-9]", *rest] if whole else rest)


def buckets_of(expression: str) -> list[int]:
    """The buckets that a regular expression takes in, in order: those that `between` made it from."""
    return [number for number in range(BUCKETS) if re.fullmatch(expression, f"{number:02d}")]


def _digit(low: int, high: int) -> str:
    return str(low) if low == high else f"[{low}-{high}]"
