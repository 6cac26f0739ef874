"""What was answered, by class or bin; what came back, right and wrong or as scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.artifact import CategoricalTarget, NumericTarget
from kanarya_contracts.testing import contract
from kanarya_model.core.feedback import read_feedback
from kanarya_model.core.labels import label_classes
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import Refusal
from kanarya_model.core.tally import Tally

COLOUR = CategoricalTarget(name="colour", classes=("red", "green"), label="colour.label", probabilities=None)
SIZE = CategoricalTarget(name="size", classes=("1", "2"), label="size.label", probabilities=None)
PRICE = NumericTarget(name="price", value="price.value", error_bound=10.0)
RENT = NumericTarget(name="rent", value="rent.value", error_bound=2.0)
finite = st.floats(-1e12, 1e12)


def described(*targets):
    """A contract of these targets; numbers are counted in bins with the inner edges 1 and 5."""
    classes = isinstance(targets[0], CategoricalTarget)
    names = [target.outputs[0] for target in targets]
    answer = {name: [target.classes[0] if classes else 3.0] for name, target in zip(names, targets, strict=True)}
    bins = {"kind": "numeric", "edges": [1.0, 5.0], "counts": [1, 1, 1]}
    return contract(
        task="classification" if classes else "regression",
        outputs=[{"name": name, "datatype": "BYTES" if classes else "FP64", "shape": [-1]} for name in names],
        targets=[target.model_dump() for target in targets],
        reference={"rows": 3, "features": {}, "predictions": {} if classes else {one.name: bins for one in targets}},
        example={"inputs": {"petal_length": [1.0], "garden": ["north"]}, "outputs": answer},
    )


def read(targets, predictions, labels, version="2"):
    document = {"model_version": version, "predictions": predictions, "labels": labels}
    return read_feedback(document, version="2", targets=targets, most_rows=100)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(finite, min_size=1, max_size=9), min_size=1, max_size=5))
def test_numbers_are_counted_in_the_bins_of_the_reference_one_row_or_many(answers):
    tally = Tally(described(PRICE))
    for values in answers:
        tally.add(Prediction(outputs={"price.value": np.array(values)}))

    rows = [value for values in answers for value in values]
    expected = [sum(value < 1 for value in rows), sum(1 <= value < 5 for value in rows), sum(value >= 5 for value in rows)]
    assert dict(tally.counts()) == {str(number): count for number, count in enumerate(expected)}


def test_several_targets_are_counted_under_their_names():
    of = described(COLOUR, SIZE)
    tally, classes = Tally(of), label_classes(of)
    answers = {"colour.label": np.array(["red", "red"], object), "size.label": np.array(["2", "1"], object)}
    tally.add(Prediction(outputs={name: classes[name].among(labels) for name, labels in answers.items()}))

    assert dict(tally.counts()) == {"colour=red": 2, "colour=green": 0, "size=1": 1, "size=2": 1}


def test_a_row_is_right_if_every_target_of_it_is():
    colours, sizes = ["red", "red", "green"], ["1", "2", "2"]
    found = read([COLOUR, SIZE], {"colour": colours, "size": sizes}, {"size": [1, 2, 1], "colour": ["red", "blue", "green"]})

    assert (found.rows, found.right, found.wrong, found.scores) == (3, 1, 2, ())


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_a_score_is_the_errors_share_of_the_bound_and_never_more_than_one(pairs):
    predicted, true = zip(*pairs, strict=True)
    found = read([PRICE], list(predicted), list(true))

    assert found.scores == pytest.approx([min(abs(a - b) / 10, 1) for a, b in pairs])
    assert (found.rows, found.right, found.wrong) == (len(pairs), 0, 0)


def test_a_score_of_several_targets_is_their_mean():
    found = read([PRICE, RENT], {"price": [3, 100], "rent": [4.0, 1.0]}, {"price": [8, 0], "rent": [4, 2.5]})

    assert found.scores == (0.25, 0.875)


@pytest.mark.parametrize(
    ("targets", "predictions", "labels", "words"),
    [
        ([PRICE], ["3"], [3], 'predictions[0]: got the string "3", expected a number'),
        ([PRICE], [3], [True], "labels[0]: got true, expected a number"),
        ([PRICE], [3], [], "labels: got a list of 0, expected a list of at least one number"),
        ([PRICE], [3], [3, 4], "labels: got 2 for 1 predictions"),
        ([PRICE, RENT], [3], [3], 'got a list of 1, expected an object with a list for each of "price", "rent"'),
        ([PRICE, RENT], {"price": [3]}, {}, 'predictions: got "price", expected an object with a list for each of'),
        ([PRICE, RENT], {"price": [3], "rent": [1, 2]}, {"price": [3], "rent": [1]}, "predictions.rent: got 2 for 1"),
        (
            [COLOUR, SIZE],
            {"colour": ["red"], "size": ["3"]},
            {"colour": ["red"], "size": ["1"]},
            'predictions.size[0]: got "3"',
        ),
        ([], [], [], "this model transforms its input and predicts nothing that could be right or wrong"),
    ],
)
def test_feedback_that_cannot_be_counted_is_refused_with_its_place(targets, predictions, labels, words):
    with pytest.raises(Refusal) as refused:
        read(targets, predictions, labels)

    assert words in str(refused.value)
