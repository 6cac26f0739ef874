"""An A/B test's route and policy in a real Envoy Gateway: it takes the script, and who it may not run one for loses nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gateway_standalone as standalone
import httpx
import pytest

from kanarya_contracts.names import SCORES_HEADER
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.sticky import Sticky, Zone, bucket
from kanarya_rollout.testing import a_rollout

ROLLOUT = a_rollout(
    traffic={"gatewayRef": {"name": "public", "namespace": "default"}},
    strategy={"abTest": {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.1"}}},
)
SCORES = "revenue -20..500.5"
REST, USERS = (
    Sticky(header="x-user-id", salt=f"iris/{version or ''}", zones=(Zone(version=version, first=0),), scores=SCORES)
    for version in (None, "8")
)
KEYS = [f"user-{number}" for number in range(200)]


class World:
    """The adapter, a pass at a time, and clients."""

    def __init__(self, files: Any) -> None:
        self.files = files
        self.traffic = GatewayTraffic(files, ROLLOUT)
        self.http = httpx.Client(base_url=files.url, trust_env=False, timeout=5.0)

    def turn(self, weights: dict[str, int], sticky: Sticky | None) -> object:
        """One pass: what was in force, or why not."""
        try:
            found: object = self.traffic.in_force()
        except Unsupported as error:
            found = error
        try:
            self.traffic.route(weights, sticky=sticky)
        except Unreachable as error:
            found = error
        return found

    def until(self, weights: dict[str, int], sticky: Sticky | None) -> None:
        """Passes until that is in force, and the users of the buckets beside the weight are served so: Envoy hears of it when
        Envoy Gateway has said so."""
        weight = weights.get("8", 0)
        edges = [key for key in KEYS if sticky and bucket(key, salt=sticky.salt) in (weight - 1, weight)]
        standalone.eventually(
            lambda: self.turn(weights, sticky) == weights and all(self.serves_as(weight, key, sticky) for key in edges),
            f"{weights} in force and served",
            log=self.files.log,
        )

    def serves_as(self, weight: int, key: str, sticky: Sticky) -> bool:
        number = bucket(key, salt=sticky.salt)
        return self.answer(key) == (200, ["8" if number < weight else "7", f"{number:02d}"])

    def answer(self, key: str | None, **headers: str) -> tuple[int, list[str | None]]:
        answer = self.http.get("/v2/models/iris/infer", headers=headers | ({} if key is None else {"x-user-id": key}))
        return answer.status_code, answer.json() if answer.status_code == 200 else [answer.text, None]

    def told(self, **headers: str) -> str:
        """What the server hears of scores."""
        return self.http.get("/v2/models/iris/feedback", headers=headers).headers[SCORES_HEADER]

    @contextmanager
    def asked_all_the_while(self) -> Iterator[list[str]]:
        """What clients without a key were not answered."""
        lost: list[str] = []
        over = threading.Event()

        def client() -> None:
            with httpx.Client(base_url=self.files.url, trust_env=False, timeout=5.0) as http:
                while not over.wait(0.01):
                    try:
                        answer = http.get("/v2/models/iris/infer")
                        lost.extend([] if answer.status_code == 200 else [f"{answer.status_code} {answer.text}"])
                    except httpx.HTTPError as error:
                        lost.append(repr(error))

        thread = threading.Thread(target=client)
        thread.start()
        try:
            yield lost
        finally:
            over.set()
            thread.join()


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with standalone.echoes() as backends, standalone.running(tmp_path, backends, lua=request.param) as files:
        one = World(files)
        one.traffic.route({"7": 100}, sticky=None)  # a champion serves before anybody thinks of an A/B test
        standalone.eventually(lambda: serves(one), "Envoy serves the champion", log=files.log)
        yield one
        one.http.close()


def serves(world: World) -> bool:
    try:
        return world.answer(None)[0] == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("world", [True], indirect=True)
def test_users_have_one_version_each_and_a_weight_moves_those_it_says_and_nobody_is_lost(world: World):
    with world.asked_all_the_while() as lost:
        world.until({"7": 100}, REST)
        world.until({"7": 100, "8": 0}, USERS)
        for weight in (20, 50, 20):
            world.until({"7": 100 - weight, "8": weight}, USERS)
            assert [key for key in KEYS if not world.serves_as(weight, key, USERS)] == []
            assert world.answer(None) == (200, ["7", None])
            assert world.answer(None, **{"x-kanarya-bucket": "00"}) == (200, ["7", None])
            mine = {SCORES_HEADER: "revenue 0..1"}
            assert (world.told(**{"x-user-id": "user-1"}, **mine), world.told(**mine)) == (SCORES, "")
        world.until({"7": 0, "8": 100}, USERS)
        assert {world.answer(key)[1][0] for key in KEYS} == {"8"}
        world.until({"7": 0, "8": 100}, None)
        gone = (200, ["8", None])
        standalone.eventually(lambda: world.answer("user-1") == gone, "the script is let go of", log=world.files.log)
    assert lost == []


@pytest.mark.parametrize("world", [True], indirect=True)
def test_users_of_several_challengers_have_one_version_each_and_who_leaves_moves_nobody_elses(world: World):
    three = Sticky(header="x-user-id", salt="iris/8+9", zones=(Zone(version="8", first=0), Zone(version="9", first=30)))

    def got() -> dict[str, str | None]:
        return {key: world.answer(key)[1][0] for key in KEYS}

    def expected(weights: dict[str, int]) -> dict[str, str | None]:
        return {key: who(bucket(key, salt=three.salt) or 0, weights) for key in KEYS}

    def who(number: int, weights: dict[str, int]) -> str:
        zones = ((zone.version, zone.first) for zone in three.zones if zone.version is not None)
        return next((version for version, first in zones if first <= number < first + weights[version]), "7")

    with world.asked_all_the_while() as lost:
        for weights in ({"7": 100, "8": 0, "9": 0}, {"7": 50, "8": 30, "9": 20}, {"7": 80, "8": 0, "9": 20}):

            def served(weights: dict[str, int] = weights) -> bool:
                return world.turn(weights, three) == weights and got() == expected(weights)

            standalone.eventually(served, f"{weights} in force and served", log=world.files.log)
            assert world.answer(None) == (200, ["7", None])
    assert lost == []


@pytest.mark.parametrize("world", [False], indirect=True)
def test_a_gateway_that_may_run_no_scripts_says_so_and_answers_everybody(world: World):
    with world.asked_all_the_while() as lost:
        refused = standalone.eventually(
            lambda: isinstance(said := world.turn({"7": 100}, REST), Unsupported) and said, "it refuses", log=world.files.log
        )
        for _ in range(20):
            world.turn({"7": 100}, REST)
            time.sleep(0.1)
        assert all(world.answer(key) == (200, ["7", None]) for key in KEYS)
    assert "does not tell users apart" in str(refused)
    assert "feature is disabled in the Gateway" in str(refused)
    assert lost == []
