"""Simulated rollouts: ours over arrays decides as `decide` does, window by window; rules do what their tools document."""

import numpy as np
import pytest

from kanarya_cli.simulation import evidence
from kanarya_cli.simulation.ours import Ours
from kanarya_cli.simulation.rules import PROMOTED, RIVALS, ROLLED_BACK, UNDECIDED
from kanarya_cli.simulation.run import Recording, run
from kanarya_cli.simulation.traffic import Scenario, Seen, Traffic, Version
from kanarya_rollout.replay import Counts, Replay
from kanarya_rollout.testing import ACCURACY, ERRORS, a_rollout

LATENCY = {
    "name": "latency",
    "test": "sequential-ratio",
    "slowerThan": "1s",
    "margin": {"tolerate": "1.2", "refuse": "2.0"},
    "alpha": "0.05",
}
CEILING = {"name": "error-rate-ceiling", "test": "threshold", "failureCondition": "> 0.2", "minSamples": 20}
GOOD, BAD = Version(errors=0.01, slow=0.05, accuracy=0.9), Version(errors=0.04, slow=0.05, accuracy=0.85)
TROUBLES = {"resets": 0.05, "missing": 0.2, "restarts": 0.1, "labels": 0.7, "label_delay": 5, "varying": True}
SPECS = {
    "weights": a_rollout(metrics=[ERRORS], steps=[{"setWeight": 5}, {"setWeight": 25}, {"setWeight": 50}], deadline="40m"),
    "everything": a_rollout(
        metrics=[{**ERRORS, "margin": {"tolerate": "1.2", "refuse": "2.0"}}, LATENCY, ACCURACY, CEILING],
        steps=[
            {"setWeight": 10}, {"pause": {"duration": "3m"}}, {"setWeight": 25},
            {"analysis": {"until": ["accuracy"]}}, {"setWeight": 50},
        ],
        analysis={"initialDelay": "2m"},
    ),
    "mirror first": a_rollout(
        metrics=[{**ERRORS, "margin": {"tolerate": "1.2", "refuse": "2.0"}}, LATENCY, {**ACCURACY, "minSamples": 20}],
        steps=[
            {"setMirror": {"percentage": 50}}, {"analysis": {"until": ["error-rate"]}}, {"setWeight": 20},
            {"pause": {"duration": "2m"}}, {"setWeight": 50},
        ],
    ),
    "lets some readings pass": a_rollout(
        metrics=[ERRORS, {**CEILING, "failureCondition": "> 0.015", "failureLimit": 3}], steps=[{"setWeight": 10}]
    ),
    "rolls back when time is over": a_rollout(
        metrics=[{**ERRORS, "minSamples": 0}, {**ACCURACY, "onNoData": "pass"}], deadline="10m", onInconclusive="rollback"
    ),
}  # fmt: skip


def window(seen: Seen, index: int) -> Counts:
    n, errors, slow, labels, right = (int(one[index]) for one in seen.arrays())
    return Counts(requests=n, errors=errors, slow=slow, labels=labels, right=right)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(("candidate", "rate"), [(GOOD, 3.0), (BAD, 3.0), (GOOD, 0.1)])
def test_ours_over_arrays_decides_as_the_controller_does_window_by_window(name, candidate, rate):
    spec, scenario = SPECS[name], Scenario(rate=rate, stable=GOOD, candidate=candidate, **TROUBLES)
    recording = Recording(rollouts=[0, 1])
    run(Ours(spec, 3), scenario, rollouts=3, minutes=90, seed=7, recording=recording)
    outcomes = {"Inconclusive": UNDECIDED, "Successful": PROMOTED, "Failed": ROLLED_BACK}
    for index in recording.rollouts:
        replay = Replay(spec, patient=False)
        for (ours, theirs), (weight, outcome) in zip(recording.windows, recording.answers, strict=True):
            answer = replay.step(seconds=60, weight=replay.weight, candidate=window(ours, index), stable=window(theirs, index))
            assert (answer.weight, outcomes[answer.verdict]) == (weight[index], outcome[index])
            if answer.verdict != "Inconclusive":
                break


@pytest.mark.parametrize(
    ("name", "minutes", "exposed"),
    [
        ("Flagger, as documented", 5, 60 * (10 + 20 + 30 + 40 + 50)),
        ("Argo Rollouts, as documented", 40, 600 * (20 + 40 + 60 + 80)),
        ("alarm at 1 %", 20, 600 * (10 + 100)),
        ("Mann-Whitney, as Kayenta", 60, 3600 * 10),
        ("z-test each minute", 50, 3000 * 10),
    ],
)
def test_a_rule_promotes_a_candidate_that_never_fails_when_its_tool_would(name, minutes, exposed):
    perfect = Version()
    result = run(RIVALS[name](4), Scenario(rate=100.0, stable=perfect, candidate=perfect), rollouts=4, minutes=120, seed=1)
    assert (result.outcome == PROMOTED).all()
    assert (result.minutes == minutes).all()
    assert result.exposed == pytest.approx(np.full(4, exposed), rel=0.05)


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("Flagger, as documented", 5),
        ("Argo Rollouts, as documented", 20),
        ("strict 99 %", 5),
        ("alarm at 1 %", 1),
        ("Mann-Whitney, as Kayenta", 60),
        ("z-test each minute", 1),
    ],
)
def test_a_rule_rolls_back_a_candidate_that_always_fails_when_its_tool_would(name, minutes):
    result = run(
        RIVALS[name](4),
        Scenario(rate=100.0, stable=Version(), candidate=Version(errors=1.0)),
        rollouts=4, minutes=120, seed=1,
    )  # fmt: skip
    assert (result.outcome == ROLLED_BACK).all()
    assert (result.minutes == minutes).all()


def test_nothing_is_promoted_without_traffic():
    silent = Scenario(rate=0.0, stable=GOOD, candidate=GOOD)
    result = run(Ours(SPECS["weights"], 5), silent, rollouts=5, minutes=60, seed=1)
    assert (result.outcome == UNDECIDED).all()
    assert not result.exposed.any()


def test_what_is_not_scraped_comes_with_the_next_scrape_and_labels_come_late():
    scenario = Scenario(rate=10.0, stable=GOOD, candidate=GOOD, missing=0.5, restarts=0.2, labels=1.0, label_delay=3)
    traffic = Traffic(scenario, 50, np.random.default_rng(3))
    counted, answered, labels = np.zeros(50), np.zeros(50), []
    for now in range(200):
        candidate, _, n = traffic.minute(now, np.full(50, 50.0), np.zeros(50))
        counted, answered = counted + candidate.requests, answered + n
        labels.append(candidate.labels.sum())
    assert counted == pytest.approx(answered, rel=0.1)
    assert sum(labels[:3]) == 0
    assert sum(labels) == pytest.approx(answered.sum(), rel=0.05)


def test_a_process_that_begins_anew_loses_requests_and_never_invents_any():
    scenario = Scenario(rate=10.0, stable=GOOD, candidate=BAD, resets=1.0, labels=0.5)
    candidate, _, answered = Traffic(scenario, 200, np.random.default_rng(3)).minute(0, np.full(200, 50.0), np.zeros(200))
    assert (candidate.requests <= answered).all()
    assert candidate.requests.sum() == pytest.approx(answered.sum() / 2, rel=0.1)
    assert (candidate.errors + candidate.slow <= candidate.requests).all()
    assert (candidate.right <= candidate.labels).all()


def test_the_same_seed_gives_the_same_rollouts():
    one, other = (
        run(Ours(SPECS["weights"], 20), Scenario(rate=2.0, stable=GOOD, candidate=BAD), rollouts=20, minutes=60, seed=5)
        for _ in range(2)
    )
    assert (one.minutes == other.minutes).all()
    assert (one.exposed == other.exposed).all()


def test_a_guard_compares_as_its_condition_says():
    spec = a_rollout(metrics=[CEILING]).spec.analysis.metrics[0]
    guard, zeros = evidence.Guard(spec, 3), np.zeros(3, np.int64)
    seen = Seen(requests=np.array([10, 100, 100]), errors=np.array([9, 20, 21]), slow=zeros, labels=zeros, right=zeros)
    guard.look(np.arange(3), seen, seen)
    assert list(guard.verdicts(np.arange(3))) == [evidence.INCONCLUSIVE, evidence.SUCCESSFUL, evidence.FAILED]
