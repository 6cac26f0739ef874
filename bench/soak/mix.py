"""What clients send: request NUMBER as bytes, and what must come back. The same number is the same request in every run.

About six of ten are right; the others are wrong in every way that a client can be, many with a word that no other request has,
so that whatever is kept by what a client wrote would grow for ever.
"""

import gzip
import json
import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from kanarya_contracts.names import HEADER_MIRRORED_TO

INFER = "/v2/models/iris/infer"
WIDTH = 4


class Sent(NamedTuple):
    raw: bytes
    statuses: frozenset[int]
    """Any of these is right; with none of them, the client leaves before its request is whole."""
    infers: bool = False
    """Whether it is counted among the requests for inference."""
    closes: bool = False
    """Whether the connection is of no use afterwards."""


class Dice(random.Random):
    """What a request is drawn with."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.word = f"word-{number:x}"
        """What no other request says."""


def request(number: int) -> Sent:
    """Request NUMBER."""
    dice = Dice(number)
    kinds, weights = zip(*_KINDS, strict=True)
    return dice.choices(kinds, weights)[0](dice)


def _http(path: str, body: bytes = b"", *headers: str, method: str = "POST", kind: str = "application/json") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: soak", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _rows(dice: Dice, count: int) -> list[list[float]]:
    return [[round(dice.uniform(0.1, 7.9), 3) for _ in range(WIDTH)] for _ in range(count)]


def _matrix(rows: list[list[float]], **changes: object) -> dict[str, object]:
    flat = [value for row in rows for value in row]
    return {"name": "X", "shape": [len(rows), WIDTH], "datatype": "FP64", "data": flat} | changes


def _asked(document: object, *headers: str, path: str = INFER, right: bool = True, **more: str) -> Sent:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Sent(_http(path, body, *headers, **more), frozenset({200} if right else {400, 413, 415}), infers=True)


# --- right ------------------------------------------------------------------------------------------------------------


def _row(dice: Dice) -> Sent:
    return _asked({"id": dice.word, "inputs": [_matrix(_rows(dice, 1))]}, f"X-Request-Id: {dice.word}")


def _many(dice: Dice) -> Sent:
    return _asked({"inputs": [_matrix(_rows(dice, dice.randint(2, 400)))]})


def _packed(dice: Dice) -> Sent:
    return _asked(gzip.compress(json.dumps({"inputs": [_matrix(_rows(dice, 20))]}).encode(), 1), "Content-Encoding: gzip")


def _binary(dice: Dice) -> Sent:
    rows = _rows(dice, dice.randint(1, 50))
    content = struct.pack(f"<{len(rows) * WIDTH}d", *(value for row in rows for value in row))
    tensor = {"name": "X", "shape": [len(rows), WIDTH], "datatype": "FP64", "parameters": {"binary_data_size": len(content)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = f"Inference-Header-Content-Length: {len(head)}"
    return _asked(head + content, length, kind="application/octet-stream")


def _v1(dice: Dice) -> Sent:
    return _asked({"instances": _rows(dice, 2)}, path="/v1/models/iris:predict")


def _copy(dice: Dice) -> Sent:
    sent = _asked({"id": dice.word, "inputs": [_matrix(_rows(dice, 1))]}, f"{HEADER_MIRRORED_TO}: 7")
    return sent._replace(infers=False)


def _labels(dice: Dice) -> Sent:
    said = {"model_version": "7", "predictions": ["setosa"], "labels": [dice.word]}
    return Sent(_http("/v2/models/iris/feedback", json.dumps(said).encode()), frozenset({200}))


def _looks(dice: Dice) -> Sent:
    path = dice.choice(["/v2", "/v2/health/ready", "/v2/models/iris", "/v1/models/iris", "/openapi.json", "/metrics"])
    return Sent(_http(path, method="GET"), frozenset({200}))


# --- wrong ------------------------------------------------------------------------------------------------------------


def _no_json(dice: Dice) -> Sent:
    whole = json.dumps({"inputs": [_matrix(_rows(dice, 3))]}).encode()
    return _asked(whole[: dice.randint(0, len(whole) - 1)], right=False)


def _strange(dice: Dice) -> Sent:
    wrong = dice.choice(
        [
            {"inputs": [_matrix(_rows(dice, 1), name=dice.word)]},
            {"inputs": [_matrix(_rows(dice, 1), datatype=dice.word)]},
            {"inputs": [_matrix(_rows(dice, 1), shape=[dice.randint(2, 10**9), WIDTH])]},
            {"inputs": [_matrix(_rows(dice, 1), data=[dice.word] * WIDTH)]},
            {"inputs": [_matrix(_rows(dice, 1))], "outputs": [{"name": dice.word}]},
            {"inputs": [_matrix(_rows(dice, 1))], dice.word: dice.word},
            {"id": dice.word * 200, "inputs": [_matrix(_rows(dice, 1))]},
            {"inputs": [_matrix(_rows(dice, 1), data=[1e300] * WIDTH)]},
            [dice.word],
        ]
    )
    return _asked(wrong, right=False)


def _nested(dice: Dice) -> Sent:
    return _asked(b'{"inputs":' + b"[" * dice.randint(10, 2000), right=False)


def _kind(dice: Dice) -> Sent:
    return _asked({}, f"Content-Encoding: {dice.word}", right=False, kind=f"application/{dice.word}")


def _too_many(dice: Dice) -> Sent:
    return _asked({"inputs": [_matrix([], shape=[dice.randint(70_000, 10**9), WIDTH])]}, right=False)


def _nowhere(dice: Dice) -> Sent:
    paths = [
        f"/{dice.word}",
        f"/v2/models/{dice.word}/infer",
        f"/v2/models/iris/versions/{dice.word}/infer",
        f"/v1/models/{dice.word}:predict",
    ]
    return Sent(_http(dice.choice(paths), b"{}"), frozenset({404}))


def _method(dice: Dice) -> Sent:
    return Sent(_http(INFER, b"", method=dice.choice(["GET", "PUT", "DELETE"])), frozenset({405}))


def _wrong_labels(dice: Dice) -> Sent:
    # 32 versions find room; the others are refused.
    said = {"model_version": dice.word, "predictions": ["a"], "labels": ["b"]}
    return Sent(_http("/v2/models/iris/feedback", json.dumps(said).encode()), frozenset({200, 400}))


def _no_http(dice: Dice) -> Sent:
    start = dice.choice([b"\x16\x03\x01", b"EHLO ", b"GET http://"])
    return Sent(start + dice.word.encode() + b"\r\n\r\n", frozenset({400}), closes=True)


def _long_head(dice: Dice) -> Sent:
    return Sent(_http(INFER, b"", f"X-Word: {dice.word * 6000}"), frozenset({431}), closes=True)


def _long_body(dice: Dice) -> Sent:
    head = _http(INFER, method="POST").replace(b"Content-Length: 0", b"Content-Length: %d" % dice.randint(17 << 20, 1 << 40))
    return Sent(head, frozenset({413}), infers=True, closes=True)


def _leaves(dice: Dice) -> Sent:
    whole = _http(INFER, json.dumps({"inputs": [_matrix(_rows(dice, 5))]}).encode())
    return Sent(whole[: dice.randint(1, len(whole) - 1)], frozenset(), closes=True)


_KINDS: tuple[tuple[Callable[[Dice], Sent], int], ...] = (
    (_row, 340),
    (_copy, 20),
    (_many, 50),
    (_packed, 50),
    (_binary, 60),
    (_v1, 40),
    (_labels, 30),
    (_looks, 20),
    (_no_json, 80),
    (_strange, 150),
    (_nested, 20),
    (_kind, 20),
    (_too_many, 10),
    (_nowhere, 40),
    (_method, 20),
    (_wrong_labels, 10),
    (_no_http, 10),
    (_long_head, 10),
    (_long_body, 10),
    (_leaves, 10),
)
"""What there is, and how often of a thousand."""
