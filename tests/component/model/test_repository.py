"""Several models and versions in a real process: loaded beside, switched, refused and let go, while clients go on asking."""

import json
import shutil
import socket
import threading
import time
from contextlib import contextmanager

import grpc
import httpx
import pytest

from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.testing import build

ROW = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
CONTROL = "--repository-control"
INFER = "/v2/models/iris/infer"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """iris 7, 8 and 10, which differ, and one of another kind."""
    root = tmp_path_factory.mktemp("artifacts")
    for version in ("7", "8", "10"):
        build(root / version, seed=int(version))
    build(root / "words", "skops")
    return root


@pytest.fixture
def repository(artifacts, tmp_path):
    """A directory with version 7 of iris; `add` brings more."""
    root = tmp_path / "models"
    shutil.copytree(artifacts / "7", root / "iris/7")
    return root


def add(artifacts, repository, artifact, place):
    return shutil.copytree(artifacts / artifact, repository / place)


def ask(server, verb, model="iris", **parameters):
    return server.http.post(
        f"/v2/repository/models/{model}/{verb}", json={"parameters": parameters} if parameters else {}, timeout=60
    )


def index(server, **options):
    return {
        (one["name"], one["version"]): (one["state"], one["reason"])
        for one in server.http.post("/v2/repository/index", json=options).json()
    }


def answered_by(server, path="/v2/models/iris"):
    answer = server.http.post(f"{path}/infer", json=ROW)
    return answer.json().get("model_version", answer.status_code)


class Client(threading.Thread):
    """Asks without a pause until it is told to stop."""

    def __init__(self, url):
        super().__init__()
        self.url, self.enough = url, threading.Event()
        self.answers, self.wrong = [], []

    def run(self):
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.enough.is_set():
                try:
                    answer = client.post(INFER, json=ROW)
                    label = answer.json()["outputs"][0]["data"]
                except (httpx.HTTPError, KeyError, json.JSONDecodeError) as failure:
                    self.wrong.append(repr(failure))
                    return
                self.answers.append(answer.json()["model_version"])
                if label != ["setosa"]:
                    self.wrong.append(answer.text)


@contextmanager
def traffic(server, clients=4):
    """Clients that ask while the context lasts; `until` waits until that many more answers came from a version."""
    running = [Client(server.url) for _ in range(clients)]
    for one in running:
        one.start()
    try:
        yield running
    finally:
        for one in running:
            one.enough.set()
        for one in running:
            one.join(40)


def until(running, version, count=10):
    """Every client has had so many more answers by that version."""
    enough = [one.answers.count(version) + count for one in running]
    for one, number in zip(running, enough, strict=True):
        while one.answers.count(version) < number and not one.wrong:
            time.sleep(0.01)


def test_versions_take_each_others_place_under_load_and_no_request_is_lost(serve, artifacts, repository):
    for version in ("8", "10"):
        add(artifacts, repository, version, f"iris/{version}")
    (repository / "iris/default").write_text("7")
    server = serve("--repository", repository, CONTROL, "--most-versions", "2")

    with traffic(server) as running:
        until(running, "7")
        for version in ("8", "10", "7", "10", "8"):
            assert ask(server, "load", version=version).status_code == 200
            until(running, version)
        assert ask(server, "unload", version="8").status_code == 200
        until(running, "10")

    asked = sum(len(one.answers) for one in running)
    assert [one.wrong for one in running] == [[]] * len(running)
    assert asked >= 4 * 7 * 10
    assert {state for state, _ in index(server, ready=True).values()} == {"READY"}
    assert index(server, ready=True).keys() == {("iris", "10")}
    assert "Traceback" not in server.log.read_text()


def test_a_request_that_was_begun_ends_with_the_version_it_met(serve, artifacts, repository):
    add(artifacts, repository, "8", "iris/8")
    (repository / "iris/default").write_text("7")
    server = serve("--repository", repository, CONTROL, "--grace-seconds", "0.3")
    body = json.dumps(ROW).encode()
    head = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
        slow.sendall(head + body[:20])
        while server.metric('kanarya_model_requests_in_flight{model="iris",version="7"}') != 1:
            time.sleep(0.01)
        loaded = ask(server, "load", version="8")
        leaving, again = index(server), ask(server, "load", version="7")
        new = answered_by(server)
        counted = server.metric('kanarya_model_requests_in_flight{model="iris",version="7"}')
        slow.sendall(body[20:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    while "to end" in index(server)["iris", "7"][1]:
        time.sleep(0.01)

    assert loaded.status_code == 200
    assert leaving["iris", "7"] == ("UNAVAILABLE", "unloaded, with 1 requests to end")
    assert (again.status_code, new, counted) == (409, "8", 1)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"model_version":"7"' in answer
    assert index(server)["iris", "7"] == ("UNAVAILABLE", "not loaded")
    assert 'version="7"' not in server.http.get("/metrics").text
    assert ask(server, "load", version="7").status_code == 200


def test_a_broken_artifact_changes_nothing_and_the_index_says_why(serve, artifacts, repository):
    server = serve("--repository", repository, CONTROL)
    broken = add(artifacts, repository, "8", "iris/8")
    content = bytearray((broken / "model.onnx").read_bytes())
    content[-1] ^= 1
    (broken / "model.onnx").write_bytes(content)

    refused = ask(server, "load")

    assert refused.status_code == 409
    assert "model.onnx: has digest sha256:" in refused.json()["error"]
    assert str(repository) not in refused.json()["error"]
    assert index(server)["iris", "7"] == ("READY", "the default version")
    state, reason = index(server)["iris", "8"]
    assert state == "UNAVAILABLE"
    assert reason.startswith("iris/8: model.onnx: has digest")
    assert answered_by(server) == "7"
    assert server.http.get("/v2/health/ready").status_code == 200

    shutil.rmtree(broken)
    add(artifacts, repository, "8", "iris/8")
    assert ask(server, "load").status_code == 200
    assert answered_by(server) == "8"


def test_two_models_and_two_versions_are_described_counted_and_asked_apart(serve, artifacts, repository):
    add(artifacts, repository, "8", "iris/8")
    add(artifacts, repository, "words", "garden/v1")
    (repository / "iris/default").write_text("7")
    server = serve("--repository", repository, CONTROL, "--most-versions", "2")

    beside = ask(server, "load", version="8", default=False)

    assert beside.json() == [
        {"name": "iris", "version": "7", "state": "READY", "reason": "the default version"},
        {"name": "iris", "version": "8", "state": "READY", "reason": ""},
    ]
    asked = [answered_by(server, path) for path in ("/v2/models/iris", *(f"/v2/models/iris/versions/{one}" for one in "78"))]
    assert asked == ["7", "7", "8"]
    assert [server.http.get(f"/v2/models/{path}").json()["versions"] for path in ("iris", "iris/versions/8", "garden")] == [
        ["7", "8"],
        ["7", "8"],
        ["v1"],
    ]
    assert server.http.get("/v1/models").json() == {"models": ["garden", "iris"]}
    assert server.http.get("/v2").json()["extensions"] == ["binary_tensor_data", "model_repository"]
    counted = 'kanarya_model_requests_total{{code="200",edge="v2-rest",model="iris",version="{}"}}'
    assert [server.metric(counted.format(version)) for version in "78"] == [2, 1]
    assert "/v2/repository/models/garden/load" in server.http.get("/openapi.json").json()["paths"]
    for version in "78":  # told once, and shown once
        report = {"model_version": version, "predictions": ["setosa"], "labels": ["setosa"]}
        assert server.http.post("/v2/models/iris/feedback", json=report).json() == {"counted": 1}
    lines = server.http.get("/metrics").text.splitlines()
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
    for version in "78":
        assert f'kanarya_model_feedback_total{{model="iris",outcome="right",version="{version}"}} 1.0' in lines

    unloaded = ask(server, "unload")
    assert {one["state"] for one in unloaded.json()} == {"UNAVAILABLE"}
    assert answered_by(server) == 404
    assert 'model="iris"' not in server.http.get("/metrics").text
    assert server.http.get("/v2/health/ready").status_code == 200


def test_there_is_a_limit_on_what_is_loaded_at_once(serve, artifacts, repository):
    add(artifacts, repository, "8", "iris/8")
    add(artifacts, repository, "10", "other/10")
    server = serve("--repository", repository, CONTROL, "--most-loaded", "2")

    full = ask(server, "load", version="7")
    assert (full.status_code, full.json()["error"]) == (
        409,
        "2 versions are loaded, expected at most 2; unload one (--most-loaded)",
    )
    assert ask(server, "unload", "other").status_code == 200
    assert ask(server, "load", version="7").status_code == 200
    assert answered_by(server) == "7"


def test_a_version_that_changed_where_it_lies_is_refused_and_the_loaded_one_answers(serve, artifacts, repository):
    server = serve("--repository", repository, CONTROL)
    again = ask(server, "load", version="7")
    shutil.rmtree(repository / "iris/7")
    add(artifacts, repository, "8", "iris/7")

    changed = ask(server, "load", version="7")

    assert (again.status_code, changed.status_code) == (200, 409)
    assert "a version does not change" in changed.json()["error"]
    assert "a version does not change" in index(server)["iris", "7"][1]
    assert answered_by(server) == "7"


def test_a_model_without_a_version_that_is_right_leaves_the_server_not_ready_until_it_has_one(serve, artifacts, repository):
    good, bad = add(artifacts, repository, "8", "other/8"), repository / "other/9"
    shutil.copytree(good, bad)
    (bad / "README.md").write_bytes((bad / "README.md").read_bytes().swapcase())
    (repository / "none/1").mkdir(parents=True)
    server = serve("--repository", repository, CONTROL, "--grpc-port", "0")

    assert answered_by(server, "/v2/models/other") == "8"
    assert "README.md: has digest" in index(server)["other", "9"][1]
    assert index(server)["none", "1"][1].startswith("none/1: kanarya.json cannot be read")
    codes = [server.http.get(f"/v2/{path}/ready").status_code for path in ("health", "models/iris", "models/none")]
    assert codes == [503, 200, 404]
    shutil.rmtree(repository / "none/1")
    add(artifacts, repository, "10", "none/1")
    assert ask(server, "load", "none").status_code == 200
    assert server.http.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("models/rose/load", {}, 404, 'model: got "rose"'),
        ("models/iris/load", {"parameters": {"version": "9"}}, 404, 'version: got "9" of model "iris", expected "7"'),
        ("models/iris/load", {"parameters": {"version": "../../x"}}, 404, "version: got"),
        ("models/..%2firis/load", {}, 404, "path: got"),
        ("models/%2e%2e/load", {}, 404, 'model: got ".."'),
        ("models/iris/unload", {"parameters": {"version": "9"}}, 404, "version: got"),
        ("models/rose/unload", {}, 404, 'model: got "rose"'),
        ("models/iris/load", {"parameters": {"config": "{}"}}, 400, 'got the member "parameters.config"'),
        ("models/iris/load", {"parameters": {"version": 7}}, 400, "parameters.version: got the number 7"),
        ("models/iris/load", {"parameters": []}, 400, "parameters: got a list of 0"),
        ("models/iris/load", [], 400, "body: got a list"),
        ("index", {"ready": "yes"}, 400, 'ready: got the string "yes", expected true or false'),
        ("index/", {}, 404, "path: got"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_what_is_wrong(watched, path, body, code, words):
    answer = watched.http.post(f"/v2/repository/{path}", json=body)

    assert answer.status_code == code
    assert words in answer.json()["error"]


@pytest.fixture(scope="module")
def watched(artifacts, tmp_path_factory, starting):
    """A server for the tests that change nothing."""
    directory = tmp_path_factory.mktemp("watched")
    shutil.copytree(artifacts / "7", directory / "models/iris/7")
    server = starting(directory, "--repository", directory / "models", CONTROL)
    yield server
    server.stop()


def test_a_web_page_may_not_ask_and_an_empty_body_will_do(watched):
    page = watched.http.post("/v2/repository/models/iris/unload", headers={"origin": "http://elsewhere.example"})

    assert "no web page may ask this" in page.json()["error"]
    assert watched.http.get("/v2/repository/index").status_code == 405
    assert watched.http.post("/v2/repository/index").json() == [
        {"name": "iris", "version": "7", "state": "READY", "reason": "the default version"}
    ]
    assert answered_by(watched) == "7"


def test_grpc_loads_switches_lists_and_refuses_as_http_does(serve, artifacts, repository):
    add(artifacts, repository, "8", "iris/8")
    (repository / "iris/9").mkdir()
    (repository / "iris/default").write_text("7")
    server = serve("--repository", repository, CONTROL, "--grpc-port", "0")

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:

        def call(method, request, answer):
            serialise = type(request).SerializeToString
            return channel.unary_unary(f"/inference.GRPCInferenceService/{method}", serialise, answer.FromString)(
                request, timeout=60
            )

        def change(verb, **parameters):
            request, answer = getattr(pb, f"RepositoryModel{verb}Request"), getattr(pb, f"RepositoryModel{verb}Response")
            return call(f"RepositoryModel{verb}", request(model_name="iris", parameters=parameters), answer)

        def refused(verb, **parameters):
            with pytest.raises(grpc.RpcError) as caught:
                change(verb, **{name: pb.ModelRepositoryParameter(**value) for name, value in parameters.items()})
            return caught.value.code().name, caught.value.details()

        def versions():
            found = call("ModelMetadata", pb.ModelMetadataRequest(name="iris"), pb.ModelMetadataResponse).versions
            listed = call("RepositoryIndex", pb.RepositoryIndexRequest(ready=True), pb.RepositoryIndexResponse).models
            assert list(found) == [one.version for one in listed]
            return list(found)

        before = versions()
        change("Load", version=pb.ModelRepositoryParameter(string_param="8"))
        after = versions()
        refusals = [
            refused("Load", version={"string_param": "9"}),
            refused("Load", version={"string_param": "10"}),
            refused("Load", config={"string_param": "{}"}),
            refused("Unload", version={"int64_param": 8}),
        ]
        answer = answered_by(server)
        change("Unload", unload_dependents=pb.ModelRepositoryParameter(bool_param=False))
        ready = call("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse).ready
        about = call("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)

    assert (before, after, answer, ready) == (["7"], ["8"], "8", False)
    assert [code for code, _ in refusals] == ["FAILED_PRECONDITION", "NOT_FOUND", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]
    assert "iris/9: kanarya.json cannot be read" in refusals[0][1]
    assert list(about.extensions) == ["model_repository"]
    assert answered_by(server) == 404


def test_without_control_a_repository_is_served_and_nobody_can_change_that(serve, running, repository):
    server = serve("--repository", repository)

    assert answered_by(server) == "7"
    for one in (server, running):
        codes = [one.http.post(f"/v2/repository/{path}", json={}).status_code for path in ("index", "models/iris/unload")]
        assert codes == [404, 404]
        assert "model_repository" not in one.http.get("/v2").json()["extensions"]
