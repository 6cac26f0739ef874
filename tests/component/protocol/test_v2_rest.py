"""What a good request gets: answers, metadata, health, feedback, counts."""

import json

import numpy as np
import pytest

from kanarya_contracts.metrics import DURATION_BUCKETS, Edge
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction, example_tensors
from kanarya_model.core.refusal import ModelFault
from kanarya_model.testing import NUMBERS, estimator

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]]
OWN = 'model="iris",version="2"'


def matrix(rows, datatype="FP64", name="X", **more):
    flat = [value for row in rows for value in row]
    return {"inputs": [{"name": name, "shape": [len(rows), 4], "datatype": datatype, "data": flat}], **more}


def columns(names, rows, datatypes=None, shape=lambda n: [n]):
    tensors = []
    for index, name in enumerate(names):
        values = [row[index] for row in rows]
        datatype = (datatypes or {}).get(name, "BYTES" if isinstance(values[0], str) else "FP64")
        tensors.append({"name": name, "shape": shape(len(rows)), "datatype": datatype, "data": values})
    return {"inputs": tensors}


def outputs(answer):
    assert answer.status == 200, answer.body
    return {tensor["name"]: tensor for tensor in answer.json()["outputs"]}


def test_a_matrix_is_answered_as_scikit_learn_answers(client):
    fitted, table = estimator("numeric")

    got = outputs(client().infer(matrix(table.tolist())))

    assert got["label"]["data"] == fitted.predict(table).tolist()
    assert got["label"]["shape"] == [150]
    assert got["probabilities"]["shape"] == [150, 3]
    assert np.allclose(np.reshape(got["probabilities"]["data"], (150, 3)), fitted.predict_proba(table), atol=1e-5)


@pytest.mark.parametrize("kind", ["mixed", "skops"])
def test_words_and_numbers_are_answered_as_scikit_learn_answers(client, kind):
    fitted, table = estimator(kind)

    got = outputs(client(kind).infer(columns(table.columns, table.to_numpy().tolist())))

    assert got["label"]["data"] == fitted.predict(table).tolist()
    assert np.allclose(np.reshape(got["probabilities"]["data"], (150, 3)), fitted.predict_proba(table), atol=1e-5)


def test_both_forms_nested_or_flat_in_any_order_give_the_same_answer(client):
    asked = client()
    nested = {"inputs": [{"name": "input-0", "shape": [3, 4], "datatype": "FP64", "data": ROWS}]}
    by_column = columns(NUMBERS, ROWS, shape=lambda n: [n, 1])
    by_column["inputs"].reverse()

    answers = [outputs(asked.infer(body)) for body in (matrix(ROWS), nested, by_column, columns(NUMBERS, ROWS))]

    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "INT64", "UINT8", "UINT64"])
def test_a_column_of_numbers_accepts_every_datatype_that_holds_them(client, datatype):
    got = outputs(client().infer(matrix([[5, 3, 1, 0]], datatype)))

    assert got["label"]["data"] == ["setosa"]


def test_labels_that_are_integers_stay_integers(client):
    got = outputs(client("int").infer(matrix(ROWS)))

    assert got["label"] == {"name": "label", "datatype": "INT64", "shape": [3], "data": [0, 2, 1]}


def test_an_unknown_word_is_refused_or_accepted_as_the_contract_says(client):
    names, row = ("sepal_length", "sepal_width", "petal_length", "garden"), [5.1, 3.5, 1.4, "west"]

    refused = client("mixed").infer(columns(names, [row]))
    accepted = client("skops").infer(columns(names, [row]))

    assert refused.status == 400
    assert refused.error == 'inputs[3].data[0]: got "west", expected one of "north", "south"'
    assert outputs(accepted)["label"]["data"] == ["setosa"]


def test_the_response_names_model_and_version_and_echoes_the_id_and_has_no_null(client):
    with_id = client().infer(matrix(ROWS[:1], id="a-7"))
    without = client().infer(matrix(ROWS[:1], id=None, parameters=None, outputs=None))

    assert list(with_id.json()) == ["model_name", "model_version", "id", "outputs"]
    assert with_id.json()["model_name"] == "iris"
    assert with_id.json()["model_version"] == "2"
    assert with_id.json()["id"] == "a-7"
    assert list(without.json()) == ["model_name", "model_version", "outputs"]
    assert b"null" not in without.body


def test_only_the_outputs_asked_for_are_sent_in_the_order_asked(client):
    label = client().infer(matrix(ROWS, outputs=[{"name": "label"}]))
    both = client().infer(matrix(ROWS, outputs=[{"name": "probabilities"}, {"name": "label", "parameters": {"a": 1}}]))

    assert list(outputs(label)) == ["label"]
    assert list(outputs(both)) == ["probabilities", "label"]


def test_what_kserves_client_adds_is_let_pass(client):
    assert client().infer(matrix(ROWS, model_name="other", model_version=None)).status == 200


def test_an_escaped_quotation_mark_is_no_repeated_member(client):
    answer = client().infer(matrix(ROWS[:1], id='the "id"', parameters={"a": "x", "b": True}))

    assert answer.json()["id"] == 'the "id"'


@pytest.mark.parametrize("kind", [None, "", "application/json", "Application/JSON ; Charset=UTF-8"])
def test_json_is_read_under_its_name_or_none(client, kind):
    headers = {} if kind is None else {"content-type": kind}

    assert client().infer(matrix(ROWS), headers=headers).status == 200


def test_a_body_in_pieces_is_put_together(client):
    assert client().infer(json.dumps(matrix(ROWS)).encode(), headers={}, pieces=7).status == 200


def test_many_rows_are_predicted_on_a_thread_to_the_same_answer(client):
    one_by_one = [outputs(client().infer(matrix([row])))["label"]["data"][0] for row in ROWS]

    many = outputs(client().infer(matrix(ROWS * 100)))

    assert many["label"]["data"] == one_by_one * 100


def test_metadata_is_complete_with_and_without_version(client):
    asked = client("mixed")

    document = asked.ask("GET", "/v2/models/iris").json()

    assert asked.ask("GET", "/v2/models/iris/versions/2").json() == document
    assert document["name"] == "iris"
    assert document["versions"] == ["2"]
    assert document["platform"] == "onnx_onnxv1"
    assert document["inputs"][3] == {"name": "garden", "datatype": "BYTES", "shape": [-1]}
    assert document["outputs"][1] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}
    assert document["properties"]["digest"].startswith("sha256:")
    assert "matrix" not in document["properties"]


def test_server_metadata_and_health(client):
    asked = client()

    assert asked.ask("GET", "/v2").json().keys() == {"name", "version", "extensions"}
    assert asked.ask("GET", "/v2/").status == 200
    assert asked.ask("GET", "/v2/health/live").json() == {"live": True}
    assert asked.ask("GET", "/v2/health/ready").json() == {"ready": True}
    assert asked.ask("GET", "/v2/models/iris/ready").json() == {"name": "iris", "ready": True}


def test_while_draining_it_is_not_ready_but_answers_and_asks_for_another_connection(client):
    asked = client()
    asked.app.drain()

    answer = asked.infer(matrix(ROWS))

    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert asked.ask("GET", "/v2/health/ready").status == 503
    assert asked.ask("GET", "/v2/models/iris/versions/2/ready").status == 503
    assert asked.ask("GET", "/v2/health/live").status == 200


# --- faults ----------------------------------------------------------------------------------------------------------


class Broken:
    largest, quick = 1e308, True

    def predict(self, rows):
        raise RuntimeError("secret path /models/x")


def test_a_model_that_fails_on_usual_input_is_500_and_its_text_stays_inside(client, monkeypatch, caplog):
    asked = client()
    monkeypatch.setattr(asked.served.model, "_predictor", Broken())

    answer = asked.infer(matrix(ROWS))

    assert answer.status == 500
    assert "secret" not in answer.error
    assert "secret path" in caplog.text
    assert asked.metric("kanarya_model_requests_total")[f'{{code="500",edge="v2-rest",{OWN}}}'] == 1


def test_a_model_that_fails_far_outside_of_its_training_is_the_clients_mistake(client, monkeypatch):
    asked = client()
    monkeypatch.setattr(asked.served.model, "_predictor", Broken())

    answer = asked.infer(matrix([[5.1, 3.5, 1e30, 0.2]]))

    assert answer.status == 400
    assert '"petal_length" is 1e+30, trained on 1 to 6.9' in answer.error


def test_the_largest_numbers_never_make_invalid_json(client):
    answer = client().infer(matrix([[3.4e38, -3.4e38, 3.4e38, -3.4e38]]))

    assert answer.status in (200, 400)
    assert "nan" not in answer.body.decode().lower()


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        (["setosa"], [[1, 0, 0]] * 4, "label"),
        (["setosa"] * 4, [[1, 0]] * 4, "probabilities"),
        (["rose"] * 4, [[1, 0, 0]] * 4, "none of its classes"),
        (["setosa"] * 4, [[np.nan, 0, 0]] * 4, "not a finite number"),
    ],
)
def test_an_answer_that_is_none_is_a_fault(model, monkeypatch, labels, probabilities, words):
    one = model("numeric")
    wrong = Prediction(outputs={"label": np.array(labels, object), "probabilities": np.array(probabilities, np.float32)})
    monkeypatch.setattr(one, "_predictor", type("Wrong", (), {"predict": lambda self, rows: wrong})())

    with pytest.raises(ModelFault, match=words):
        one.predict(one.inputs.rows(example_tensors(one.contract)))


# --- feedback --------------------------------------------------------------------------------------------------------


def feedback(asked, version="2", predictions=("setosa",), labels=("setosa",), **more):
    body = {"model_version": version, "predictions": predictions, "labels": labels, **more}
    return asked.ask("POST", "/v2/models/iris/feedback", json.dumps(body).encode())


def test_labels_are_counted_right_and_wrong_for_the_version_that_predicted(client):
    asked = client()

    own = feedback(asked, predictions=["setosa", "virginica", "setosa"], labels=["setosa", "versicolor", "a new kind"])
    other = feedback(asked, version="1", predictions=["rose"], labels=["rose"])

    assert (own.json(), other.json()) == ({"counted": 3}, {"counted": 1})
    series = asked.metric("kanarya_model_feedback_total")
    assert series['{model="iris",outcome="right",version="2"}'] == 1
    assert series['{model="iris",outcome="wrong",version="2"}'] == 2
    assert series['{model="iris",outcome="right",version="1"}'] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "model_version: got the number 2"),
        ({"version": "a b"}, 'model_version: got the string "a b"'),
        ({"version": "v" * 65}, "1 to 64 letters"),
        ({"labels": []}, "labels: got a list of 0"),
        ({"labels": "setosa"}, "labels: got the string"),
        ({"labels": ["setosa"] * 2}, "labels: got 2 for 1 predictions"),
        ({"labels": [None]}, "labels[0]: got null"),
        ({"labels": [True]}, "labels[0]: got true"),
        ({"labels": ["x" * 300]}, "(300 characters)"),
        ({"predictions": ["rose"]}, 'predictions[0]: got "rose", expected one of this version\'s classes'),
        ({"predictions": ["setosa"] * 1001, "labels": ["setosa"] * 1001}, "at most 1000"),
        ({"more": 1}, 'got the member "more"'),
    ],
)
def test_feedback_that_cannot_be_counted_is_refused(client, change, words):
    asked = client()

    answer = feedback(asked, **change)

    assert answer.status in (400, 413)
    assert words in answer.error
    assert sum(asked.metric("kanarya_model_feedback_total").values()) == 0


def test_feedback_for_one_version_too_many_is_refused(client):
    asked = client()

    answers = [feedback(asked, version=f"v{number}", predictions=["a"], labels=["a"]) for number in range(40)]

    assert [answer.status for answer in answers] == [200] * 31 + [400] * 9
    assert "32 versions at most" in answers[-1].error
    assert feedback(asked).status == 200


# --- counts ----------------------------------------------------------------------------------------------------------


def test_series_are_there_with_zero_before_the_first_request(client):
    asked = client()

    assert asked.metric("kanarya_model_requests_total") == {
        f'{{code="{code}",edge="{edge}",{OWN}}}': 0 for code in (200, 500, 503) for edge in ("v1-rest", "v2-rest")
    }
    assert set(asked.metric("kanarya_model_feedback_total").values()) == {0}
    assert asked.metric("kanarya_model_request_duration_seconds_count") == {f"{{{OWN}}}": 0}
    assert len(asked.metric("kanarya_model_predictions_total")) == 3
    assert asked.metric("kanarya_model_requests_in_flight") == {f"{{{OWN}}}": 0}
    assert list(asked.metric("kanarya_model_info").values()) == [1]
    assert asked.metric("process_start_time_seconds")[""] > 0


def test_requests_durations_and_predictions_are_counted(client):
    asked = client()
    asked.infer(matrix(ROWS))
    asked.infer(matrix(ROWS[:1]))
    asked.infer(b"{")
    asked.ask("POST", "/v1/models/iris:predict", b"{}")
    asked.ask("GET", "/v2/models/iris")

    requests = asked.metric("kanarya_model_requests_total")
    assert {labels: count for labels, count in requests.items() if count} == {
        f'{{code="200",edge="v2-rest",{OWN}}}': 2,
        f'{{code="400",edge="v2-rest",{OWN}}}': 1,
        f'{{code="400",edge="v1-rest",{OWN}}}': 1,
    }
    assert asked.metric("kanarya_model_request_duration_seconds_count") == {f"{{{OWN}}}": 2}
    assert asked.metric("kanarya_model_predictions_total") == {
        f'{{class="setosa",{OWN}}}': 2,
        f'{{class="versicolor",{OWN}}}': 1,
        f'{{class="virginica",{OWN}}}': 1,
    }
    assert asked.metric("kanarya_model_rejected_total")['{model="iris",reason="body",version="2"}'] == 1


def test_buckets_are_the_contracts_and_cumulative(client):
    asked = client()
    counts, row = asked.served.counts, Rows(count=1, matrix=np.array([[5.1, 3.5, 1.4, 0.2]]))
    for seconds in (0.0001, 0.0002, 0.3, 100.0):
        counts.succeeded(Edge.V2_REST, seconds, asked.served.model.predict(row))

    buckets = asked.metric("kanarya_model_request_duration_seconds_bucket")

    by_bound = {float(labels.split('le="')[1].split('"')[0]): value for labels, value in buckets.items()}
    assert list(by_bound) == [*DURATION_BUCKETS, float("inf")]
    assert (by_bound[0.0001], by_bound[0.00025], by_bound[0.5], by_bound[10.0], by_bound[float("inf")]) == (1, 2, 3, 3, 4)
    assert list(by_bound.values()) == sorted(by_bound.values())


def test_features_are_counted_in_the_bins_of_the_reference_with_as_many_series_as_before_the_first_request(client):
    asked = client("skops")
    names = ("sepal_length", "sepal_width", "petal_length", "garden")
    before = asked.metric("kanarya_model_feature_values_total")

    asked.infer(columns(names, [[5.1, 3.5, 1.4, "north"], [99.0, 3.5, 1.4, "north"], [5.1, 3.5, 1.4, "atlantis"]]))
    asked.infer(columns(names, [[5.1, 3.5, None, "north"]]))

    after = asked.metric("kanarya_model_feature_values_total")
    assert before.keys() == after.keys()
    assert after[f'{{bin="north",feature="garden",{OWN}}}'] == 2
    assert sum(count for labels, count in after.items() if "sepal_length" in labels) == 3
    assert asked.metric("kanarya_model_feature_outside_total") == {
        f'{{feature="garden",{OWN}}}': 1,
        f'{{feature="petal_length",{OWN}}}': 0,
        f'{{feature="sepal_length",{OWN}}}': 1,
        f'{{feature="sepal_width",{OWN}}}': 0,
    }
    assert set(asked.metric("kanarya_model_feature_missing_total").values()) == {0}
    assert asked.metric("kanarya_model_feature_reference_rows").keys() == after.keys()
