"""Which version a user of an A/B test gets, always the same. Used by `decide` and by the `traffic` adapters.

A user's bucket is a hash of the test's salt and the user's key, 0 to 99; those below the candidate's weight are the
candidate's. So a weight that moves from 20 to 50 moves the users of buckets 20 to 49 and nobody else. A script in the gateway
finds the bucket (`ports.script`); `bucket` says the same here, for tests and for who wants to know beforehand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

BUCKETS = 100
"""As many as a weight has percents."""

LONGEST_KEY = 256
"""Bytes. A longer one is no key: nobody's id is, and hashing has its price."""


@dataclass(frozen=True, kw_only=True)
class Sticky:
    """By what the gateway tells users apart, and who gets whom."""

    header: str | None = None
    """Whose value is a user's key, or None."""
    cookie: str | None = None
    """The other way: exactly one of the two is there."""
    salt: str
    """What makes the buckets of one test other ones than those of the next."""
    candidate: str | None = None
    """The version that the lowest buckets get; None while there is none. Everybody else, and who has no key, gets another."""
    scores: str | None = None
    """What the gateway tells the server of a goal that is a mean, beside each user's bucket: SCORES_HEADER."""

    @property
    def context(self) -> dict[str, str]:
        """For the script."""
        key = {"header": self.header} if self.header is not None else {"cookie": self.cookie or ""}
        return {**key, "salt": self.salt, **({"scores": self.scores} if self.scores is not None else {})}

    def splits(self, weights: Mapping[str, int]) -> bool:
        """Whether there are users to be told apart at these weights."""
        return self.candidate is not None and 0 < weights.get(self.candidate, 0) < BUCKETS


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


def below(weight: int) -> str:
    """A regular expression for the buckets 0 to `weight` - 1 as the script writes them; of none at 0."""
    tens, ones = divmod(weight, 10)
    whole = [f"[0-{tens - 1}][0-9]"] if tens > 1 else ["0[0-9]"] if tens == 1 else []
    rest = [f"{tens}[0-{ones - 1}]"] if ones > 1 else [f"{tens}0"] if ones == 1 else []
    return "|".join(whole + rest)


def weight_of(expression: str) -> int:
    """How many buckets a regular expression takes in: the weight that `below` made it from."""
    return sum(re.fullmatch(expression, f"{number:02d}") is not None for number in range(BUCKETS))
