"""Windows through `decide`: what becomes of a rollout, one window at a time."""

import pytest

from kanarya_rollout.gates import Pairs
from kanarya_rollout.replay import Counts, Replay
from kanarya_rollout.testing import ACCURACY, ERRORS, a_rollout

SPLIT = {"name": "split", "test": "sample-ratio"}


def counts(n: int, *, errors: float = 0.0, wrong: float = 0.0, **more) -> Counts:
    return Counts(requests=n, errors=round(n * errors), labels=n, right=n - round(n * wrong), **more)


def run(replay: Replay, windows: int, *, candidate=None, stable=None, weight=None, n: int = 1000):
    """Windows of `n` requests, split as the replay asks for or at a fixed weight; the last answer."""
    for _ in range(windows):
        share = replay.weight if weight is None else weight
        answer = replay.step(
            seconds=60,
            weight=share,
            candidate=counts(n * share // 100, **(candidate or {})),
            stable=counts(n - n * share // 100, **(stable or {})),
        )
    return answer


def test_it_begins_at_the_first_step():
    replay = Replay(a_rollout())
    assert (replay.weight, replay.status.candidate.version, replay.status.stable.version) == (10, "2", "1")


def test_a_candidate_as_good_as_the_champion_is_promoted_step_by_step():
    replay, weights = Replay(a_rollout(metrics=[ERRORS, ACCURACY])), []
    for _ in range(20):
        weights.append(replay.weight)
        run(replay, 1)
    assert weights == sorted(weights)
    assert set(weights) == {10, 50, 100}
    assert run(replay, 1).verdict == "Successful"


def test_one_that_fails_ten_times_as_often_is_rolled_back_and_stays_so():
    replay = Replay(a_rollout(metrics=[ERRORS, ACCURACY]))
    answer = run(replay, 10, candidate={"errors": 0.2}, stable={"errors": 0.02})
    assert (answer.verdict, answer.weight) == ("Failed", 0)
    assert "error-rate: " in answer.message
    assert run(replay, 50) is answer


def test_windows_recorded_at_one_weight_lead_through_every_step():
    assert run(Replay(a_rollout(metrics=[ERRORS])), 20, weight=10).verdict == "Successful"


def test_nothing_is_promoted_on_no_data():
    answer = run(Replay(a_rollout(metrics=[ERRORS, ACCURACY])), 500, n=0)
    assert (answer.verdict, answer.weight) == ("Inconclusive", 10)
    assert {one.verdict for one in answer.evidence} == {"NoData"}


@pytest.mark.parametrize(("policy", "verdict"), [("pause", "Inconclusive"), ("rollback", "Failed"), ("promote", "Successful")])
def test_time_is_what_the_windows_say(policy: str, verdict: str):
    replay = Replay(a_rollout(metrics=[{**ERRORS, "minSamples": 0}], deadline="30m", onInconclusive=policy))
    answer = run(replay, 29, n=20)
    assert answer.verdict == "Inconclusive"
    assert run(replay, 1, n=20).verdict == verdict


def test_a_pause_for_a_person_stands_unless_people_are_quick():
    steps = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}]
    assert run(Replay(a_rollout(steps=steps)), 20).weight == 10
    assert run(Replay(a_rollout(steps=steps), patient=False), 20).verdict == "Successful"


def test_what_is_missing_is_said_with_the_time_that_it_takes():
    # 60 seconds of 10 requests: 430 more at 10 a minute
    (found,) = run(Replay(a_rollout(metrics=[{**ERRORS, "minSamples": 0}])), 2, n=100, weight=10).evidence
    assert found.message == "20 of about 440 candidate requests needed, at this rate 21m"


def test_slow_is_what_a_window_says_whatever_the_bound():
    gate = {"name": "latency", "test": "sequential-ratio", "margin": {"tolerate": "1.2", "refuse": "2.0"}}
    answer = run(Replay(a_rollout(metrics=[gate])), 10, candidate={"slow": 30}, stable={"slow": 30}, weight=10)
    assert answer.verdict == "Failed"
    assert answer.evidence[0].candidate.bad == 30


def test_nothing_is_promoted_on_a_split_that_was_not_real():
    spec = a_rollout(metrics=[ERRORS, SPLIT], steps=[{"setWeight": 10}, {"setWeight": 20}])
    assert run(Replay(spec), 20).verdict == "Successful"
    replay = Replay(spec)
    for _ in range(20):
        answer = replay.step(seconds=60, weight=replay.weight, candidate=counts(500), stable=counts(500))
    assert answer.verdict == "Inconclusive"
    assert "not the split that was asked for" in answer.evidence[1].message


def test_scores_and_predictions_are_evidence_too():
    gates = [
        {"name": "revenue", "test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-5"}, "scores": {"high": "50"}},
        {"name": "classes", "test": "distribution", "margin": {"tolerate": "0.02", "refuse": "0.2"}},
    ]
    replay = Replay(a_rollout(metrics=gates))
    shop = {"scores": 100, "score_sum": 2_000_000_000, "score_squares": 41_000_000_000, "predictions": {"a": 50, "b": 50}}
    first = run(replay, 1, candidate=shop, stable=shop)
    assert [one.candidate.n for one in first.evidence] == [100, 100]
    assert run(replay, 20, candidate=shop, stable=shop).verdict == "Successful"
    poor = {**shop, "score_sum": 1_000_000_000, "score_squares": 11_000_000_000}
    assert run(Replay(a_rollout(metrics=gates)), 20, candidate=poor, stable=shop).verdict == "Failed"


def test_in_a_mirror_step_the_candidates_counts_are_copies_and_it_says_how_many_to_make_next():
    steps = [{"setMirror": {"percentage": 100}}, {"setWeight": 50}]
    replay = Replay(a_rollout(metrics=[ERRORS, SPLIT], steps=steps))
    assert (replay.weight, replay.status.canary_mirror) == (0, 100)
    first = replay.step(seconds=60, weight=0, candidate=counts(40), stable=counts(40))
    assert (first.weight, first.mirror, first.evidence[0].candidate.n) == (0, 100, 40)
    second = replay.step(seconds=60, weight=0, candidate=counts(40), stable=counts(40))
    assert (second.weight, second.mirror, second.evidence[0].candidate.n) == (50, 0, 80)
    assert run(replay, 3).verdict == "Successful"


def test_pairs_are_what_a_gate_on_them_is_told():
    paired = {"name": "paired", "test": "sequential-pairs", "margin": {"tolerate": "0", "refuse": "-0.05"}}
    steps = [{"setMirror": {"percentage": 100}}, {"analysis": {"until": ["paired"]}}, {"setWeight": 50}]
    good, bad = (Replay(a_rollout(metrics=[ERRORS, paired], steps=steps)) for _ in range(2))
    same, worse = Pairs(both=90, lost=1, won=1, neither=8), Pairs(both=80, lost=11, won=1, neither=8)
    for replay, pairs in ((good, same), (bad, worse)):
        for _ in range(4):
            answer = replay.step(seconds=60, weight=0, candidate=counts(100), stable=counts(100), pairs=pairs)
    assert (good.weight, answer.verdict) == (50, "Failed")
    assert answer.evidence[1].candidate.n == 200
    assert "the stable version alone on 22" in answer.message


def test_a_fork_goes_its_own_way():
    replay = Replay(a_rollout(metrics=[ERRORS, ACCURACY]))
    run(replay, 1)
    begun, good, bad = replay.status, replay.fork(), replay.fork()
    assert run(bad, 10, candidate={"errors": 0.2}, stable={"errors": 0.02}).verdict == "Failed"
    assert run(good, 20).verdict == "Successful"
    assert replay.status == begun
    assert run(replay, 20).verdict == "Successful"
