"""Labels as places cannot be told from the words that were said; and how many rows an event loop may predict by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.artifact import CategoricalTarget
from kanarya_contracts.datatypes import INTEGER_RANGE, Datatype
from kanarya_contracts.testing import contract
from kanarya_model.core import raw
from kanarya_model.core.inputs import Rows
from kanarya_model.core.labels import label_classes
from kanarya_model.core.pace import rows_within

WORDS = ("red", "grün", "b")
NUMBERS = ("7", "0", "3")


def classes(names, datatype=Datatype.BYTES):
    example = [names[0] if datatype is Datatype.BYTES else int(names[0])]
    described = contract(
        outputs=[{"name": "label", "datatype": datatype, "shape": [-1]}],
        targets=[CategoricalTarget(name="y", classes=names).model_dump()],
        reference={"rows": 3, "features": {}, "predictions": {}},
        example={"inputs": {"petal_length": [1.0], "garden": ["north"]}, "outputs": {"label": example}},
    )
    return label_classes(described)["label"]


@given(said=st.lists(st.sampled_from(WORDS), max_size=9))
def test_words_are_written_and_read_as_they_were_said(said):
    array = np.array(said, object)

    labels = classes(WORDS).among(array)

    assert labels.elements().tolist() == array.tolist()
    assert (labels.shape, len(labels)) == (array.shape, len(said))
    assert labels.in_bytes() == raw.write(array, Datatype.BYTES)
    assert labels[1:3].elements().tolist() == array[1:3].tolist()


@given(said=st.lists(st.sampled_from(NUMBERS), max_size=9), datatype=st.sampled_from(sorted(INTEGER_RANGE)))
def test_whole_numbers_are_of_the_outputs_datatype(said, datatype):
    array = np.array(said, np.int64).astype(raw.DTYPES[datatype])

    labels = classes(NUMBERS, datatype).among(array)

    assert labels.elements().dtype == array.dtype
    assert labels.elements().tolist() == array.tolist()
    assert labels.in_bytes() == bytes(raw.write(array, datatype))


@given(places=st.lists(st.integers(-2, 4), min_size=1, max_size=5))
def test_a_place_that_no_class_has_is_no_label(places):
    array = np.array(places)
    if set(places) <= {0, 1, 2}:
        assert classes(WORDS).at(array).elements().tolist() == [WORDS[place] for place in places]
    else:
        with pytest.raises(IndexError):
            classes(WORDS).at(array)


@pytest.mark.parametrize(("seconds_a_row", "expected"), [(1e-6, 500), (1e-3, 0)])
def test_a_loop_predicts_as_many_rows_as_the_model_was_seen_to_predict_in_that_time(seconds_a_row, expected):
    class Slow:
        """Takes its time for every row, and the first time ten times as much."""

        now, slower = 0.0, 10

        def example_rows(self):
            return Rows(count=3, matrix=np.zeros((3, 2)))

        def predict(self, rows):
            self.now += rows.count * seconds_a_row * self.slower
            self.slower = 1

    model = Slow()

    assert abs(rows_within(0.0005, model, clock=lambda: model.now) - expected) <= 1
