"""`kanarya replay`: lines in, lines out, and what is said of a line that cannot be read."""

import io
import json
import sys

import pytest
from typer.testing import CliRunner

from kanarya_cli.app import app
from kanarya_cli.commands.replay import _converse
from kanarya_cli.windows import Conversation
from kanarya_contracts.problems import InvalidInput
from kanarya_contracts.testing import rollout

DOCUMENTED = (
    '{"seconds": 60, "weight": 10, "candidate": {"requests": 120, "errors": 1, "slow": 4, "labels": 80, "right": 71}, '
    '"stable": {"requests": 1080, "errors": 5, "slow": 40, "labels": 700, "right": 640}}'
)


def conversation() -> Conversation:
    return Conversation(rollout(), source="windows.jsonl", patient=True)


def said(line: str, *, before: int = 0) -> list[str]:
    talk = conversation()
    for _ in range(before):
        talk.answer(DOCUMENTED.encode())
    with pytest.raises(InvalidInput) as caught:
        talk.answer(line.encode())
    return str(caught.value).splitlines()


def window(**changes) -> str:
    return json.dumps({**json.loads(DOCUMENTED), **changes})


def test_the_documented_line_is_answered_in_the_documented_form():
    answer = json.loads(conversation().answer(DOCUMENTED.encode()))
    assert list(answer)[:4] == ["window", "verdict", "gates", "weight"]
    assert (answer["window"], answer["verdict"]) == (1, "Inconclusive")
    assert answer["gates"]["error-rate"]["verdict"] == "Inconclusive"


def test_rollouts_of_one_stream_do_not_know_of_each_other():
    apart, mixed = conversation(), conversation()
    alone = [json.loads(apart.answer(DOCUMENTED.encode())) for _ in range(3)]
    for number in range(3):
        for name in ("a", "b"):
            answer = json.loads(mixed.answer(window(rollout=name).encode()))
            assert answer.pop("rollout") == name
            assert answer == alone[number]


def test_an_empty_line_is_no_window():
    talk = conversation()
    assert talk.answer(b"\n") is None
    assert json.loads(talk.answer(DOCUMENTED.encode()))["window"] == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nonsense", "is not JSON: expected ident at line 1 column 2"),
        ("[1]", "got a list of 1, expected a mapping"),
        (window(seconds=0), "seconds: got 0, expected more than 0"),
        (window(weight=10.5), "weight: got 10.5, expected a whole number"),
        (window(weight="10"), "weight: got '10', expected a whole number"),
        (window(weight=101), "weight: got 101, expected 100 or less"),
        (window(candidate={"request": 5}), "candidate.request: is not a known field"),
        (window(stable={"requests": -1}), "stable.requests: got -1, expected 0 or more"),
        (window(stable={"scores": 1, "scoreSum": -2}), "stable.scoreSum: got -2, expected 0 or more"),
        (
            window(stable={"requests": 5, "errors": 6}),
            "stable.errors: got 6, expected 5 or less, which is the number of requests",
        ),
        (window(stable={"labels": 5, "right": 6}), "stable.right: got 6, expected 5 or less, which is the number of labels"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_number_and_field(line: str, expected: str):
    assert said(line, before=2)[1:] == [f"  line 3: {expected}"]


def test_every_problem_of_a_line_is_said_at_once():
    assert len(said(window(weight=-1, seconds=-1, stabel={}))) == 4


def test_a_line_that_was_refused_changes_nothing():
    talk, other = conversation(), conversation()
    with pytest.raises(InvalidInput):
        talk.answer(window(weight=200).encode())
    assert talk.answer(DOCUMENTED.encode()) == other.answer(DOCUMENTED.encode())


def test_the_command_answers_a_file_and_standard_input_alike(tmp_path):
    manifest, windows = "manifests/iris/modelrollout.yaml", tmp_path / "windows.jsonl"
    windows.write_text(f"{DOCUMENTED}\n{DOCUMENTED}")
    from_file = CliRunner().invoke(app, ["replay", manifest, str(windows)])
    from_pipe = CliRunner().invoke(app, ["replay", manifest, "-"], input=windows.read_bytes())
    assert from_file.exit_code == 0
    assert from_file.output == from_pipe.output
    assert [json.loads(line)["window"] for line in from_file.output.splitlines()] == [1, 2]


def test_each_line_is_answered_before_the_next_is_read(monkeypatch):
    """A program that looks at the answer before it writes its next line."""
    heard = io.StringIO()

    class Program(io.RawIOBase):
        written = 0

        def __iter__(self):
            while self.written < 3:
                assert len(heard.getvalue().splitlines()) == self.written
                self.written += 1
                yield DOCUMENTED.encode()

    monkeypatch.setattr(sys, "stdout", heard)
    _converse(conversation(), Program())
    assert len(heard.getvalue().splitlines()) == 3


def test_windows_of_users_are_answered_with_the_interval_and_more_who_reached_it_than_there_are_is_refused():
    test = {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.01"}}
    talk = Conversation(rollout(strategy={"ab_test": test}), source="windows.jsonl", patient=True)
    line = '{"seconds": 60, "weight": 50, "candidate": {"users": 40, "reached": 12}, "stable": {"users": 40, "reached": 10}}'
    goal = json.loads(talk.answer(line.encode()))["gates"]["purchase"]
    interval = {name: float(value) for name, value in goal["interval"].items()}
    assert (interval["difference"], interval["level"]) == (0.05, 0.95)
    assert interval["low"] < interval["difference"] < interval["high"]
    assert said(window(candidate={"users": 3, "reached": 4}))[1:] == [
        "  line 1: candidate.reached: got 4, expected 3 or less, which is the number of users"
    ]


def test_windows_of_users_scores_are_answered_in_their_unit_and_sums_that_cannot_be_are_refused():
    goal = {"name": "revenue", "minimumEffect": "5", "scores": {"low": "-10", "high": "90"}}
    test = {"sticky": {"header": "x-user-id"}, "goal": goal}
    talk = Conversation(rollout(strategy={"abTest": test}), source="windows.jsonl", patient=True)
    side = {"users": 40, "goalSum": 1200, "goalSquares": 60_000}
    line = {"seconds": 60, "weight": 50, "candidate": side, "stable": {**side, "goalSum": 1000}}
    said = json.loads(talk.answer(json.dumps(line).encode()))["gates"]["revenue"]
    assert said["message"].startswith("a mean of 30 over 40 users, of 25 over the champion's 40: +5 (")
    assert float(said["interval"]["low"]) < 5 < float(said["interval"]["high"])
    bad = {"candidate": {"users": 0, "goalSum": 1_234_567}, "stable": {"users": 40, "goalSum": 1000, "goalSquares": 116_001}}
    with pytest.raises(InvalidInput) as caught:
        talk.answer(json.dumps({**line, **bad}).encode())
    assert [str(one) for one in caught.value.problems] == [
        "line 2: candidate.goalSum: got 1234567, expected 0 to 0 for 0 users with scores -10..90",
        "line 2: stable.goalSquares: got 116001, expected 25000 to 116000 for 40 users with scores -10..90 that sum to 1000",
    ]
