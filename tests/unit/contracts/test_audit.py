"""The chain of records: whatever is done to it is found, and where."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.audit import Decided, Head, Record, Standing, faults, opened, sealed

CHAIN, BEGAN = "0123456789abcdef", datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = 5
NUMBERS = st.integers(1, LENGTH)


def a_record(number: int, previous: str | None, message: str = "moved on") -> Record:
    return Record(
        chain=CHAIN,
        sequence=number,
        previous=previous,
        at=BEGAN + timedelta(minutes=number),
        namespace="kanarya",
        rollout="iris",
        model="iris",
        controller="rollout-0",
        decided=(Decided(type="Normal", reason="ShiftingTraffic", message=message),),
        before=Standing(weight=10 * (number - 1)),
        after=Standing(weight=10 * number),
    )


def a_chain(*, message: str = "moved on", length: int = LENGTH) -> tuple[dict[int, bytes], Head]:
    stored, digest = {}, None
    for number in range(1, length + 1):
        text, digest = sealed(a_record(number, digest, message))
        stored[number] = text.encode()
    return stored, Head(sequence=length, hash=digest, known_to="the registry")


def places(stored: dict[int, bytes], *heads: Head) -> list[int]:
    return sorted({fault.record for fault in faults(CHAIN, stored, heads)})


def test_a_chain_as_it_was_written_has_no_fault():
    stored, head = a_chain()
    assert faults(CHAIN, stored, (head,)) == []
    assert [opened(content).after.weight for content in stored.values()] == [10, 20, 30, 40, 50]


@given(number=NUMBERS, at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_byte_that_was_changed_is_found_in_its_record(number: int, at: int, byte: int):
    stored, head = a_chain()
    content = bytearray(stored[number])
    at %= len(content)
    if content[at] == byte:
        return
    content[at] = byte
    assert number in places({**stored, number: bytes(content)}, head)


@given(number=NUMBERS, cut=st.integers(1, 200), more=st.binary(min_size=1, max_size=20))
def test_what_was_cut_from_a_record_or_added_to_it_is_found(number: int, cut: int, more: bytes):
    stored, head = a_chain()
    assert number in places({**stored, number: stored[number][:-cut]}, head)
    assert number in places({**stored, number: stored[number] + more}, head)


@given(number=NUMBERS)
def test_a_record_that_was_taken_out_is_named(number: int):
    stored, head = a_chain()
    del stored[number]
    assert places(stored, head) == [number]


@given(numbers=st.lists(NUMBERS, min_size=2, max_size=2, unique=True))
def test_records_that_were_exchanged_are_both_named(numbers: list[int]):
    stored, head = a_chain()
    one, other = numbers
    stored[one], stored[other] = stored[other], stored[one]
    assert {one, other} <= set(places(stored, head))


@given(left=st.integers(0, LENGTH - 1))
def test_an_end_that_was_cut_off_is_found_by_whoever_knows_the_last_record(left: int):
    stored, head = a_chain()
    short = {number: content for number, content in stored.items() if number <= left}
    assert places(short, head) == list(range(left + 1, LENGTH + 1))
    assert places(short) == []  # the chain by itself cannot know


@given(number=NUMBERS)
def test_a_record_that_was_replaced_with_its_hash_made_to_fit_is_found_by_the_one_after_it_or_the_head(number: int):
    stored, head = a_chain()
    previous = json.loads(stored[number])["previous"] if number > 1 else None
    text, _ = sealed(a_record(number, previous, "nothing happened"))
    stored[number] = text.encode()
    assert places(stored, head) == [min(number + 1, LENGTH)]


def test_a_whole_chain_that_was_written_anew_is_found_by_the_head():
    _, head = a_chain()
    forged, _ = a_chain(message="nothing happened")
    assert [fault.problem for fault in faults(CHAIN, forged, (head,))] == [
        "is not the one that the registry knows: it was replaced"
    ]


def test_records_of_another_chain_are_not_taken_for_this_ones():
    stored, _ = a_chain()
    assert [fault.record for fault in faults("fedcba9876543210", stored)] == [1, 2, 3, 4, 5]


@given(content=st.one_of(st.binary(max_size=50), st.sampled_from([b"[" * 100_000, b'{"a": "\\ud800"}', b"null", b"NaN"])))
def test_whatever_lies_in_a_records_place_is_a_fault_and_no_crash(content: bytes):
    stored, head = a_chain()
    assert 3 in places({**stored, 3: content}, head)


def test_what_a_later_version_adds_to_a_record_does_not_break_the_reading_of_it():
    text, _ = sealed(a_record(1, None))
    assert opened(json.dumps({**json.loads(text), "mood": "calm"})).rollout == "iris"
