"""Envoy as it is, with an A/B test's script in it: a user has one version, whatever the weight does to others."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from kanarya_cli.local import launch
from kanarya_cli.local.envoy import VERSION_HEADER
from kanarya_cli.local.ports import HOST, claim
from kanarya_cli.local.processes import Processes
from kanarya_cli.local.traffic import EnvoyTraffic, Gateway
from kanarya_contracts.names import BUCKET_HEADER, SCORES_HEADER
from kanarya_rollout.sticky import LONGEST_KEY, Sticky, Zone, bucket

SALT = "iris/2"
USERS = [f"user-{number}" for number in range(300)]
STRANGE = ["u", "ünïcode", "a=b", "with space", "x" * LONGEST_KEY, "0", "%00", "'\"<>\\"]
"""Keys that people do have, and some that they do not."""


@dataclass
class World:
    """An Envoy of its own; behind it, versions that answer with the bucket that they were told."""

    gateway: Gateway
    processes: Processes
    http: httpx.Client
    ports: dict[str, int] = field(default_factory=dict)

    def route(self, weights: Mapping[str, int], sticky: Sticky | None) -> None:
        traffic = EnvoyTraffic(self.gateway, "iris", lambda: self.ports)
        traffic.route(weights, sticky=sticky)
        wanted = {version: weight for version, weight in weights.items() if weight}
        eventually(lambda: {one: share for one, share in (traffic.in_force() or {}).items() if share} == wanted)

    def ask(self, path: str = "/v2/models/iris/infer", **headers: str | bytes) -> tuple[str, str | None]:
        """The version that answered, and the bucket that it saw."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.get(path, headers=named).raise_for_status()
        return answer.headers[VERSION_HEADER], answer.json()

    def assigned(self, users: list[str]) -> dict[str, str]:
        return {user: self.ask(x_user_id=user.encode())[0] for user in users}


def eventually(holds: Callable[[], object], *, seconds: float = 60.0) -> None:
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, "it did not come true in time"
        time.sleep(0.002)


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = json.dumps(self.headers[BUCKET_HEADER]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(SCORES_HEADER, self.headers[SCORES_HEADER] or "")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state = tmp_path_factory.mktemp("users")
    port, admin = (claim(0, purpose="a test", option="-") for _ in range(2))
    gateway = Gateway(state / "envoy", admin=f"http://{HOST}:{admin}")
    gateway.declare("iris", ("iris.example.com",))
    gateway.start_from_nothing()
    processes = Processes(state)
    envoy = launch.gateway(Path(state / "envoy"), port=port, admin_port=admin)
    servers = [ThreadingHTTPServer((HOST, 0), Echo) for _ in range(3)]
    try:
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        processes.start(envoy.name, envoy.command, env=envoy.env)
        launch.wait(envoy, processes)
        with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=60.0) as http:
            ports = {str(place): server.server_port for place, server in enumerate(servers, 1)}
            yield World(gateway=gateway, processes=processes, http=http, ports=ports)
    finally:
        gateway.close()
        for record in processes.all():
            processes.stop(record.name)
        for server in servers:
            server.shutdown()
            server.server_close()


BY_HEADER = Sticky(header="x-user-id", salt=SALT, zones=(Zone(version="2", first=0),))


def test_a_user_has_one_version_and_a_weight_moves_only_the_users_that_it_says(world: World) -> None:
    expected = {user: bucket(user, salt=SALT) for user in USERS}
    before, old = dict[str, str](), 0
    for weight in (0, 20, 50, 51, 20, 100):
        world.route({"1": 100 - weight, "2": weight}, BY_HEADER)
        now = world.assigned(USERS)
        assert now == {user: "2" if expected[user] < weight else "1" for user in USERS}
        assert world.assigned(USERS[::7]) == {user: now[user] for user in USERS[::7]}
        moved = {user for user in USERS if before and now[user] != before[user]}
        assert all(min(old, weight) <= expected[user] < max(old, weight) for user in moved)
        before, old = now, weight
    assert world.processes.last_lines("envoy") == ""  # a script that fails would say so there


def test_of_several_challengers_each_has_its_own_users_and_one_that_leaves_moves_nobody_elses(world: World) -> None:
    both = Sticky(header="x-user-id", salt=SALT, zones=(Zone(version="2", first=0), Zone(version="3", first=20)))
    expected = {user: bucket(user, salt=SALT) for user in USERS}

    world.route({"1": 50, "2": 20, "3": 30}, both)
    assert world.assigned(USERS) == {
        user: "2" if number < 20 else "3" if number < 50 else "1" for user, number in expected.items()
    }
    assert world.gateway._splits()["iris"].sticky == both
    for gone, weights in (("2", {"1": 70, "2": 0, "3": 30}), ("3", {"1": 80, "2": 20, "3": 0})):
        world.route({"1": 50, "2": 20, "3": 30}, both)
        before = world.assigned(USERS)
        world.route(weights, both)
        assert world.assigned(USERS) == {user: "1" if version == gone else version for user, version in before.items()}


def test_the_gateways_hash_is_the_one_that_is_written_in_python(world: World) -> None:
    world.route({"1": 50, "2": 50}, BY_HEADER)

    for key in [*STRANGE, *USERS]:
        assert world.ask(x_user_id=key.encode()) == (
            "2" if bucket(key, salt=SALT) < 50 else "1",
            f"{bucket(key, salt=SALT):02d}",
        ), key


def test_who_has_no_key_is_the_champions_and_bears_no_bucket_though_it_says_so(world: World) -> None:
    world.route({"1": 1, "2": 99}, BY_HEADER)

    for headers in ({}, {"x_user_id": ""}, {"x_user_id": "y" * (LONGEST_KEY + 1)}):
        assert world.ask(**headers) == ("1", None)
        assert world.ask(**headers, x_kanarya_bucket="00") == ("1", None)
    assert world.ask(x_user_id="user-1", x_kanarya_bucket="99")[1] == f"{bucket('user-1', salt=SALT):02d}"


def test_a_cookie_tells_users_apart_as_well_as_a_header(world: World) -> None:
    world.route({"1": 50, "2": 50}, Sticky(cookie="uid", salt=SALT, zones=(Zone(version="2", first=0),)))

    for user in USERS[:40]:
        expected = bucket(user, salt=SALT)
        for cookies in (
            f"uid={user}",
            f"theme=dark; uid={user}",
            f"uid={user} ; last=1",
            f"xuid=other; uid={user}; uid=second",
        ):
            assert world.ask(cookie=cookies) == ("2" if expected < 50 else "1", f"{expected:02d}"), cookies
    for cookies in ("", "uid=", "theme=uid", "xuid=user-1", "x_user_id=user-1"):
        assert world.ask(cookie=cookies) == ("1", None), cookies


def test_the_server_is_told_the_bounds_of_a_goal_that_is_a_mean_and_by_nobody_else(world: World) -> None:
    def told(**headers: str) -> str:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return world.http.get("/v2/models/iris/feedback", headers=sent).headers[SCORES_HEADER]

    mean = Sticky(header="x-user-id", salt=SALT, zones=(Zone(version="2", first=0),), scores="revenue -20..500.5")
    world.route({"1": 50, "2": 50}, mean)
    eventually(lambda: world.gateway._splits()["iris"].sticky == mean)
    assert [told(x_user_id=user) for user in USERS[:20]] == ["revenue -20..500.5"] * 20
    assert told(x_user_id="user-1", x_kanarya_scores="revenue 0..1") == "revenue -20..500.5"
    assert (told(), told(x_kanarya_scores="revenue 0..1")) == ("", "")

    world.route({"1": 50, "2": 50}, BY_HEADER)
    eventually(lambda: world.gateway._splits()["iris"].sticky == BY_HEADER)
    assert (told(x_user_id="user-1"), told(x_user_id="user-1", x_kanarya_scores="revenue 0..1")) == ("", "")


def test_what_is_in_force_is_read_back_with_how_users_are_told_apart(world: World) -> None:
    world.route({"1": 70, "2": 30}, BY_HEADER)

    fresh = Gateway(world.gateway._directory, admin=str(world.gateway.admin))
    fresh.declare("iris", ("iris.example.com",))
    split = fresh._splits()["iris"]
    assert (split.weights, split.sticky) == ({"1": 70, "2": 30}, BY_HEADER)
    fresh.close()

    world.route({"1": 70, "2": 30}, None)
    eventually(lambda: world.gateway._splits()["iris"].sticky is None)
    assert world.ask(x_user_id="user-1")[1] is None


def test_every_path_of_the_model_knows_the_user_and_a_version_asked_for_by_number_is_still_that_one(world: World) -> None:
    world.route({"1": 50, "2": 50}, BY_HEADER)

    for user in USERS[:30]:
        version = "2" if bucket(user, salt=SALT) < 50 else "1"
        for host in ("iris.example.com", "elsewhere.example"):
            for path in ("/v2/models/iris/infer", "/v1/models/iris:predict", "/v2/models/iris/feedback"):
                assert world.ask(path, x_user_id=user, host=host)[0] == version
        assert world.ask("/v2/models/iris/versions/1/infer", x_user_id=user)[0] == "1"
