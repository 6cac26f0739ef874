"""Envoy as it is, two servers as processes: what a flip of weights costs, and what the gateway says before there is a model."""

import http.client
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from kanarya_cli.local import launch
from kanarya_cli.local.envoy import VERSION_HEADER
from kanarya_cli.local.ports import HOST, claim
from kanarya_cli.local.processes import Processes, environment
from kanarya_cli.local.traffic import EnvoyTraffic, Gateway
from kanarya_rollout.ports import Unreachable

SERVER = """
import http.server, pathlib, sys
version, port_file = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        body = version.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
pathlib.Path(port_file).write_text(str(server.server_port))
server.serve_forever()
"""


@dataclass
class World:
    """An Envoy of its own and two servers behind it."""

    state: Path
    processes: Processes
    gateway: Gateway
    url: str
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def traffic(self) -> EnvoyTraffic:
        return EnvoyTraffic(self.gateway, "iris", lambda: self.ports)

    def serve(self, version: str) -> None:
        port_file = self.state / f"{version}.{time.monotonic_ns()}.port"
        command = (sys.executable, "-c", SERVER, version, str(port_file))
        self.processes.start(f"server-{version}", command, env=environment())
        eventually(lambda: port_file.exists() and port_file.read_text().isdecimal())
        self.ports[version] = int(port_file.read_text())


def get(url: str, **more: Any) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=60.0, **more)


def eventually(holds: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until something holds."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, "it did not come true in time"
        time.sleep(0.002)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    port, admin = (claim(0, purpose="a test", option="-") for _ in range(2))
    gateway = Gateway(tmp_path / "envoy", admin=f"http://{HOST}:{admin}")
    gateway.declare("iris", ("iris.example.com",))
    gateway.start_from_nothing()
    processes = Processes(tmp_path)
    envoy = launch.gateway(tmp_path / "envoy", port=port, admin_port=admin)
    try:
        processes.start(envoy.name, envoy.command, env=envoy.env)
        launch.wait(envoy, processes)
        yield World(state=tmp_path, processes=processes, gateway=gateway, url=f"http://{HOST}:{port}")
    finally:
        gateway.close()
        for record in processes.all():
            processes.stop(record.name)


@dataclass
class Load:
    """What clients on kept connections saw. A request that is not answered 200 is a failure; none is tried again."""

    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    """Of each client: requests that came to an end."""

    def go_on(self, rounds: int = 5) -> None:
        """Wait until every client has been answered that often: what is asked now has been answered then."""
        before = list(self.rounds)
        eventually(lambda: all(now >= then + rounds for now, then in zip(self.rounds, before, strict=True)))


@contextmanager
def load(url: str, *, connections: int = 4, pause: float = 0.005) -> Iterator[Load]:
    seen, stop = Load(rounds=[0] * connections), threading.Event()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60.0)
        while not stop.wait(pause):
            try:
                connection.request("GET", "/v2/models/iris/infer")
                response = connection.getresponse()
                body = response.read().decode()
                if response.status == 200:
                    seen.answered[body] += 1
                else:
                    seen.failures.append(f"{response.status} {body}")
            except (OSError, http.client.HTTPException) as error:
                seen.failures.append(repr(error))
                connection.close()
            seen.rounds[number] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=[number]) for number in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_before_any_version_the_gateway_says_so_in_the_protocols_words(world: World) -> None:
    answer = httpx.post(f"{world.url}/v2/models/iris/infer", json={}, trust_env=False, timeout=60.0)

    assert (answer.status_code, answer.json()) == (503, {"error": "no version of iris is up yet"})
    assert answer.headers["content-type"] == "application/json"
    assert world.traffic.in_force() == {}
    assert world.processes.last_lines("envoy") == ""  # a warning there would be about our own configuration


def test_flips_under_load_come_into_force_and_lose_no_request(world: World) -> None:
    world.serve("1")
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})

    with load(world.url) as seen:
        seen.go_on()
        world.serve("2")
        for weight in (10, 25, 50, 100, 50, 0, 100):
            world.traffic.route({"1": 100 - weight, "2": weight})
            eventually(lambda weight=weight: world.traffic.in_force() == {"1": 100 - weight, "2": weight})
            seen.go_on()
        world.traffic.route({"2": 100})
        eventually(lambda: world.traffic.in_force() == {"2": 100})
        seen.go_on()  # this server, unlike ours, does not finish what it has begun
        world.processes.stop("server-1")
        del world.ports["1"]
        world.traffic.follow()
        seen.go_on()

    assert seen.failures == []
    assert seen.answered["1"] > 50  # of 93 that it should have had, and 107
    assert seen.answered["2"] > 50


def test_the_split_is_that_of_the_weights(world: World) -> None:
    for version in ("1", "2"):
        world.serve(version)
    world.traffic.route({"1": 75, "2": 25})
    eventually(lambda: world.traffic.in_force() == {"1": 75, "2": 25})

    with httpx.Client(base_url=world.url, trust_env=False, timeout=60.0) as client:
        versions = Counter(client.get("/v2/models/iris").headers[VERSION_HEADER] for _ in range(400))

    assert 60 <= versions["2"] <= 140  # 100 ± 4.6 standard deviations


def test_who_asks_for_a_version_by_its_number_gets_that_one_at_weight_0_too_while_the_gateway_knows_it(world: World) -> None:
    for version in ("1", "2"):
        world.serve(version)
    world.traffic.route({"1": 90, "2": 10})
    eventually(lambda: world.traffic.in_force() == {"1": 90, "2": 10})

    for host in ("iris.example.com", "localhost"):
        with httpx.Client(base_url=world.url, trust_env=False, timeout=60.0, headers={"Host": host}) as client:
            asked = [client.get("/v2/models/iris/versions/2") for _ in range(20)]
            ready = client.get("/v2/models/iris/versions/1/ready")
        assert {answer.text for answer in asked} == {"2"}
        assert {answer.headers[VERSION_HEADER] for answer in asked} == {"2"}
        assert ready.text == "1"

    world.traffic.route({"1": 100, "2": 0})
    eventually(lambda: world.traffic.in_force() == {"1": 100, "2": 0})
    assert get(f"{world.url}/v2/models/iris/versions/2").text == "2"
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})
    assert get(f"{world.url}/v2/models/iris/versions/2").text == "1"


def test_a_model_is_found_by_its_hostname_and_by_any_other(world: World) -> None:
    world.serve("1")
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})

    for host in ("iris.example.com", "iris.example.com:8080", "localhost", "elsewhere.example"):
        assert get(f"{world.url}/v2", headers={"Host": host}).text == "1", host


def test_two_models_share_the_gateway_each_under_its_path(world: World) -> None:
    world.gateway.declare("wine", ())
    world.serve("1")
    world.serve("2")
    wine = EnvoyTraffic(world.gateway, "wine", lambda: {"2": world.ports["2"]})
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})
    wine.route({"2": 100})
    eventually(lambda: wine.in_force() == {"2": 100})

    with httpx.Client(base_url=world.url, trust_env=False, timeout=60.0) as client:
        assert client.get("/v2/models/iris/ready").text == "1"
        assert client.get("/v2/models/wine").text == "2"
        lost = client.get("/v2/models/rose")
    assert lost.status_code == 404
    assert lost.json() == {"error": "no model has this path; models here: iris, wine"}


def test_a_server_that_was_started_anew_is_found_at_its_new_port(world: World) -> None:
    world.serve("1")
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})
    world.processes.stop("server-1")
    assert get(f"{world.url}/v2").status_code == 503

    world.serve("1")
    world.traffic.follow()

    eventually(lambda: get(f"{world.url}/v2").status_code == 200)


def test_a_new_controller_knows_what_is_in_force_and_keeps_the_other_models(world: World) -> None:
    world.gateway.declare("wine", ())
    world.serve("1")
    world.serve("2")
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})

    later = Gateway(world.state / "envoy", admin=str(world.gateway.admin))
    later.declare("iris", ("iris.example.com",))
    later.declare("wine", ())
    wine = EnvoyTraffic(later, "wine", lambda: {"2": world.ports["2"]})
    wine.route({"2": 100})
    eventually(lambda: wine.in_force() == {"2": 100})

    split = later.in_force("iris")
    assert split is not None
    assert split.weights == {"1": 100}
    later.close()


def test_a_route_that_somebody_else_wrote_is_told_and_can_be_taken_back(world: World) -> None:
    world.serve("1")
    world.serve("2")
    world.traffic.route({"1": 90, "2": 10})
    eventually(lambda: world.traffic.in_force() == {"1": 90, "2": 10})
    routes = world.state / "envoy" / "routes.json"
    other = routes.with_suffix(".new")
    other.write_text(routes.read_text().replace('"weight": 90', '"weight": 10').replace('"weight": 10,', '"weight": 90,', 1))

    other.rename(routes)
    eventually(lambda: world.traffic.in_force() is None)
    world.traffic.route({"1": 90, "2": 10})

    eventually(lambda: world.traffic.in_force() == {"1": 90, "2": 10})


def test_another_hostname_is_routed_with_the_next_pass(world: World) -> None:
    world.serve("1")
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})

    world.gateway.declare("iris", ("flowers.example.com",))
    world.traffic.route({"1": 100})

    eventually(lambda: "flowers.example.com" in get(f"{world.gateway.admin}/config_dump").text)
    assert world.traffic.in_force() == {"1": 100}


def test_traffic_for_a_version_without_a_server_is_refused_and_the_route_stays(world: World) -> None:
    world.serve("1")
    world.traffic.route({"1": 100})
    eventually(lambda: world.traffic.in_force() == {"1": 100})

    with pytest.raises(Unreachable, match="no server of iris version 2 runs"):
        world.traffic.route({"1": 50, "2": 50})

    assert world.traffic.in_force() == {"1": 100}


def test_an_envoy_that_has_ended_is_unreachable_and_no_split(world: World) -> None:
    world.processes.stop("envoy")

    with pytest.raises(Unreachable, match=r"Envoy's admin at .* does not answer"):
        world.traffic.in_force()
