"""gRPC through a real Envoy Gateway and a real Envoy, to real model servers: split, copied and told apart as REST is."""

import math
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gateway_standalone as standalone
import grpc
import httpx
import pytest

from kanarya_contracts import metrics
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.testing import build
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.sticky import Sticky, Zone, bucket
from kanarya_rollout.testing import a_rollout

GATEWAY = {"gatewayRef": {"name": "public", "namespace": "default"}, "hostnames": ["iris.example.com"]}
CANARY = a_rollout(traffic=GATEWAY)
AB_TEST = a_rollout(
    traffic=GATEWAY,
    strategy={"abTest": {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.1"}}},
)
NO_TEST, USERS = (
    Sticky(header="x-user-id", salt=f"iris/{version or ''}", zones=(Zone(version=version, first=0),)) for version in (None, "8")
)
KEYS = [f"user-{number}" for number in range(60)]
ROW = [5.1, 3.5, 1.4, 0.2]
CALLS = 600
SIGMAS = 4.5
"""Of the binomial: a right split is called wrong once in 100,000 looks."""


class World:
    """The adapter, a pass at a time, and clients of both doors who know the model by its host."""

    def __init__(self, files: Any, servers: dict[str, int], rollout: Any) -> None:
        self.files = files
        self.servers = servers
        self.traffic = GatewayTraffic(files, rollout)
        self.http = httpx.Client(base_url=files.url, headers={"Host": "iris.example.com"}, trust_env=False, timeout=20.0)
        options = [("grpc.default_authority", "iris.example.com")]
        self.channel = grpc.insecure_channel(files.url.removeprefix("http://"), options=options)
        self.infer = self.channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            pb.ModelInferRequest.SerializeToString,
            pb.ModelInferResponse.FromString,
        )

    def open(self) -> None:
        """The runtime has a port for gRPC, as KServe's Deployments show it."""
        ports = [{"name": "http", "containerPort": 8080}, {"name": "grpc", "containerPort": 8081}]
        pod = {"containers": [{"name": "kserve-container", "ports": ports}]}
        self.files.deployments = [
            {"metadata": {"name": f"iris-v{version}-predictor"}, "spec": {"template": {"spec": pod}}} for version in ("7", "8")
        ]

    def until(self, weights: dict[str, int], holds: Callable[[], object], copies: Any = None, sticky: Any = None) -> None:
        """Passes until that is in force, and clients see it: Envoy hears of it when Envoy Gateway has said so."""

        def turn() -> object:
            try:
                found = self.traffic.in_force()
                self.traffic.route(weights, copies, sticky)
            except Unreachable:
                return False
            return found == weights and holds()

        standalone.eventually(turn, f"{weights} in force and served", log=self.files.log)

    def grpc(self, key: str | None = None) -> str:
        """The version that answers a call; what went wrong instead."""
        tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP64", shape=[1, 4])
        tensor.contents.fp64_contents.extend(ROW)
        metadata = () if key is None else (("x-user-id", key),)
        try:
            answer = self.infer(pb.ModelInferRequest(model_name="iris", inputs=[tensor]), timeout=20, metadata=metadata)
        except grpc.RpcError as error:
            return f"{error.code()}: {error.details()}"
        assert [label.decode() for label in answer.outputs[0].contents.bytes_contents] == ["setosa"]
        return str(answer.model_version)

    def rest(self, key: str | None = None) -> str:
        """As `grpc`, over REST."""
        body = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": ROW}]}
        try:
            answer = self.http.post("/v2/models/iris/infer", json=body, headers={} if key is None else {"x-user-id": key})
        except httpx.HTTPError as error:
            return repr(error)
        return str(answer.json()["model_version"]) if answer.status_code == 200 else f"{answer.status_code}: {answer.text}"

    def everybody_has(self, *versions: str) -> bool:
        """Whether a hundred requests by each door are answered by these versions, each at least once by each."""
        return all({ask() for _ in range(100)} == set(versions) for ask in (self.rest, self.grpc))

    def metric(self, version: str, name: str) -> int:
        """The sum of a server's samples."""
        text = httpx.get(f"http://127.0.0.1:{self.servers[version]}/metrics", trust_env=False).text
        return int(sum(float(value) for value in re.findall(rf"^{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE)))

    @contextmanager
    def asked_all_the_while(self) -> Iterator[list[str]]:
        """What clients by either door got that was no version."""
        lost: list[str] = []
        over = threading.Event()

        def client(ask: Callable[[], str]) -> None:
            while not over.wait(0.005):
                said = ask()
                lost.extend([] if said in {"7", "8"} else [said])

        threads = [threading.Thread(target=client, args=[ask]) for ask in (self.rest, self.grpc)]
        for thread in threads:
            thread.start()
        try:
            yield lost
        finally:
            over.set()
            for thread in threads:
                thread.join()


@contextmanager
def model_server(directory: Path, version: str) -> Iterator[tuple[int, int]]:
    """`kanarya-model serve`, ready: its ports for REST and gRPC."""
    place = directory / f"server-{version}"
    place.mkdir()
    files = {"--port-file": place / "port", "--grpc-port-file": place / "grpc"}
    artifact = build(place / "iris", seed=int(version))
    arguments = [str(part) for pair in files.items() for part in pair]
    command = [
        sys.executable, "-m", "kanarya_model", "serve", str(artifact),
        "--version", version, "--port", "0", "--grpc-port", "0", *arguments,
    ]  # fmt: skip
    log = place / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        standalone.eventually(lambda: all(file.exists() for file in files.values()), f"version {version} is ready", log=log)
        yield tuple(int(file.read_text()) for file in files.values())
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as stack:
        ports = {version: stack.enter_context(model_server(tmp_path, version)) for version in ("7", "8")}
        backends = {(version, port): at for version, pair in ports.items() for port, at in zip((80, 8081), pair, strict=True)}
        files = stack.enter_context(standalone.running(tmp_path, backends, lua=True))
        one = World(files, {version: rest for version, (rest, _) in ports.items()}, request.param)
        one.until({"7": 100}, lambda: one.rest() == "7")
        yield one
        one.channel.close()
        one.http.close()


@pytest.mark.parametrize("world", [CANARY], indirect=True)
def test_grpc_joins_rest_in_the_split_and_moves_with_it_and_nobody_is_lost(world: World) -> None:
    assert world.grpc() not in {"7", "8"}
    world.open()
    world.until({"7": 100}, lambda: world.grpc() == "7")
    with world.asked_all_the_while() as lost:
        world.until({"7": 80, "8": 20}, lambda: world.everybody_has("7", "8"))
        for ask in (world.rest, world.grpc):
            answered = Counter(ask() for _ in range(CALLS))
            assert answered.keys() == {"7", "8"}
            assert abs(answered["8"] - 0.2 * CALLS) < SIGMAS * math.sqrt(CALLS * 0.2 * 0.8), answered
        world.until({"7": 100, "8": 0}, lambda: world.everybody_has("7"))  # rolled back
        world.until({"7": 50, "8": 50}, lambda: world.everybody_has("7", "8"))
        world.until({"7": 0, "8": 100}, lambda: world.everybody_has("8"))  # promoted
        world.until({"8": 100}, lambda: world.everybody_has("8"))
    assert lost == []


@pytest.mark.parametrize("world", [CANARY], indirect=True)
def test_copies_of_calls_reach_the_challenger_and_its_answers_nobody(world: World) -> None:
    world.open()
    copies = Copies(version="8", percent=100)
    world.until(
        {"7": 100, "8": 0},
        lambda: world.grpc() == "7" and world.metric("8", metrics.MIRRORED_REQUESTS) > 0,
        copies,
    )
    before = world.metric("8", metrics.MIRRORED_REQUESTS)

    assert {world.grpc() for _ in range(CALLS)} == {"7"}

    standalone.eventually(
        lambda: world.metric("8", metrics.MIRRORED_REQUESTS) - before >= CALLS, "every call was copied", log=world.files.log
    )
    assert world.metric("8", metrics.REQUESTS) == 0


@pytest.mark.parametrize("world", [AB_TEST], indirect=True)
def test_a_user_has_one_version_by_both_doors(world: World) -> None:
    world.open()
    world.until({"7": 100}, lambda: world.grpc("user-1") == "7", sticky=NO_TEST)
    wanted = {key: "8" if bucket(key, salt=USERS.salt) < 40 else "7" for key in KEYS}

    world.until(
        {"7": 60, "8": 40},
        lambda: all(world.rest(key) == world.grpc(key) == version for key, version in wanted.items()),
        sticky=USERS,
    )

    assert set(wanted.values()) == {"7", "8"}
    assert {world.grpc() for _ in range(100)} == {"7"}  # who has no key is not in the test
