"""What became of a user of an A/B test: counted once, for the version the user had, if the gateway has drawn the user; and a
score, if it lies between the bounds that the gateway says."""

import json

import pytest

USERS, REACHED = "kanarya_model_goal_units_total", "kanarya_model_goal_reached_total"
SCORES = tuple(f"kanarya_model_goal_{name}_total" for name in ("scores", "score_sum", "score_squares"))
OUTSIDE = "kanarya_model_goal_outside_total"


def report(asked, *, drawn=True, scores=None, version="2", goal=None, **more):
    body = {"model_version": version, "goal": {"name": "purchase", "reached": True} if goal is None else goal, **more}
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content))}
    if drawn:
        headers["x-kanarya-bucket"] = "07"
    if scores is not None:
        headers["x-kanarya-scores"] = scores
    return asked.ask("POST", "/v2/models/iris/feedback", content, headers=headers)


def test_users_are_counted_with_those_who_reached_the_goal_for_the_version_that_they_had(client):
    asked = client()

    answers = [report(asked, goal={"name": "purchase", "reached": reached}) for reached in (True, False, False)]
    report(asked, version="1", goal={"name": "click", "reached": False})

    assert [answer.json() for answer in answers] == [{"counted": 1}] * 3
    assert asked.metric(USERS) == {
        '{goal="purchase",model="iris",version="2"}': 3,
        '{goal="click",model="iris",version="1"}': 1,
    }
    assert asked.metric(REACHED) == {
        '{goal="purchase",model="iris",version="2"}': 1,
        '{goal="click",model="iris",version="1"}': 0,
    }
    assert set(asked.metric("kanarya_model_requests_total").values()) == {0}


def test_who_was_not_drawn_by_a_gateway_is_no_evidence(client):
    asked = client()

    answer = report(asked, drawn=False)

    assert answer.status == 400
    assert answer.error.startswith("goal: got a report without x-kanarya-bucket, expected one through the gateway")
    assert asked.metric(USERS) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"goal": "purchase"}, 'goal: got the string "purchase", expected an object with name, reached'),
        ({"goal": {"name": "purchase"}}, "goal.reached: is missing and required"),
        ({"goal": {"name": "purchase", "reached": 1}}, "goal.reached: got the number 1, expected true or false"),
        ({"goal": {"name": "a b", "reached": True}}, 'goal.name: got the string "a b", expected 1 to 63'),
        ({"goal": {"name": "purchase", "reached": True, "users": 5}}, 'got the member "goal.users", expected name, reached'),
        ({"version": 2}, "model_version: got the number 2"),
        ({"labels": ["setosa"]}, 'got the member "labels", expected model_version, goal'),
    ],
)
def test_a_report_that_cannot_be_counted_is_refused(client, change, words):
    asked = client()

    answer = report(asked, **change)

    assert answer.status == 400
    assert words in answer.error
    assert asked.metric(USERS) == {}


def test_scores_are_counted_with_their_sum_and_squares_as_shares_of_the_way_between_the_bounds_that_the_gateway_says(client):
    asked = client()

    reports = [{"scores": "revenue 0..500", "goal": {"name": "revenue", "score": score}} for score in (0, 500, 125.0)]
    reports.append({"scores": "revenue -100..100", "goal": {"name": "revenue", "score": -50}})
    answers = [report(asked, **one) for one in reports]
    report(asked, scores="revenue 0..500", goal={"name": "purchase", "reached": True})

    assert [answer.json() for answer in answers] == [{"counted": 1}] * 4
    labels = [f'{{bounds="{bounds}",goal="revenue",model="iris",version="2"}}' for bounds in ("0..500", "-100..100")]
    counted = [asked.metric(name) for name in SCORES]
    assert counted == [dict(zip(labels, values, strict=True)) for values in ((3, 1), (1.25, 0.25), (1.0625, 0.0625))]
    assert asked.metric(USERS) == {'{goal="purchase",model="iris",version="2"}': 1}


@pytest.mark.parametrize(
    ("goal", "scores", "words"),
    [
        ({"score": "12"}, "revenue 0..500", 'goal.score: got the string "12", expected a number from 0 to 500'),
        ({"score": True}, "revenue 0..500", "goal.score: got true, expected a number from 0 to 500"),
        ({"score": None}, "revenue 0..500", "goal.score: got null, expected a number from 0 to 500"),
        ({"reached": True}, "revenue 0..500", 'got the member "goal.reached", expected name, score'),
        ({}, "revenue 0..500", "goal.score: is missing and required"),
        (
            {"score": 5},
            None,
            'a score of the goal the string "revenue", and the A/B test in front of this server has no goal that is',
        ),
        ({"score": 5}, "profit 0..500", 'the A/B test in front of this server has the goal "profit"'),
        ({"score": 5}, "revenue 0-500", 'x-kanarya-scores: got "revenue 0-500", expected a goal and its bounds'),
        ({"score": 5}, "revenue 5..5", 'x-kanarya-scores: got "revenue 5..5", expected a goal and its bounds'),
        ({"score": 5}, f"revenue 0..{'9' * 41}", 'x-kanarya-scores: got "revenue 0..9'),
    ],
)
def test_a_score_that_the_test_in_front_does_not_ask_for_is_refused_and_in_no_counter(client, goal, scores, words):
    asked = client()

    answer = report(asked, scores=scores, goal={"name": "revenue", **goal})

    assert answer.status == 400
    assert words in answer.error
    assert [asked.metric(name) for name in (USERS, *SCORES, OUTSIDE)] == [{}] * 5


@pytest.mark.parametrize(
    ("score", "said"), [(500.01, "the number 500.01"), (-1, "the number -1"), (10**18, f"the number {10**18}")]
)
def test_a_score_outside_of_its_bounds_is_refused_and_counted_as_that_alone(client, score, said):
    asked = client()

    answer = report(asked, scores="revenue 0..500", goal={"name": "revenue", "score": score})

    assert answer.status == 400
    expected = f"goal.score: got {said}, expected a number from 0 to 500, as the rollout's strategy.abTest.goal.scores says"
    assert answer.error == expected
    counted = [set(asked.metric(name).values()) for name in (*SCORES, OUTSIDE)]
    assert counted == [{0.0}, {0.0}, {0.0}, {1.0}]


def test_a_goal_too_many_is_refused_and_those_that_are_known_go_on(client):
    asked = client()

    answers = [report(asked, goal={"name": f"goal-{number}", "reached": True}) for number in range(40)]

    assert [answer.status for answer in answers] == [200] * 32 + [413] * 8
    assert "32 goals at most" in answers[-1].error
    assert report(asked, goal={"name": "goal-0", "reached": False}).status == 200
