"""The real process over real HTTP: broken bytes, start, refusals, stop."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from kanarya_contracts.artifact import digest
from kanarya_model.__main__ import main
from kanarya_model.testing import build

ROW = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
BODY = json.dumps(ROW).encode()
INFER = "/v2/models/iris/infer"


def head(*lines: bytes, last: bytes = b"Connection: close") -> bytes:
    start = (b"POST /v2/models/iris/infer HTTP/1.1", b"Host: x", b"Content-Type: application/json")
    return b"\r\n".join([*start, *lines, last, b"", b""])


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def error(answer: bytes) -> str:
    document = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert list(document) == ["error"]
    return document["error"]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def test_it_serves_refuses_counts_and_says_who_it_is(serve, artifact):
    server = serve(env={"KANARYA_MODEL_DIR": str(artifact), "KANARYA_MODEL_NAME": "flowers", "KANARYA_MODEL_MOST_ROWS": "1"})
    version = digest((artifact / "kanarya.json").read_bytes()).removeprefix("sha256:")[:12]
    path = f"/v2/models/flowers/versions/{version}"
    two_rows = {"inputs": [{**ROW["inputs"][0], "shape": [2, 4], "data": [[5, 3, 1, 0]] * 2}]}

    good = server.http.post(f"{path}/infer", json=ROW)
    bad = server.http.post(f"{path}/infer", json={})
    large = server.http.post(f"{path}/infer", json=two_rows)
    came_back = {"model_version": good.json()["model_version"], "predictions": good.json()["outputs"][0]["data"]}
    feedback = server.http.post("/v2/models/flowers/feedback", json={**came_back, "labels": ["setosa"]})

    assert good.json()["outputs"][0]["data"] == ["setosa"]
    assert (bad.status_code, large.status_code) == (400, 413)
    assert feedback.json() == {"counted": 1}
    assert server.http.get(path).json()["name"] == "flowers"
    assert server.metric("kanarya_model_requests_total") == 3
    assert server.metric("kanarya_model_feedback_total") == 1


def test_bytes_that_are_no_request_are_answered_and_the_next_client_is_served(running):
    length = b"Content-Length: %d" % len(BODY)
    chunked = b"Transfer-Encoding: chunked"

    answers = {
        "no HTTP": running.raw(b"\x16\x03\x01 hello\r\n\r\n"),
        "no path": running.raw(b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"),
        "two lengths": running.raw(head(length, b"Content-Length: 5") + BODY),
        "length and chunks": running.raw(head(length, chunked) + BODY),
        "length no number": running.raw(head(b"Content-Length: many") + BODY),
        "length negative": running.raw(head(b"Content-Length: -1") + BODY),
        "chunk no number": running.raw(head(chunked) + b"zz\r\n"),
        "header in one piece": running.raw(head(length, b"X: " + b"a" * 3000) + BODY),
        "header without end": running.raw(b"GET /v2 HTTP/1.1\r\nX: " + b"a" * 60_000),
        "upgrade": running.raw(head(length, b"Upgrade: h2c", last=b"Connection: Upgrade") + BODY),
    }

    codes = {name: status(answer) for name, answer in answers.items()}
    assert codes == dict.fromkeys(answers, 400) | {"header in one piece": 431, "header without end": 431}
    assert all(error(answer) for answer in answers.values())
    assert running.http.post(INFER, json=ROW).status_code == 200
    assert running.metric('kanarya_model_requests_total{code="500",edge="v2-rest",model="iris",version="7"}') == 0


def test_bodies_that_are_not_what_was_announced(running):
    chunked = b"Transfer-Encoding: chunked"
    chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    before = running.metric("kanarya_model_requests_total")

    short = running.raw(head(b"Content-Length: %d" % (len(BODY) - 1)) + BODY[:-1])
    in_chunks = running.raw(head(chunked) + chunk + b"0\r\n\r\n")
    never_ending = running.raw(head(chunked) + (b"%x\r\n%b\r\n" % (4000, b" " * 4000)) * 3)
    too_long_expected = running.raw(head(b"Content-Length: 600000", b"Expect: 100-continue"))
    left_early = running.raw(head(b"Content-Length: 500") + BODY, end=True)
    two_at_once = running.raw(
        head(b"Content-Length: %d" % len(BODY), last=b"X: 1") + BODY + head(b"Content-Length: %d" % len(BODY)) + BODY
    )

    assert (status(short), status(in_chunks), status(never_ending)) == (400, 200, 413)
    assert too_long_expected.startswith(b"HTTP/1.1 413")
    assert left_early == b""
    assert two_at_once.count(b"HTTP/1.1 200 OK") == 2
    assert running.metric("kanarya_model_requests_in_flight") == 0
    assert running.metric("kanarya_model_requests_total") == before + 6


def test_a_large_body_is_refused_and_the_connection_serves_on(running):
    connections = running.http.post(INFER, content=b" " * 3_000_000, headers={"content-type": "application/json"})

    assert connections.status_code == 413
    assert "got 3000000 bytes, expected at most 5000" in connections.json()["error"]
    assert running.http.post(INFER, json=ROW).status_code == 200


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_wrong_digest_is_refused_with_the_reason_on_the_last_line(fails, artifact):
    wanted = "sha256:" + "0" * 64

    code, line = fails("serve", artifact, "--port", "0", "--digest", wanted)

    assert code == 2
    assert f"expected {wanted}" in line


def test_an_altered_byte_is_refused(fails, artifact, tmp_path):
    altered = shutil.copytree(artifact, tmp_path / "altered")
    content = bytearray((altered / "model.onnx").read_bytes())
    content[-1] ^= 1
    (altered / "model.onnx").write_bytes(content)

    code, line = fails("serve", altered, "--port", "0")

    assert code == 2
    assert "model.onnx: has digest sha256:" in line


@pytest.mark.parametrize("place", ["/nowhere/at/all", "gopher://x"])
def test_a_place_without_an_artifact_is_refused(fails, place):
    code, line = fails("serve", place, "--port", "0")

    assert code == 2
    assert place in line


def test_a_port_in_use_is_status_3_and_says_what_to_do(fails, artifact):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = fails("serve", artifact, "--port", str(port))

    assert code == 3
    assert line == f"kanarya-model: port {port} on 127.0.0.1 is in use; give another with --port, or --port 0 for any free one"


def test_what_an_onnx_model_over_http_does_not_need_is_not_imported(artifact):
    program = "import sys; from kanarya_model.__main__ import main; main(['check', sys.argv[1]]); print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program, artifact], capture_output=True, text=True, check=True)

    imported = set(done.stdout.splitlines()[-1].split())
    assert {"onnxruntime", "kanarya_model.server"} <= imported
    assert imported & {"grpc", "boto3", "sklearn", "pandas", "skops", "fastapi", "flask", "kserve"} == set()


# --- stop ------------------------------------------------------------------------------------------------------------


class Caller(threading.Thread):
    """Sends rows one after the other, as a gateway does: it stays away from whom asked it to close."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.right, self.wrong = url, 0, []

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while True:
                try:
                    answer = client.post(INFER, json=ROW)
                except httpx.HTTPError as failure:
                    self.wrong.append(repr(failure))
                    return
                if answer.status_code == 200 and answer.json()["outputs"][0]["data"] == ["setosa"]:
                    self.right += 1
                else:
                    self.wrong.append(answer.text)
                if answer.headers.get("connection") == "close":
                    return


def test_a_stop_under_load_loses_no_accepted_request(serve, artifact):
    server = serve(artifact, "--drain-seconds", "60")
    callers = [Caller(server.url) for _ in range(6)]
    for caller in callers:
        caller.start()
    until(lambda: server.metric("kanarya_model_requests_total") >= 200)

    server.process.send_signal(signal.SIGTERM)
    for caller in callers:
        caller.join(60)
    late = httpx.post(server.url + INFER, json=ROW, timeout=60)
    ready = httpx.get(f"{server.url}/v2/health/ready", timeout=60)
    live = httpx.get(f"{server.url}/v2/health/live", timeout=60)

    assert [caller.wrong for caller in callers] == [[]] * 6
    assert all(caller.right > 0 for caller in callers)
    assert (late.status_code, ready.status_code, live.status_code) == (200, 503, 200)
    assert server.stop() == 0  # a second signal ends the drain


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionError:
        return True
    return False


def test_a_request_that_was_accepted_before_the_door_closed_is_answered(serve, artifact):
    server = serve(artifact, "--drain-seconds", "0")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
        slow.sendall(head(b"Content-Length: %d" % len(BODY)) + BODY[:20])
        until(lambda: server.metric("kanarya_model_requests_in_flight") == 1)
        server.http.close()  # or the server waits for it to be idle
        server.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(server.port))
        slow.sendall(BODY[20:])
        answer = slow.recv(65536)

    assert status(answer) == 200
    assert b"connection: close" in answer
    assert server.stop() == 0


def test_a_client_that_never_ends_its_request_does_not_hold_up_the_stop_for_ever(serve, artifact):
    server = serve(artifact, "--drain-seconds", "0", "--grace-seconds", "0.5", "--request-seconds", "3600")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as stuck:
        stuck.sendall(head(b"Content-Length: 500") + b"{")
        until(lambda: server.metric("kanarya_model_requests_in_flight") == 1)

        assert server.stop() == 0


def test_interrupt_stops_it_cleanly_too(serve, artifact):
    assert serve(artifact, "--drain-seconds", "60").stop(signal.SIGINT) == 0


# --- s3 --------------------------------------------------------------------------------------------------------------


def upload(client, directory, prefix):
    for path in directory.rglob("*"):
        if path.is_file():
            client.put_object(Bucket="models", Key=f"{prefix}/{path.relative_to(directory)}", Body=path.read_bytes())


def test_an_artifact_is_served_from_s3(serve, bucket, tmp_path):
    client, environment = bucket
    upload(client, build(tmp_path / "mixed", "mixed"), "iris/7")

    server = serve("s3://models/iris/7", "--version", "7", env=environment)

    example = [("sepal_length", 5.1), ("sepal_width", 3.5), ("petal_length", 1.4)]
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in example]
    tensors.append({"name": "garden", "shape": [1, 1], "datatype": "BYTES", "data": ["south"]})
    assert server.http.post(INFER, json={"inputs": tensors}).json()["outputs"][0]["data"] == ["setosa"]


def test_what_cannot_be_had_from_s3_is_refused(bucket, artifact, capsys):
    client, _ = bucket
    upload(client, artifact, "iris/8")
    client.put_object(Bucket="models", Key="iris/8/more.py", Body=b"x")

    for place, words in (
        ("s3://models/iris/8", "more.py: is not in kanarya.json"),
        ("s3://models/iris/9", "s3://models/iris/9: holds nothing"),
        ("s3://nowhere/iris", "NoSuchBucket"),
    ):
        assert main(["check", place]) == 2
        assert words in capsys.readouterr().err.splitlines()[-1]


def test_an_s3_endpoint_that_is_down_is_named(monkeypatch, credentials, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        for name, value in credentials(endpoint).items():
            monkeypatch.setenv(name, value)

        assert main(["check", "s3://models/iris"]) == 2

    assert endpoint in capsys.readouterr().err.splitlines()[-1]
