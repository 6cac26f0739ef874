"""Requests that are predicted together: each gets its own answer, and who fails stands alone."""

from math import ceil, log2

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kanarya_model.core.batching import answers, fitting, together
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import ModelFault

BAD = 13.0

numbers = st.sampled_from([0.0, 0.1, 1 / 3, -2.0, BAD])
dtypes = st.sampled_from([np.float64, np.float32])


@st.composite
def parts(draw):
    """Rows of one column of numbers, FP64 or FP32 as clients may have sent them, some of which make the model fail."""
    drawn = draw(st.lists(st.tuples(st.lists(numbers, min_size=1, max_size=4), dtypes), min_size=1, max_size=12))
    return [Rows(count=len(values), matrix=np.array(values, dtype).reshape(-1, 1)) for values, dtype in drawn]


class Model:
    """Answers a number with itself, and fails where a number is bad."""

    def __init__(self):
        self.runs = 0

    def predict(self, rows):
        self.runs += 1
        if BAD in rows.matrix:
            raise ModelFault(f"the first bad row is {int(np.argmax(rows.matrix == BAD))} of {rows.count}")
        return Prediction(outputs={"label": rows.matrix[:, 0].astype(object), "probabilities": rows.matrix.astype(np.float64)})


def told(answer):
    if isinstance(answer, Exception):
        return repr(answer)
    return {name: array.tolist() for name, array in answer.outputs.items()}


@given(parts())
def test_each_is_answered_as_if_it_had_been_alone_and_few_guilty_cost_little(parts):
    model, alone = Model(), [told(answers(Model().predict, [part])[0]) for part in parts]

    got = [told(answer) for answer in answers(model.predict, parts)]

    assert got == alone
    guilty = sum(BAD in part.matrix for part in parts)
    assert model.runs <= 1 + 2 * guilty * ceil(log2(len(parts)))


def test_columns_of_words_and_numbers_are_merged_with_what_is_missing():
    first = Rows(count=2, columns=(np.array([1.0, np.nan]), np.array(["a", None], object)))
    second = Rows(count=1, columns=(np.array([2.0], np.float32), np.array(["b"], object)))

    merged = together([first, second])

    assert merged.count == 3
    np.testing.assert_array_equal(merged.columns[0], [1.0, np.nan, 2.0])
    assert merged.columns[1].tolist() == ["a", None, "b"]


@given(counts=st.lists(st.integers(1, 50), min_size=1), most=st.integers(1, 100))
def test_as_many_go_together_as_have_room_and_never_none(counts, most):
    first = fitting(counts, most)

    assert first == 1 or sum(counts[:first]) <= most
    assert first == len(counts) or sum(counts[: first + 1]) > most
