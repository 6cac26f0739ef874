"""Simulated A/B tests end as the controller ends them, on the same windows."""

import numpy as np
import pytest

from kanarya_cli.simulation.users import LOOKS, Fate, Users, UserStudy
from kanarya_rollout.replay import Counts, Replay
from kanarya_rollout.testing import a_rollout

TEST = {"split": 40, "sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.1"}}
CEILING = {"name": "error-rate-ceiling", "test": "threshold", "failureCondition": "> 0.9", "minSamples": 0}
"""A gate that is content: a simulation of users takes gates as satisfied."""
ENDS = {"Successful": "winner", "Failed": ("no difference", "loser"), "Inconclusive": "not enough data"}


@pytest.mark.parametrize("difference", [0.0, 0.1, -0.1, 0.2])
@pytest.mark.parametrize("duration", ["0s", "48h"])
def test_a_simulated_test_ends_when_and_as_a_replay_of_its_windows_does(difference: float, duration: str):
    spec = a_rollout(strategy={"abTest": {**TEST, "minimumDuration": duration}}, metrics=[CEILING], deadline="200h")
    study = UserStudy(spec=spec.spec, users=Users(rate=500 / 86_400, mean=0.3), tests=3, seed=3)
    fate = Fate(name="", difference=difference, right="winner")
    for number in range(3):
        ended = study.one(fate, number)
        chance, replay = np.random.default_rng([3, number]), Replay(spec)
        one = Counts(requests=1)
        replay.step(seconds=1, weight=40, candidate=one, stable=one)  # minimumDuration counts from the first request
        seconds = spec.spec.deadline.total_seconds() / LOOKS
        for look in range(1, LOOKS):  # at the last one the deadline decides
            (n_c, bad_c), (n_s, bad_s) = (
                study._drawn(chance, share * seconds, by) for share, by in ((0.4, difference), (0.6, 0.0))
            )
            ours, theirs = (Counts(requests=n, users=n, reached=n - bad) for n, bad in ((n_c, bad_c), (n_s, bad_s)))
            answer = replay.step(seconds=seconds, weight=40, candidate=ours, stable=theirs)
            if answer.verdict != "Inconclusive":
                assert ended.ending in ENDS[answer.verdict]
                assert ended.seconds == pytest.approx(look * seconds)
                break
        else:
            assert ended.seconds >= (LOOKS - 1) * seconds
