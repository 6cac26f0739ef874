"""Clients that take long, and too much at once: row 76 of the table of bad requests, over real connections."""

import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest

ROW = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
BODY = json.dumps(ROW).encode()
INFER = "/v2/models/iris/infer"
HEAD = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PATIENCE = 1.0
SURELY = 60.0
"""Seconds after which the server does not act at all, however slow the machine is."""


@pytest.fixture
def hasty(serve, artifact):
    """It waits longer for a request's first byte than for the rest, which a slow machine's client has to get across."""
    return serve(artifact, "--request-seconds", PATIENCE, "--keep-alive-seconds", 3 * PATIENCE, "--most-body-bytes", "100000")


def connect(stack, server):
    return stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=SURELY))


def everything(connection):
    """What comes until the server closes."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def test_whoever_does_not_go_on_is_told_so_and_let_go(hasty):
    begun = {
        "silent": b"",
        "in the head": b"POST /v2/mod",
        "in the headers": HEAD,
        "before the body": HEAD + b"Content-Length: 100\r\n\r\n",
        "in the body": HEAD + b"Content-Length: 100\r\n\r\n{",
        "in a chunk": CHUNKED + b"40\r\n{",
        "before the last chunk": CHUNKED + b"1\r\n{\r\n",
        "after an answer": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
        "in the next request": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + b"POST /v2",
    }
    with ExitStack() as stack:
        connections = {}
        for name, data in begun.items():
            connections[name] = connect(stack, hasty)
            connections[name].sendall(data)

        got = {name: everything(connection) for name, connection in connections.items()}

    assert got.pop("silent") == b""
    assert got["after an answer"].startswith(b"HTTP/1.1 200")
    assert got.pop("after an answer").count(b"HTTP/1.1") == 1
    assert got["in the next request"].startswith(b"HTTP/1.1 200")
    assert all(b"HTTP/1.1 408 " in answer and b"was not there whole after 1 s" in answer for answer in got.values())
    assert hasty.metric("kanarya_model_requests_in_flight") == 0


def test_a_client_that_sends_a_little_now_and_then_is_not_waited_for_either(hasty):
    with ExitStack() as stack:
        slow = connect(stack, hasty)
        slow.sendall(HEAD + b"Content-Length: 5000\r\n\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012 (sending is what fails, after some times)
            while time.monotonic() - began < SURELY:
                slow.sendall(b" ")
                time.sleep(0.1)
            pytest.fail("it was waited for")


def test_a_body_without_end_is_413_and_its_connection_is_closed(hasty):
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = []
    with ExitStack() as stack:
        endless = connect(stack, hasty)
        reader = threading.Thread(target=lambda: answer.append(everything(endless)))
        reader.start()
        endless.sendall(CHUNKED)

        with pytest.raises(OSError):  # noqa: PT012 (sending is what fails, after some times)
            for _ in range(5000):  # 160 MB
                endless.sendall(chunk)
            pytest.fail("all of it was taken")
        reader.join(SURELY)

    assert answer[0].startswith(b"HTTP/1.1 413 ")
    assert b"got more than 100000 bytes" in answer[0]
    assert hasty.http.post(INFER, json=ROW).status_code == 200


def test_a_client_that_does_not_read_is_cut_off(hasty):
    with ExitStack() as stack:
        deaf = connect(stack, hasty)
        deaf.settimeout(0.5)
        request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        requests, sent = request * 1000, 0
        began = time.monotonic()
        with pytest.raises(OSError) as ended:  # noqa: PT012 (a time-out says that nobody reads any more; the end says more)
            while time.monotonic() - began < SURELY:
                try:
                    sent += deaf.send(requests[sent % len(request) :])  # whole ones: for a broken one it would be let go, too
                except TimeoutError:
                    time.sleep(0.1)
            pytest.fail("it was waited for")

    assert isinstance(ended.value, ConnectionError)
    assert hasty.http.post(INFER, json=ROW).status_code == 200


def test_more_at_once_than_is_taken_on_is_503_while_health_answers_and_the_rest_is_served(serve, artifact):
    server = serve(artifact, "--most-in-flight", "4")
    with ExitStack() as stack:
        started = [connect(stack, server) for _ in range(4)]
        for connection in started:
            connection.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY[:10])
        while server.metric("kanarya_model_requests_in_flight") < 4:
            time.sleep(0.01)

        refused = server.http.post(INFER, json=ROW)
        ready = server.http.get("/v2/health/ready")
        for connection in started:
            connection.sendall(BODY[10:])
        served = [everything(connection) for connection in started]

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "expected at most 4" in refused.json()["error"]
    assert ready.status_code == 200
    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in served)
    assert server.metric('kanarya_model_requests_total{code="503",edge="v2-rest",model="iris",version="[^"]*"}') == 1
