"""Bodies as they travel: media types, gzip and zstd, and the rows of the table that concern them (55 to 61)."""

import gzip
import json
import sys
import tracemalloc

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GOOD = json.dumps({"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}).encode()
GZIP, ZSTD = gzip.compress(GOOD, mtime=0), zstd.compress(GOOD)
LIMIT = 100_000
"""The client's application reads no larger body (conftest)."""


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="55 none"),
        pytest.param({"content-type": "application/x-www-form-urlencoded"}, id="56 form, which curl -d says by itself"),
    ],
)
def test_json_for_inference_is_read_whatever_a_form_calls_it(client, headers):
    assert client().infer(GOOD, headers=headers).status == 200


def test_feedback_is_not_read_from_a_form(client):
    form = {"content-type": "application/x-www-form-urlencoded"}

    answer = client().ask("POST", "/v2/models/iris/feedback", b"{}", headers=form)

    assert answer.status == 415


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", GZIP), ("x-gzip", GZIP), ("zstd", ZSTD), ("ZSTD", ZSTD), ("identity", GOOD)]
)
def test_58_a_compressed_body_is_answered_as_the_plain_one(client, coding, body):
    asked = client()

    answer = asked.infer(body, headers={"content-encoding": coding}, pieces=2)

    assert answer.body == asked.infer(GOOD).body


@pytest.mark.parametrize(
    ("coding", "body", "status", "words"),
    [
        pytest.param("gzip", GOOD, 400, "that are not gzip", id="59 gzip that is plain"),
        pytest.param("zstd", GOOD, 400, "that are not zstd", id="59 zstd that is plain"),
        pytest.param("gzip", b"", 400, "end too early", id="59 gzip of nothing"),
        pytest.param("gzip", GZIP[:-6], 400, "of gzip that end too early", id="cut gzip"),
        pytest.param("zstd", ZSTD[:-6], 400, "of zstd that end too early", id="cut zstd"),
        pytest.param("gzip", GZIP + GZIP, 400, "bytes after the end of the gzip", id="two members"),
        pytest.param("zstd", ZSTD + b"x", 400, "got 1 bytes after the end of the zstd", id="a byte more"),
        pytest.param("br", GOOD, 415, 'Content-Encoding: got "br", expected gzip, zstd or identity', id="60 br"),
        pytest.param("deflate", GOOD, 415, "Content-Encoding", id="60 deflate"),
        pytest.param("gzip, zstd", GZIP, 415, "Content-Encoding", id="60 two codings"),
    ],
)
def test_a_body_that_is_not_as_announced_is_refused(client, coding, body, status, words):
    answer = client().infer(body, headers={"content-encoding": coding})

    assert answer.status == status
    assert words in answer.error


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_61_a_bomb_is_413_and_is_not_inflated(client, coding, pack):
    bomb = pack(b" " * 50_000_000)
    asked = client()
    tracemalloc.start()
    try:
        answer = asked.infer(bomb, headers={"content-encoding": coding})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer.status == 413
    assert f"got more than {LIMIT} bytes once inflated" in answer.error
    assert peak < 20 * LIMIT


def test_a_body_that_is_just_at_the_limit_once_inflated_is_read(client):
    body = GOOD + b" " * (LIMIT - len(GOOD))

    assert client().infer(gzip.compress(body), headers={"content-encoding": "gzip"}).status == 200
    assert client().infer(gzip.compress(body + b" "), headers={"content-encoding": "gzip"}).status == 413
