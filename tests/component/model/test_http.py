"""HTTP/1.1 itself, over real connections: however a request's bytes come, it is answered alike, and in its turn."""

import json
import socket
from http.client import HTTPResponse

import pytest

INFER = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MANY_ROWS = 5000
"""More than are predicted on the event loop: the answer comes from a thread, after others could have been given."""


@pytest.fixture
def connection(running):
    with socket.create_connection(("127.0.0.1", running.port), timeout=120) as open_one:
        yield open_one


class Buffered:
    """A connection that gives every response the same buffer, or what one has read of the next would be lost."""

    def __init__(self, file):
        self._file = file

    def makefile(self, mode):
        assert mode == "rb"
        return self

    def close(self):
        """A response is over; the connection is not."""

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def reader(connection):
    with connection.makefile("rb") as file:
        yield Buffered(file)


def body(name="one", rows=1):
    tensor = {"name": "X", "shape": [rows, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2] * rows}
    return json.dumps({"id": name, "inputs": [tensor]}).encode()


def request(content, head=INFER, more=b""):
    return head + more + b"Content-Length: %d\r\n\r\n" % len(content) + content


def answer(connection, method="POST"):
    """The next response: status, headers, body."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    return response.status, dict(response.getheaders()), response.read()


def test_requests_that_are_sent_at_once_are_answered_in_their_order_whoever_is_quicker(serve, artifact):
    names = ["long", *(str(number) for number in range(1500))]
    waiting = request(body("long", MANY_ROWS)) + b"".join(request(body(name)) for name in names[1:])

    with (
        socket.create_connection(("127.0.0.1", serve(artifact).port), timeout=120) as connection,
        connection.makefile("rb") as file,
    ):
        connection.sendall(waiting)
        answers = [answer(Buffered(file)) for _ in names]

    assert {status for status, _, _ in answers} == {200}
    assert [json.loads(content)["id"] for _, _, content in answers] == names


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_request_is_answered_alike_in_whatever_pieces_it_comes(running, size):
    whole, got = request(body()), []
    for step in (len(whole), size):
        with socket.create_connection(("127.0.0.1", running.port), timeout=120) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(whole), step):
                connection.sendall(whole[start : start + step])
            got.append(answer(connection)[::2])

    assert got[0][0] == 200
    assert got[0] == got[1]


def test_a_client_that_waits_to_be_told_to_go_on_is_told_so(connection):
    content = body()
    connection.sendall(INFER + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(content))
    told = connection.recv(100)

    connection.sendall(content)

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer(connection)[0] == 200


def test_a_client_of_http_1_0_is_answered_and_let_go(connection):
    connection.sendall(request(body(), head=INFER.replace(b"HTTP/1.1", b"HTTP/1.0"), more=b"Connection: keep-alive\r\n"))
    status, headers, _ = answer(connection)

    assert status == 200
    assert headers["connection"] == "close"
    assert connection.recv(1) == b""


def test_the_answer_to_a_head_has_a_length_and_no_body(connection, reader):
    connection.sendall(b"HEAD /v2 HTTP/1.1\r\nHost: x\r\n\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")

    status, headers, content = answer(reader, method="HEAD")

    assert (status, content) == (405, b"")
    assert int(headers["content-length"]) > 0
    assert answer(reader, method="GET")[0] == 200


def test_a_head_without_end_is_refused_behind_another_request_too(connection, reader):
    connection.sendall(request(body()) + b"GET /v2 HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 4000)
    answered = answer(reader)

    connection.sendall(b"a" * 4000)

    assert answered[0] == 200
    assert answer(reader)[0] == 431
