"""Requests copied by Envoy as it is to a real model server: who answers, who counts what, and when it stops."""

import itertools
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_iris

from kanarya_cli.local import launch
from kanarya_cli.local.ports import HOST, claim
from kanarya_cli.local.processes import Processes, environment
from kanarya_cli.local.scrape import ScrapedMetrics
from kanarya_cli.local.serving import LocalServing
from kanarya_cli.local.traffic import EnvoyTraffic, Gateway
from kanarya_contracts.artifact import digest
from kanarya_contracts.names import CONTRACT_FILE, HEADER_MIRRORED_TO, ConditionType
from kanarya_contracts.rollout import ModelRolloutStatus, VersionRef
from kanarya_model.testing import build
from kanarya_rollout.clock import SystemClock
from kanarya_rollout.controller import Controller
from kanarya_rollout.observation import Copies, RegisteredVersion
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.testing import ERRORS, FakeRegistry, FakeStore, Fuse, a_rollout, promoted

ROW = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
INFER = "/v2/models/iris/infer"


@dataclass
class World:
    """An Envoy, a champion and a challenger."""

    admin: str
    serving: LocalServing
    traffic: EnvoyTraffic
    metrics: ScrapedMetrics
    http: httpx.Client

    def route(self, weights: dict[str, int], copies: Copies | None = None) -> None:
        self.traffic.route(weights, copies)
        eventually(lambda: (self.traffic.in_force(), self.traffic.copies()) == (weights, copies))

    def counted(self) -> dict[tuple[str, str], int]:
        """(version, kind) → count; kind `served` is of requests that were no copies."""
        kinds = {"requests", "mirrored", "errors", "predictions"}
        found: dict[tuple[str, str], int] = {}
        for one in self.metrics.read(["1", "2"]):
            if one.kind in kinds:
                found[one.version, one.kind] = found.get((one.version, one.kind), 0) + one.value
        return found | {(version, "served"): found[version, "requests"] - found[version, "mirrored"] for version in ("1", "2")}

    def settle(self) -> None:
        """Wait until every copy has been answered. Envoy has begun them all by the time a request is answered."""
        eventually(lambda: not any(self._under_way()))

    def _under_way(self) -> list[int]:
        stats = httpx.get(f"{self.admin}/stats?filter=upstream_rq(_pending)?_active$", trust_env=False, timeout=60.0).text
        found = [int(line.rpartition(": ")[2]) for line in stats.splitlines() if line.startswith("cluster.iris/")]
        assert len(found) == 4  # of two versions
        return found

    def since(self, before: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
        """What was counted since then."""
        return {key: count - before[key] for key, count in self.counted().items() if count != before[key]}


def eventually(holds: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until something holds."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, "it did not come true in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("artifacts") / "good")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An Envoy, and nothing behind it yet."""
    state = tmp_path_factory.mktemp("state")
    processes = Processes(state)
    port, admin = (claim(0, purpose="a test", option="-") for _ in range(2))
    gateway = Gateway(state / "envoy", admin=f"http://{HOST}:{admin}")
    gateway.declare("iris", ())
    gateway.start_from_nothing()
    envoy = launch.gateway(state / "envoy", port=port, admin_port=admin)
    serving = LocalServing("iris", state=state, registry="http://127.0.0.1:1", env={"KANARYA_MODEL_DRAIN_SECONDS": "0"})
    metrics = ScrapedMetrics("iris", serving.servers, timeout=60.0)
    try:
        processes.start(envoy.name, envoy.command, env=envoy.env | environment())
        launch.wait(envoy, processes)
        with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=60.0) as http:
            yield World(gateway.admin, serving, EnvoyTraffic(gateway, "iris", serving.ports), metrics, http)
    finally:
        serving.close()
        metrics.close()
        gateway.close()
        for record in processes.all():
            processes.stop(record.name)


@pytest.fixture
def world(stage: World, artifact: Path) -> World:
    """With both versions ready."""
    stage.serving.ensure(ref(artifact, "1"), [ref(artifact, "2")])
    eventually(
        lambda: (
            stage.serving.keep()
            or {v: one.state for v, one in stage.serving.backends().items()} == dict.fromkeys("12", "Ready")
        )
    )
    return stage


def ref(artifact: Path, version: str) -> VersionRef:
    content = (artifact / CONTRACT_FILE).read_bytes()
    return VersionRef(version=version, digest=digest(content), uri=f"file://{artifact}")


def test_copies_are_counted_apart_by_who_gets_them_and_the_champion_answers_everybody(world: World) -> None:
    world.route({"1": 100, "2": 0}, Copies(version="2", percent=100))
    before = world.counted()

    answers = [world.http.post(INFER, json=ROW) for _ in range(50)]
    world.http.post(INFER, json={})  # a client's mistake is one for both, and no request that counts

    eventually(lambda: world.since(before).get(("2", "mirrored")) == 50)
    assert {answer.json()["model_version"] for answer in answers} == {"1"}
    assert world.since(before) == {
        **dict.fromkeys([("1", "requests"), ("1", "served"), ("1", "predictions")], 50),
        **dict.fromkeys([("2", "requests"), ("2", "mirrored"), ("2", "predictions")], 50),
    }


def test_a_share_of_the_requests_is_copied_and_none_once_it_ends(world: World) -> None:
    world.route({"1": 100, "2": 0}, Copies(version="2", percent=25))
    before = world.counted()
    for _ in range(400):
        world.http.post(INFER, json=ROW)
    world.settle()
    assert 60 <= world.since(before)["2", "mirrored"] <= 140  # 100 ± 4.6 standard deviations

    world.route({"1": 100, "2": 0})
    before = world.counted()
    for _ in range(20):
        assert world.http.post(INFER, json=ROW).json()["model_version"] == "1"
    world.settle()
    assert world.since(before) == dict.fromkeys([("1", "requests"), ("1", "served"), ("1", "predictions")], 20)


def test_a_long_body_is_copied_whole(world: World) -> None:
    world.route({"1": 100, "2": 0}, Copies(version="2", percent=100))
    before = world.counted()
    rows = 60_000
    tensor = {"name": "X", "shape": [rows, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2] * rows}

    answer = world.http.post(INFER, content=json.dumps({"inputs": [tensor]}), headers={"content-type": "application/json"})

    assert answer.status_code == 200
    eventually(lambda: world.since(before).get(("2", "mirrored")) == 1)
    assert world.since(before)["2", "predictions"] == rows


@pytest.mark.parametrize("path", [INFER, "/v2/models/iris/versions/1/infer"])
def test_a_client_cannot_pass_its_request_off_as_a_copy(world: World, path: str) -> None:
    world.route({"1": 50, "2": 50})
    before = world.counted()

    for version in ("1", "2") * 10:
        world.http.post(path, json=ROW, headers={HEADER_MIRRORED_TO: version})

    since = world.since(before)
    assert sum(since.get((version, "served"), 0) for version in ("1", "2")) == 20
    assert not {kind for _, kind in since} & {"mirrored", "errors"}


def test_copies_for_a_version_without_a_server_are_refused_and_the_route_stays(world: World) -> None:
    world.route({"1": 100, "2": 0})

    with pytest.raises(Unreachable, match="no server of iris version 3 runs"):
        world.traffic.route({"1": 100, "3": 0}, Copies(version="3", percent=100))

    assert (world.traffic.in_force(), world.traffic.copies()) == ({"1": 100, "2": 0}, None)


GATES = [
    {**ERRORS, "minSamples": 20, "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.1"}},
    {"name": "paired", "test": "sequential-pairs", "margin": {"tolerate": "0", "refuse": "-0.1"}, "alpha": "0.05"},
]
FIRST_COPIES = [{"setMirror": {"percentage": 100}}, {"analysis": {"until": ["paired"]}}, {"setWeight": 50}]


@dataclass
class Rollout:
    """A controller as it is, over real servers and a real Envoy; registry and store in memory."""

    world: World
    controller: Controller
    store: FakeStore
    registry: FakeRegistry

    @property
    def status(self) -> ModelRolloutStatus:
        found = self.store.get("iris")
        assert found is not None
        return found[0].status

    def register(self, version: str, artifact: Path, alias: str) -> None:
        pinned = ref(artifact, version)
        self.registry.versions[version] = RegisteredVersion(version=version, digest=pinned.digest, uri=str(pinned.uri), tags={})
        self.registry.aliases[alias] = version

    def until(self, holds: Callable[[ModelRolloutStatus], bool], rows: Iterator[list[float]] | None = None) -> set[str]:
        """Passes, and requests of one client with ids and, as labels, what it was answered. Returns who answered."""
        answered: set[str] = set()

        def looked() -> bool:
            for _ in range(5 if rows is not None else 0):
                answered.add(self.ask(next(rows)))
            self.world.serving.keep()
            self.world.traffic.follow()
            self.controller.reconcile("iris")
            return holds(self.status)

        eventually(looked, seconds=180.0)
        return answered

    def ask(self, row: list[float]) -> str:
        identity = uuid.uuid4().hex
        tensor = {"name": "X", "shape": [1, 4], "datatype": "FP64", "data": row}
        answer = self.world.http.post(INFER, json={"id": identity, "inputs": [tensor]}).raise_for_status().json()
        label = answer["outputs"][0]["data"]
        report = {"model_version": answer["model_version"], "predictions": label, "labels": label, "ids": [identity]}
        self.world.http.post("/v2/models/iris/feedback", json=report).raise_for_status()
        return str(answer["model_version"])


@pytest.fixture
def rollout(stage: World, artifact: Path) -> Rollout:
    """With a champion that serves."""
    registry, store = FakeRegistry(Fuse()), FakeStore(Fuse())
    store.put(a_rollout(steps=FIRST_COPIES, metrics=GATES, analysis={"interval": "100ms"}))
    controller = Controller(
        store=store,
        registry=registry,
        serving_for=lambda _: stage.serving,
        traffic_for=lambda _: stage.traffic,
        metrics_for=lambda _: stage.metrics,
        clock=SystemClock(),
        log=logging.getLogger("test"),
    )
    made = Rollout(stage, controller, store, registry)
    made.register("1", artifact, "champion")
    made.until(lambda status: status.stable is not None and stage.traffic.in_force() == {"1": 100})
    return made


def flowers() -> Iterator[list[float]]:
    """Rows of Iris in an order that says nothing, over and over."""
    return itertools.cycle(np.random.default_rng(1).permutation(load_iris().data).tolist())


def test_a_challenger_that_answers_copies_as_well_as_the_champion_is_promoted_after_them(
    rollout: Rollout, artifact: Path
) -> None:
    rollout.register("2", artifact, "challenger")

    before = rollout.until(lambda status: status.canary_weight > 0, flowers())
    paired = next(one for one in rollout.status.evidence if one.metric == "paired")
    rollout.until(promoted, flowers())

    assert before == {"1"}
    assert (paired.verdict, paired.candidate.bad, paired.stable.bad) == ("Successful", 0, 0)
    assert rollout.world.traffic.copies() is None


def test_a_challenger_that_is_wrong_where_the_champion_is_right_goes_before_anybody_is_answered_by_it(
    rollout: Rollout, tmp_path: Path
) -> None:
    rollout.register(
        "3", build(tmp_path / "3", seed=-0.9999), "challenger"
    )  # regularised until it mixes two kinds up, one row in six

    answered = rollout.until(lambda status: status.is_true(ConditionType.ROLLED_BACK), flowers())

    [_, paired] = rollout.status.evidence
    assert answered == {"1"}
    assert (paired.verdict, paired.stable.bad) == ("Failed", 0)
    assert paired.candidate.bad > 5
    assert (rollout.status.canary_mirror, rollout.status.canary_weight) == (0, 0)
    eventually(lambda: rollout.world.traffic.in_force() is not None and rollout.world.traffic.copies() is None)
