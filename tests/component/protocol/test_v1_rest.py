"""V1: rows as lists or objects, labels back, and the same strictness."""

import json

import pytest

from kanarya_model.testing import NUMBERS, estimator

PREDICT = "/v1/models/iris:predict"
ROW = [5.1, 3.5, 1.4, 0.2]


def predict(asked, body, **options):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asked.ask("POST", PREDICT, content, **options)


@pytest.mark.parametrize("kind", ["numeric", "mixed", "skops"])
def test_rows_as_lists_or_objects_are_answered_as_scikit_learn_answers(client, kind):
    fitted, table = estimator(kind)
    lists = table.tolist() if kind == "numeric" else table.to_numpy().tolist()
    names = NUMBERS if kind == "numeric" else tuple(table.columns)
    objects = [dict(reversed(list(zip(names, row, strict=True)))) for row in lists]

    answers = [predict(client(kind), {"instances": rows}).json() for rows in (lists, objects)]

    assert answers == [{"predictions": fitted.predict(table).tolist()}] * 2


def test_integer_labels_stay_integers_and_a_form_is_read(client):
    form = {"content-type": "application/x-www-form-urlencoded"}

    assert predict(client("int"), {"instances": [ROW]}, headers=form).json() == {"predictions": [0]}


def test_models_and_readiness(client):
    asked = client()

    assert asked.ask("GET", "/v1/models").json() == {"models": ["iris"]}
    assert asked.ask("GET", "/v1/models/iris").json() == {"name": "iris", "ready": True}
    asked.app.drain()
    assert asked.ask("GET", "/v1/models/iris").status == 503


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        ([], "got a list of 0, expected an object"),
        ({}, "instances: got nothing, expected a list"),
        ({"instances": []}, "instances: got a list of 0"),
        ({"instances": None}, "instances: got null"),
        ({"instances": [ROW], "inputs": []}, 'got the member "inputs", expected instances alone'),
        (b'{"instances": [[1, 2, 3, 4]], "instances": [[1, 2, 3, 4]]}', '"instances" is given twice'),
        ({"instances": [ROW, 5]}, "instances[1]: got the number 5, expected a list or an object"),
        ({"instances": [ROW[:3]]}, "instances[0]: got a list of 3, expected 4"),
        ({"instances": [{"petals": 1}]}, 'instances[0]: got the member "petals"'),
        ({"instances": [{"sepal_length": 1}]}, 'instances[0]: "sepal_width", "petal_length", "petal_width" missing'),
        ({"instances": [ROW, [5.1, "3.5", 1.4, 0.2]]}, 'instances: "sepal_width".data[1]: got the string "3.5"'),
        ({"instances": [[True, 3.5, 1.4, 0.2]]}, 'instances: "sepal_length".data[0]: got true'),
        ({"instances": [[[5.1], 3.5, 1.4, 0.2]]}, "got a list of 1, expected a number"),
        ({"instances": [[None, 3.5, 1.4, 0.2]]}, "got null, and the model accepts no missing value"),
        ({"instances": [[1e39, 3.5, 1.4, 0.2]]}, "got the number 1e+39"),
        ({"instances": [ROW] * 1001}, "got 1001 rows, expected at most 1000"),
    ],
)
def test_a_bad_request_is_refused_with_what_is_wrong(client, body, words):
    asked = client()

    answer = predict(asked, body)

    assert answer.status == (413 if "1001" in words else 400)
    assert words in answer.error
    assert sum(asked.metric("kanarya_model_rejected_total").values()) == 1


def test_a_wrong_address_or_method_is_answered(client):
    asked = client()

    assert asked.ask("POST", "/v1/models/rose:predict").error == 'model: got "rose", expected "iris"'
    assert asked.ask("GET", PREDICT).status == 405
    assert predict(asked, {"instances": [ROW]}, headers={"content-type": "text/plain"}).status == 415
