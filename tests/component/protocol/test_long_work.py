"""Predictions that take long: what goes on meanwhile, and how many may wait."""

import json
import threading

import pytest

from kanarya_model.edges import v1_rest, v2_rest
from kanarya_model.edges.workers import Workers

INFER, LIVE = "/v2/models/iris/infer", "/v2/health/live"
ROWS = 200
BODY = json.dumps(
    {"inputs": [{"name": "X", "shape": [ROWS, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2] * ROWS}]}
).encode()


class Held:
    """A predictor that answers when it is let."""

    largest, quick = 1e308, True

    def __init__(self, real):
        self.real, self.go = real, threading.Event()

    def predict(self, rows):
        assert self.go.wait(30)
        return self.real.predict(rows)


@pytest.fixture
def held(client, monkeypatch):
    """A client of a model that is held, with room for two predictions, and what lets it go."""
    asked = client()
    predictor = Held(asked.served.model._predictor)
    monkeypatch.setattr(asked.served.model, "_predictor", predictor)
    workers = Workers(threads=1, waiting=2)
    monkeypatch.setattr(asked.served, "_workers", workers)
    yield asked, predictor.go.set
    predictor.go.set()
    workers.close()


def test_health_is_answered_while_a_prediction_runs_and_one_more_than_may_wait_is_503(held):
    asked, let_go = held
    order = []

    def seen():
        order.append(asked.served.counts.in_flight)
        let_go()

    answers = asked.together(*[("POST", INFER, BODY)] * 3, ("GET", LIVE, b""), until=seen)

    assert [answer.status for answer in answers] == [200, 200, 503, 200]
    assert order == [2]
    assert answers[2].headers["retry-after"] == "1"
    assert "2 predictions wait already" in answers[2].error
    assert asked.metric("kanarya_model_queue_seconds_count") == {'{model="iris",version="2"}': 2}
    assert asked.metric("kanarya_model_requests_total")['{code="503",edge="v2-rest",model="iris",version="2"}'] == 1


def test_one_row_of_a_slow_kind_of_model_leaves_the_event_loop_too(client, monkeypatch):
    asked = client("skops")
    threads = []
    real = asked.served.model._predictor

    class Watched(Held):
        def predict(self, rows):
            threads.append(threading.current_thread())
            return real.predict(rows)

    monkeypatch.setattr(asked.served.model, "_predictor", Watched(real))
    names = ("sepal_length", "sepal_width", "petal_length")
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} for name in names]

    answer = asked.infer({"inputs": [*tensors, {"name": "garden", "shape": [1], "datatype": "BYTES", "data": ["south"]}]})

    assert answer.status == 200
    assert threads != [threading.current_thread()]


def test_a_long_body_is_read_on_a_thread_to_the_same_answers_refusals_and_counts(client, monkeypatch):
    rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
    tensor = {"name": "X", "shape": [2, 4], "datatype": "FP64", "data": rows}
    requests = [
        (INFER, {"inputs": [tensor]}),
        (INFER, {"inputs": [{**tensor, "shape": [2, 3]}]}),
        ("/v1/models/iris:predict", {"instances": rows}),
        ("/v1/models/iris:predict", {"instances": [rows[0][:3]]}),
    ]

    def everything():
        asked = client()
        answers = [asked.ask("POST", path, json.dumps(body).encode()) for path, body in requests]
        return [(answer.status, answer.body) for answer in answers], asked.metric("kanarya_model_feature_values_total")

    short = everything()
    for edge in (v1_rest, v2_rest):
        monkeypatch.setattr(edge, "LONG_BODY", 1)

    assert everything() == short
    assert [status for status, _ in short[0]] == [200, 400, 200, 400]
    assert sum(short[1].values()) == 4 * len(rows) * 2
