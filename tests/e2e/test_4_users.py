"""An A/B test of two challengers: each user sees one version, also after the split has moved, and the one that serves users
better is promoted."""

import http.client
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import pytest
from e2e_kube import eventually
from e2e_traffic import COLUMNS, GATEWAY, ROWS, TIMEOUT_SECONDS

from kanarya_contracts.names import ConditionType
from kanarya_rollout.ports.verdict import LAG
from kanarya_rollout.sticky import bucket

KEY = "x-user-id"
TEST = {
    "split": 20,
    "rivals": [{"alias": "bold", "split": 20}],
    "sticky": {"header": KEY},
    "goal": {"name": "purchase", "minimumEffect": "0.1"},
    "minimumDuration": "30s",  # long enough for the split to be moved before there is a winner
}
REACHED, BETTER = 0.3, 0.55
"""Share of the users who do what is hoped for: of the champion and the rival, and of the challenger."""
SEEN = 1.0
"""Seconds by which a status may be seen late."""
THREADS = 4
PAUSE = 0.03
"""Seconds between two users of a thread: together about a hundred a second, which two cores carry beside a cluster."""


class Asked(NamedTuple):
    """One request of a user."""

    sent: float
    user: str | None
    status: int
    version: str


class Users(threading.Thread):
    """Users who ask a few times and are then reported, once; those of `regular` never tire, and nobody retries anything."""

    def __init__(self, stop: threading.Event, *, seed: int, regular: list[str], challenger: str) -> None:
        super().__init__(daemon=True)
        self._over, self._chance, self._regular, self._challenger = stop, random.Random(seed), regular, challenger  # noqa: S311
        self._name, self._number = f"t{seed}", 0
        self._http = http.client.HTTPConnection(*GATEWAY, timeout=TIMEOUT_SECONDS)
        self.asked: list[Asked] = []

    def run(self) -> None:
        rows = [line.split(",") for line in ROWS.read_text(encoding="utf-8").splitlines()]
        places = [rows[0].index(column) for column in COLUMNS]
        self._rows = [([float(row[place]) for place in places], row[-1]) for row in rows[1:]]
        while not self._over.is_set():
            self._number += 1
            user = f"{self._name}-{self._number}"
            answers = [self._infer(user) for _ in range(self._chance.randint(1, 3))]
            if answers[-1] is not None:
                self._report(user, *answers[-1])
            self._infer(self._chance.choice(self._regular))
            self._infer(None)
            self._over.wait(PAUSE)
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _infer(self, user: str | None) -> tuple[str, str, str] | None:
        """The version, what it said, and the truth."""
        data, truth = self._chance.choice(self._rows)
        body = {"inputs": [{"name": "X", "shape": [1, len(data)], "datatype": "FP64", "data": data}]}
        sent = time.time()
        status, answer = self._post("/infer", body, user)
        version = answer["model_version"] if status == 200 else ""
        self.asked.append(Asked(sent, user, status, version))
        return (version, answer["outputs"][0]["data"][0], truth) if status == 200 else None

    def _report(self, user: str, version: str, label: str, truth: str) -> None:
        share = BETTER if version == self._challenger else REACHED
        goal = {"name": "purchase", "reached": self._chance.random() < share}
        for feedback in ({"goal": goal}, {"predictions": [label], "labels": [truth]}):
            status, _ = self._post("/feedback", {"model_version": version, **feedback}, user)
            self.asked.append(Asked(time.time(), user, status, ""))

    def _post(self, path: str, body: object, user: str | None) -> tuple[int, Any]:
        headers = {"Host": "iris.example.com", "Content-Type": "application/json"} | ({KEY: user} if user else {})
        try:
            self._http.request("POST", f"/v2/models/iris{path}", json.dumps(body).encode(), headers)
            response = self._http.getresponse()
            content = response.read()
            return response.status, json.loads(content) if response.status == 200 else content
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            return 0, repr(error)


@contextmanager
def crowd(*, challenger: str) -> Iterator[list[Users]]:
    """Users for as long as the block runs, however it ends."""
    regular, over = [f"regular-{number}" for number in range(60)], threading.Event()
    users = [Users(over, seed=seed, regular=regular, challenger=challenger) for seed in range(THREADS)]
    for one in users:
        one.start()
    try:
        yield users
    finally:
        over.set()
        for one in users:
            one.join()


def strategy(kube: Any, value: object) -> None:
    patch = [{"op": "replace", "path": "/spec/strategy", "value": value}]
    kube.run("patch", "modelrollout/iris", "--type=json", "-p", json.dumps(patch))


@pytest.fixture
def users_are_told_apart(kube: Any, calm: str) -> Iterator[None]:
    """iris is rolled out by A/B tests for as long as the test runs, and the gateway has taken the script."""
    before = kube.get("modelrollout", "iris")["spec"]["strategy"]
    strategy(kube, {"abTest": TEST})
    try:
        eventually(lambda: accepted(kube), "Envoy Gateway tells the users of the whole route apart", seconds=60)
        time.sleep(2)  # its Envoy too
        yield
        eventually(lambda: kube.rollout().status.current_step_index is None, "the test is over", seconds=60)
    finally:  # the chapters after this one stand on what was there
        strategy(kube, before)
    eventually(lambda: not kube.get("envoyextensionpolicies"), "the script has gone with the last A/B test", seconds=60)


def accepted(kube: Any) -> bool:
    policy = {one["metadata"]["name"]: one for one in kube.get("envoyextensionpolicies")}["iris-rollout"]
    said = [one for ancestor in policy["status"]["ancestors"] for one in ancestor["conditions"] if one["type"] == "Accepted"]
    current = [one for one in said if one["observedGeneration"] == policy["metadata"]["generation"]]
    wide = all("sectionName" not in target for target in policy["spec"]["targetRefs"])
    return wide and bool(current) and all(one["status"] == "True" for one in current)


def test_each_user_has_one_version_whatever_the_split_does_to_others_and_the_better_one_is_promoted(
    kube: Any, users_are_told_apart: None, seen: Any, registry: Any, report: Any, calm: str
) -> None:
    rival, version = registry.challenge(alias="bold"), registry.challenge()
    with crowd(challenger=version) as users:
        eventually(lambda: kube.rollout().status.canary_weight == 20, "a fifth of the users have the challenger", seconds=120)
        time.sleep(15)
        strategy(kube, {"abTest": {**TEST, "split": 50}})
        eventually(lambda: kube.rollout().status.canary_weight == 50, "half of them have it", seconds=30)
        eventually(lambda: kube.rollout().status.stable.version == version, f"version {version} is promoted", seconds=420)

    asked = sorted(one for each in users for one in each.asked)
    late = LAG.total_seconds() + SEEN
    spans = [(begin + late, end - SEEN, weight) for begin, end, weight in seen.spans() if 0 < weight < 100]
    wrong, counted = [], defaultdict[int, int](int)
    for one in (one for one in asked if one.version):
        for weight in (weight for begin, end, weight in spans if begin <= one.sent < end):
            counted[weight] += 1
            if one.version != whose(one.user, weight, {"champion": calm, "challenger": version, "rival": rival}):
                wrong.append((one, weight))
    goal = next(row for row in kube.rollout().status.evidence if row.metric == "purchase")
    report.add(
        users={
            "requests": len(asked), "lost": sum(one.status != 200 for one in asked), "in a test, at each split": dict(counted),
            "with another version than theirs": len(wrong), "users": len({one.user for one in asked}), "said": goal.message,
        }
    )  # fmt: skip
    assert wrong == []
    assert [one for one in asked if one.status != 200] == []
    assert {weight: n >= 200 for weight, n in counted.items()} == {20: True, 50: True}
    assert goal.verdict == "Successful"
    assert [(one.candidate.version, one.out.reason) for one in kube.rollout().status.rivals] == [(rival, "Outdone")]
    assert kube.rollout().status.condition(ConditionType.PROMOTED).reason == "GatesAgreed"


def whose(user: str | None, weight: int, versions: dict[str, str]) -> str:
    """Who is to answer: buckets below the weight are the challenger's, the next twenty its rival's, the rest the champion's."""
    salt = "+".join(sorted([versions["challenger"], versions["rival"]]))
    number = bucket(user, salt=f"iris/{salt}") if user else None
    if number is None or number >= weight + TEST["rivals"][0]["split"]:
        return versions["champion"]
    return versions["challenger"] if number < weight else versions["rival"]


def test_a_report_of_somebody_who_is_in_no_test_is_refused(users_are_told_apart: None) -> None:
    one = Users(threading.Event(), seed=0, regular=[], challenger="")
    goal = {"model_version": "1", "goal": {"name": "purchase", "reached": True}}

    with closing(one):
        nobody, somebody = one._post("/feedback", goal, None), one._post("/feedback", goal, "somebody")

    assert (nobody[0], somebody[0]) == (400, 200)


def test_a_score_is_counted_between_the_bounds_that_the_gateway_says_and_refused_outside(
    kube: Any, users_are_told_apart: None
) -> None:
    one, mean = Users(threading.Event(), seed=0, regular=[], challenger=""), {"name": "revenue", "minimumEffect": "5"}

    def answers() -> list[int]:
        reports = [{"model_version": "1", "goal": {"name": "revenue", "score": score}} for score in (12.5, 100, 100.5, -1)]
        return [one._post("/feedback", report, "somebody")[0] for report in reports]

    with closing(one):
        assert answers() == [400] * 4  # the test is about a purchase
        strategy(kube, {"abTest": {**TEST, "goal": {**mean, "scores": {"high": "100"}}}})
        eventually(lambda: answers() == [200, 200, 400, 400], "the gateway says the goal's bounds", seconds=60)
