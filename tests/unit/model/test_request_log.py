"""Requests as rows of a table: everything is there, nothing personal is; and never more of them than were allowed."""

import io
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts import records
from kanarya_contracts.metrics import Edge
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.testing import contract
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Model, Prediction
from kanarya_model.core.request import Answered
from kanarya_model.records import requests, table
from kanarya_model.records.requests import Bounds, RequestLog
from kanarya_model.records.table import Kept

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
CLASSES = ["setosa", "virginica"]
VALUES = st.lists(st.tuples(st.floats(0, 9) | st.just(float("nan")), st.sampled_from(["north", "south", None])), min_size=1)


def described(petal_length=None, garden=None):
    """The default contract, a number and a word, with what of them is personal."""
    return contract(
        inputs=[
            {"kind": "numeric", "name": "petal_length", "minimum": 1.0, "maximum": 6.9, "personal": petal_length},
            {"kind": "categorical", "name": "garden", "categories": ["north", "south"], "personal": garden},
        ]
    )


def answered(values, request_id=None):
    numbers, words = np.array([number for number, _ in values]), np.array([word for _, word in values], object)
    labels = np.array([CLASSES[index % 2] for index in range(len(values))], object)
    probabilities = np.linspace(0, 1, 2 * len(values), dtype=np.float32).reshape(-1, 2)
    rows = Rows(count=len(values), columns=(numbers, words))
    return Answered(request_id, rows, Prediction(outputs={"label": labels, "probabilities": probabilities}))


def kept(*requests):
    return [Kept(1.7e9 + index, Edge.V2_REST, False, 0.25, b"gateway", one) for index, one in enumerate(requests)]


def written(of, requests, key=None):
    """As pyarrow reads it back."""
    content = table.parquet([table.batch(of, kept(*requests), key)], {})
    return pq.read_table(io.BytesIO(content)).to_pydict()


def present(values):
    """None for what is missing, in whatever form."""
    return [None if value is None or value != value else value for value in values]  # noqa: PLR0124 (NaN)


@given(batches=st.lists(VALUES, min_size=1, max_size=4))
def test_every_row_of_every_request_is_there_with_its_answer(batches):
    all_rows = [row for batch in batches for row in batch]
    got = written(described(), [answered(batch, f"id-{index}") for index, batch in enumerate(batches)])

    assert present(got["input_petal_length"]) == present(number for number, _ in all_rows)
    assert got["input_garden"] == [word for _, word in all_rows]
    assert got[records.ROW] == [row for batch in batches for row in range(len(batch))]
    assert got[records.ID] == [f"id-{index}" for index, batch in enumerate(batches) for _ in batch]
    assert got["output_label"] == [CLASSES[row % 2] for row in got[records.ROW]]
    assert [len(row) for row in got["output_probabilities"]] == [2] * len(all_rows)
    assert set(got[records.REQUEST_ID]) == {"gateway"}
    assert got[records.TIME][0].timestamp() == 1.7e9


@given(values=VALUES)
def test_a_digest_tells_equal_values_of_a_column_from_others_and_nothing_more(values):
    got = written(described("hash", "hash"), [answered(values)], KEY)

    for index, name in enumerate(("input_petal_length", "input_garden")):
        given = present(row[index] for row in values)
        pairs = set(zip(given, got[name], strict=True))
        assert len(pairs) == len(set(given)) == len(set(got[name]))
        assert all((value is None) == (digest is None) for value, digest in pairs)
        assert all(digest is None or (len(digest) == 32 and str(value) not in digest) for value, digest in pairs)


def test_digests_depend_on_the_key_and_on_the_column():
    words = [answered([(1.0, "north")])]
    numbers = [answered([(1.0, "1.0")])]

    one, other = (written(described(garden="hash"), words, key)["input_garden"] for key in (KEY, OTHER_KEY))
    both = written(described("hash", "hash"), numbers, KEY)

    assert one != other
    assert both["input_petal_length"] != both["input_garden"]


def test_a_dropped_column_is_not_there():
    got = written(described("drop", "drop"), [answered([(1.0, "north")])])

    assert not [name for name in got if name.startswith(records.INPUT)]
    assert got["output_label"] == ["setosa"]


# --- the log ----------------------------------------------------------------------------------------------------------


class Files(dict):
    def write(self, name, content):
        self[name] = pq.read_table(io.BytesIO(content))


@pytest.fixture
def model():
    class Nothing:
        largest, quick = 1e9, True

    return lambda of: Model(contract=of, predictor=Nothing(), name="iris", version="7", digest="sha256:0", most_rows=100)


def fates(log):
    [family] = log.collect()
    return {sample.labels["fate"]: sample.value for sample in family.samples}


def test_what_finds_no_room_is_dropped_and_counted_and_the_rest_is_written(model, monkeypatch):
    monkeypatch.setattr(requests, "GATHER_SECONDS", 60)
    files = Files()
    log = RequestLog(model(described()), files.write, bounds=Bounds(share=1, rows=10, seconds=60))

    for _ in range(8):
        log.take(answered([(1.0, "north")] * 3), Edge.V1_REST, 0.1, None, copy=False)
    log.close()

    assert [one.num_rows for one in files.values()] == [9]
    assert fates(log) == {"written": 9, "dropped": 15, "failed": 0}


def test_only_what_is_drawn_is_kept(model):
    files, draws = Files(), iter([0.0, 0.3, 0.29, 0.99])
    log = RequestLog(model(described()), files.write, bounds=Bounds(share=0.3, rows=10, seconds=60), draw=lambda: next(draws))

    for index in range(4):
        log.take(answered([(float(index), "north")]), Edge.V1_REST, 0.1, None, copy=False)
    log.close()

    [one] = files.values()
    assert one.to_pydict()["input_petal_length"] == [0.0, 2.0]


def test_a_file_ends_when_its_first_row_is_old_enough_and_names_model_version_and_day(model):
    begun = threading.Event()
    names = []

    def write(name, content):
        names.append(name)
        begun.set()

    log = RequestLog(model(described()), write, bounds=Bounds(share=1, rows=10, seconds=0.1))
    log.take(answered([(1.0, "north")]), Edge.V1_REST, 0.1, None, copy=False)

    assert begun.wait(20)
    log.close()
    [name] = names
    assert name.startswith("model=iris/version=7/date=20")
    assert name.endswith("-1.parquet")


def test_a_file_that_cannot_be_written_is_counted(model):
    def write(name, content):
        raise KanaryaError("the disk is full")

    log = RequestLog(model(described()), write, bounds=Bounds(share=1, rows=10, seconds=60))
    log.take(answered([(1.0, "north")] * 4), Edge.V1_REST, 0.1, None, copy=False)
    log.close()

    assert fates(log) == {"written": 0, "dropped": 0, "failed": 4}


def test_a_column_to_be_hashed_wants_a_key(model):
    with pytest.raises(KanaryaError, match="has garden hashed in a request log; give the key with --request-log-key-file"):
        RequestLog(model(described("drop", "hash")), Files().write, bounds=Bounds(share=1, rows=10, seconds=60))
