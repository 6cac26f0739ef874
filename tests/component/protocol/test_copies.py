"""A request that a gateway has copied here: answered like any other, counted apart, paired with the label that comes back."""

import json

import pytest

COPY = {"x-kanarya-mirrored-to": "2"}
OTHERS = {"x-kanarya-mirrored-to": "3"}
SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]
OWN = 'model="iris",version="2"'


def body(*rows, **more):
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "X", "shape": [len(rows), 4], "datatype": "FP64", "data": data}], **more}


def ask(asked, path, document, headers):
    return asked.ask("POST", f"/v2/models/iris/{path}", json.dumps(document).encode(), headers=headers)


def told(asked, predictions, labels, ids, version="1", headers=COPY):
    return ask(asked, "feedback", {"model_version": version, "predictions": predictions, "labels": labels, "ids": ids}, headers)


def pairs(asked):
    series = asked.metric("kanarya_model_pairs_total")
    return {
        (champion, challenger): series[f'{{challenger="{challenger}",champion="{champion}",{OWN}}}']
        for champion in ("right", "wrong")
        for challenger in ("right", "wrong")
    }


def test_a_copy_is_answered_as_a_request_is_and_counted_where_no_answer_is(client):
    asked = client()
    before = {name: asked.metric(f"kanarya_model_{name}") for name in ("requests_total", "predictions_total")}

    answers = [ask(asked, "infer", body(SETOSA), headers) for headers in ({}, OTHERS, COPY)]
    refused = ask(asked, "infer", {}, COPY)

    assert len({answer.body for answer in answers}) == 1
    assert refused.status == 400
    assert asked.metric("kanarya_model_requests_total") == before["requests_total"] | {
        f'{{code="200",edge="v2-rest",{OWN}}}': 2
    }
    assert asked.metric("kanarya_model_mirrored_requests_total") == {
        f'{{code="{code}",{OWN}}}': count for code, count in ((200, 1), (400, 1), (500, 0), (503, 0))
    }
    assert asked.metric("kanarya_model_request_duration_seconds_count") == {f"{{{OWN}}}": 2}
    assert asked.metric("kanarya_model_mirrored_request_duration_seconds_count") == {f"{{{OWN}}}": 1}
    assert asked.metric("kanarya_model_predictions_total")[f'{{class="setosa",{OWN}}}'] == 2
    assert asked.metric("kanarya_model_mirrored_predictions_total")[f'{{class="setosa",{OWN}}}'] == 1
    assert asked.metric("kanarya_model_requests_in_flight") == {f"{{{OWN}}}": 0}


def test_the_label_of_a_copied_request_says_which_of_the_two_versions_was_right(client):
    asked = client()
    assert set(pairs(asked).values()) == {0}
    for identity in "abcd":
        ask(asked, "infer", body(SETOSA, id=identity), COPY)  # setosa, says this version

    told(asked, ["setosa", "virginica"], ["setosa", "setosa"], ["a", "b"])
    told(asked, ["virginica", "versicolor"], ["virginica", "virginica"], ["c", "d"])

    assert pairs(asked) == {("right", "right"): 1, ("wrong", "right"): 1, ("right", "wrong"): 1, ("wrong", "wrong"): 1}
    assert set(asked.metric("kanarya_model_feedback_total").values()) == {0}  # the champion's server counts the label


@pytest.mark.parametrize("headers", [{}, OTHERS])
def test_an_answer_that_somebody_got_makes_no_pair(client, headers):
    asked = client()
    ask(asked, "infer", body(SETOSA, id="a"), headers)
    told(asked, ["setosa"], ["setosa"], ["a"])
    ask(asked, "infer", body(SETOSA, id="b"), COPY)
    told(asked, ["setosa"], ["setosa"], ["b"], headers=headers)
    told(asked, ["setosa"], ["setosa"], ["b"], version="2")  # its own answer, asked for by number
    assert set(pairs(asked).values()) == {0}


def test_the_rows_of_a_request_are_paired_each(client):
    asked = client()
    ask(asked, "infer", body(SETOSA, VIRGINICA, id="two"), COPY)
    told(asked, ["setosa", "setosa"], ["setosa", "virginica"], ["two", "two"])
    assert pairs(asked)["right", "right"] == 1
    assert pairs(asked)["wrong", "right"] == 1


def test_feedback_with_ids_is_counted_as_feedback_without(client):
    asked = client()
    answer = told(asked, ["setosa", "setosa"], ["setosa", "virginica"], ["a", "b"], version="2", headers={})
    assert answer.json() == {"counted": 2}
    assert asked.metric("kanarya_model_feedback_total")['{model="iris",outcome="wrong",version="2"}'] == 1


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["a"], "ids: got a list of 1, expected a list of one for each of 2 predictions"),
        ("ab", 'ids: got the string "ab"'),
        (["a", 7], "ids[1]: got the number 7, expected the request's id, a string"),
    ],
)
def test_ids_that_name_no_requests_are_refused(client, ids, words):
    answer = told(client(), ["setosa"] * 2, ["setosa"] * 2, ids)
    assert answer.status == 400
    assert words in answer.error
