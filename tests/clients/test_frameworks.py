"""Our models in other people's services: FastAPI, Flask and KServe's ModelServer, with the answers of our own server."""

import asyncio
import importlib.util
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import fastapi
import fastapi.testclient
import flask
import httpx
import kserve
import numpy as np
import pytest

import kanarya_model.edges.fastapi
import kanarya_model.edges.flask
from kanarya_contracts.problems import KanaryaError
from kanarya_model.testing import build

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("bad_input", HERE.parent / "component/protocol/test_bad_input.py")
bad_input = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bad_input)
BAD = {name: body if isinstance(body, bytes) else json.dumps(body).encode() for name, body, _ in bad_input.TABLE}
JSON = {"content-type": "application/json"}
START_SECONDS = 60


@pytest.fixture(scope="session")
def kind():
    return "numeric"


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    return build(tmp_path_factory.mktemp("hosted") / "iris")


@pytest.fixture(scope="session", params=["fastapi", "flask"])
def ask(request, directory):
    """Send a request to the framework: status, whether it is JSON, body."""
    if request.param == "fastapi":
        app = fastapi.FastAPI()
        app.include_router(kanarya_model.edges.fastapi.router(directory, version="7"), prefix="/ml")
        app.get("/ml/own")(lambda: {"own": True})
        with fastapi.testclient.TestClient(app) as client:
            yield lambda method, path, body=b"", headers=JSON: _httpx(
                client.request(method, f"/ml{path}", content=body, headers=headers)
            )
    else:
        app = flask.Flask("own")
        app.register_blueprint(kanarya_model.edges.flask.blueprint(directory, version="7"), url_prefix="/ml")
        app.get("/ml/own")(lambda: {"own": True})
        client = app.test_client()
        yield lambda method, path, body=b"", headers=JSON: _flask(
            client.open(f"/ml{path}", method=method, data=body, headers=headers)
        )


def _httpx(answer):
    return answer.status_code, answer.headers["content-type"], answer.content


def _flask(answer):
    return answer.status_code, answer.content_type, answer.data


@pytest.fixture(scope="session")
def bare(server):
    """The same, to our own server."""
    with httpx.Client(base_url=f"http://{server.http}") as client:
        yield lambda method, path, body=b"", headers=JSON: _httpx(client.request(method, path, content=body, headers=headers))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_gets_the_answer_of_the_bare_server(ask, bare, name):
    asked = ("POST", "/v2/models/iris/infer", BAD[name])

    answer = ask(*asked)

    assert answer == bare(*asked)
    assert 400 <= answer[0] < 500


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v2", b""),
        ("GET", "/v2/health/ready", b""),
        ("GET", "/v2/models/iris", b""),
        ("GET", "/v2/models/iris/versions/7/ready", b""),
        ("POST", "/v2/models/iris/infer", bad_input.GOOD.encode()),
        ("POST", "/v1/models/iris:predict", b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'),
        ("PUT", "/v2/models/iris/infer", b""),
    ],
)
def test_every_other_request_does_too(ask, bare, method, path, body):
    assert ask(method, path, body) == bare(method, path, body)


def test_the_services_own_paths_stay_its_own(ask):
    assert json.loads(ask("GET", "/own")[2]) == {"own": True}
    assert ask("GET", "/v2/nothing")[0] == 404


@pytest.mark.parametrize("make", [kanarya_model.edges.fastapi.router, kanarya_model.edges.flask.blueprint])
def test_a_wrong_option_or_artifact_is_refused_as_the_service_starts(make, directory, tmp_path):
    with pytest.raises(KanaryaError, match="most-rows: got 'many', expected an integer"):
        make(directory, most_rows="many")
    with pytest.raises(TypeError, match="got rows, expected some of"):
        make(directory, rows=3)
    with pytest.raises(KanaryaError, match="is not a directory"):
        make(tmp_path / "nowhere")


# --- KServe's ModelServer --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def hosted(directory, tmp_path_factory):
    """KServe's server with our model: its HTTP and gRPC addresses."""
    http, grpc = _free(), _free()
    with (tmp_path_factory.mktemp("kserve") / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, HERE / "host_kserve.py", directory, str(http), str(grpc)], stdout=log, stderr=log
        )
    try:
        _wait(process, f"http://127.0.0.1:{http}/v2/models/iris/ready")
        yield f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}"
    finally:
        process.terminate()
        process.wait(40)


def _free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait(process, url):
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("KServe's server did not start")


def _request(**changes):
    one = kserve.InferInput("X", [1, 4], "FP64")
    one.set_data_from_numpy(np.array([[5.1, 3.5, 1.4, 0.2]]), binary_data=changes.pop("binary", False))
    return kserve.InferRequest("iris", [one], **changes)


@pytest.mark.parametrize("binary", [False, True])
def test_kserves_server_answers_over_rest_and_grpc(hosted, binary):
    async def ask():
        rest = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
        return [
            await rest.infer(hosted[0], _request(binary=binary), model_name="iris"),
            await kserve.InferenceGRPCClient(hosted[1]).infer(_request(binary=binary)),
        ]

    for response in asyncio.run(ask()):
        label, probabilities = (response.get_output_by_name(name).as_numpy() for name in ("label", "probabilities"))
        assert [word.decode() if isinstance(word, bytes) else word for word in label.tolist()] == ["setosa"]
        assert probabilities.shape == (1, 3)


_READ_BY_KSERVE = (11, 12, 13, 17, 20, 25, 27, 33, 34, 35, 36, 39, 40, 42, 43, 44, 45, 48, 53)
IN_THE_MODELS_HANDS = [name for name in BAD if int(name.split()[0]) in _READ_BY_KSERVE and "2^200" not in name]
"""Rows of the table that KServe reads and leaves to the model."""


@pytest.mark.parametrize("name", IN_THE_MODELS_HANDS)
def test_in_kserves_server_a_bad_request_is_the_clients_mistake_in_our_words(hosted, bare, name):
    answer = httpx.post(f"{hosted[0]}/v2/models/iris/infer", content=BAD[name], headers=JSON)

    assert answer.status_code == 400
    assert answer.json() == json.loads(bare("POST", "/v2/models/iris/infer", BAD[name])[2])
