"""Tensors as bytes: what is written is read again, and what is not exactly a tensor is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kanarya_contracts.datatypes import Datatype
from kanarya_model.core import raw
from kanarya_model.core.refusal import Refusal

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=5)


@given(data=st.data(), datatype=st.sampled_from(sorted(raw.DTYPES)))
def test_numbers_come_back_bit_for_bit_without_a_copy(data, datatype):
    sent = data.draw(arrays.arrays(raw.DTYPES[datatype], st.integers(0, 6)))
    content = bytes(raw.write(sent, datatype))

    got = raw.read(content, datatype, sent.shape, "t")

    assert got.dtype == sent.dtype
    assert got.tobytes() == sent.tobytes() == content
    assert np.shares_memory(got, np.frombuffer(content, "u1")) or not sent.size


@given(sent=WORDS)
def test_words_come_back_and_each_has_its_length_before_it(sent):
    content = raw.write(np.array(sent, object), Datatype.BYTES)

    assert raw.read(content, Datatype.BYTES, [len(sent)], "t").tolist() == sent
    assert len(content) == sum(4 + len(word.encode()) for word in sent)


@given(content=st.binary(max_size=40), datatype=st.sampled_from(list(Datatype)), count=st.integers(0, 10) | st.just(2**40))
def test_any_bytes_are_a_tensor_or_refused(content, datatype, count):
    try:
        got = raw.read(memoryview(content), datatype, [count], "t")
    except Refusal:
        variable = datatype in (Datatype.BOOL, Datatype.BYTES)
        assert variable or len(content) != count * raw.DTYPES[datatype].itemsize
    else:
        assert got.shape == (count,)
        assert bytes(raw.write(got, datatype)) == content


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([1] * 9, "got 9 dimensions, expected at most 8"),
        ([2**62] * 8, r"t.shape: got \[4611686018427387904, .*expected at most 1099511627776 elements"),
    ],
)
def test_a_shape_without_bounds_is_refused_before_its_elements_are_counted(shape, words):
    with pytest.raises(Refusal, match=words):
        raw.read(b"", Datatype.FP32, shape, "t")


@pytest.mark.parametrize(
    ("datatype", "content", "count", "words"),
    [
        ("FP32", b"1234567", 2, "t: got 7 bytes, expected 8 for 2 elements of FP32"),
        ("FP16", b"12345", 2, "got 5 bytes, expected 4"),
        ("FP64", b"", 1, "got 0 bytes, expected 8"),
        ("BOOL", b"\0\1\2", 3, r"t.data\[2\]: got the byte 2, expected 0 or 1"),
        ("BYTES", b"\1\0\0\0a\5\0\0\0b", 2, "element 1 announces 5 bytes, and 1 are left"),
        ("BYTES", b"\1\0\0\0a\1\0", 2, "ends within the length of element 1, expected 4 bytes"),
        ("BYTES", b"\0\x28\x6b\xee", 1, "announces 4000000000 bytes, and 0 are left"),
        ("BYTES", b"\1\0\0\0a", 2, "got 1 elements with 0 bytes after them, expected 2"),
        ("BYTES", b"\1\0\0\0ab", 1, "got 1 elements with 1 bytes after them, expected 1"),
        ("BYTES", b"\1\0\0\0\xff", 1, r"t.data\[0\]: got bytes that are not UTF-8"),
    ],
)
def test_bytes_that_are_no_such_tensor_are_refused(datatype, content, count, words):
    with pytest.raises(Refusal, match=words):
        raw.read(content, Datatype(datatype), [count], "t")
