"""Messages to real receivers over HTTP that fail, hang, refuse and come back; and rollouts that do not care."""

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path

import pytest

from kanarya_rollout.message import SignedCloudEvent, Text
from kanarya_rollout.notify import Channel, Notifications
from kanarya_rollout.testing import Quality, Simulation, promoted

KEY = b"k" * 32
DOCUMENTED = Path(__file__).parents[3] / "docs/how-to/hear-of-rollouts.md"
HANG = 0
"""Instead of a status: say nothing until the test is over."""


class Receiver:
    """An HTTP server that answers as it is told, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == HANG:
                    receiver.over.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/t0psecret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def reasons(self) -> list[str]:
        return [json.loads(body)["data"]["reason"] for _, body in self.got]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "*")
    one = Receiver()
    yield one
    one.close()


class Outcomes(Counter[tuple[str, str]]):
    def __call__(self, receiver: str, outcome: str) -> None:
        self[receiver, outcome] += 1


Opened = Callable[..., tuple[Notifications, Outcomes]]


@pytest.fixture
def opened(receiver: Receiver) -> Iterator[Opened]:
    """Makes channels to the receiver, and lets go of them before it goes."""
    made: list[Notifications] = []

    def open_one(url: str = "", *, name: str = "webhook", form: object = None, **how: object) -> tuple[Notifications, Outcomes]:
        outcomes = Outcomes()
        form = form or SignedCloudEvent(key=KEY)
        channel = Channel(name, url or receiver.url, form, count=outcomes, **{"pauses": (0.01,) * 4, "timeout": 60.0, **how})
        made.append(Notifications([channel]))
        return made[-1], outcomes

    yield open_one
    receiver.over.set()
    for one in made:
        one.close(60.0)


def rollout(notifications: Notifications, *, bad: bool = False) -> Simulation:
    """A whole rollout that tells what happens."""
    world = Simulation()
    world.fresh_controller(listeners=[notifications])
    world.serve_first()
    world.challenge()
    if bad:
        world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: promoted(status) or status.is_true("RolledBack"), requests=200)
    return world


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_the_manual_checks_a_signature_with_takes_ours_and_nothing_else(receiver: Receiver, opened: Opened):
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(code, manual := {})  # noqa: S102 (our own page)
    secret = f"whsec_{base64.b64encode(KEY).decode()}"
    rollout(opened()[0])
    eventually(lambda: bool(receiver.got))
    headers, body = receiver.got[0]
    assert manual["verified"](headers, body, secret)
    assert not manual["verified"](headers, body + b" ", secret)
    assert not manual["verified"](headers | {"webhook-timestamp": "1614265330"}, body, secret)
    assert not manual["verified"](headers, body, f"whsec_{base64.b64encode(b'j' * 32).decode()}")


ALL = ["Verifying", "ShiftingTraffic", "ShiftingTraffic", "ShiftingTraffic", "Promoting", "GatesAgreed"]


def test_every_event_of_a_rollout_arrives_once_in_order_and_signed(receiver: Receiver, opened: Opened):
    notifications, outcomes = opened()
    rollout(notifications)
    eventually(lambda: outcomes["webhook", "sent"] >= len(receiver.got) and "GatesAgreed" in receiver.reasons)
    assert receiver.reasons[-len(ALL) :] == ALL
    assert set(outcomes) == {("webhook", "sent")}
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == len(receiver.got)
    for headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{mac}"
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 600
        assert json.loads(body)["id"] == headers["webhook-id"]


def test_what_fails_and_what_hangs_is_tried_again_with_the_same_id_before_what_comes_after(receiver: Receiver, opened: Opened):
    receiver.answers = [500, HANG, 429, 200]
    notifications, outcomes = opened(timeout=0.5)  # a slow machine may take that for silence: more attempts, and the same order
    rollout(notifications)
    eventually(lambda: bool(receiver.got) and receiver.reasons[-1] == "GatesAgreed")
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    attempts = [(one, len(list(several))) for one, several in groupby(ids)]
    assert attempts[0][1] >= 4
    assert len(attempts) == len(set(ids)) > 1
    eventually(lambda: outcomes["webhook", "sent"] == len(set(ids)))
    assert outcomes["webhook", "failed"] == 0


def test_what_is_given_up_is_counted_and_said_once_without_the_address(receiver, opened, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "kanarya_rollout")
    receiver.answers = [404] * 3
    notifications, outcomes = opened()
    rollout(notifications)
    eventually(lambda: bool(receiver.got) and receiver.reasons[-1] == "GatesAgreed")
    assert outcomes["webhook", "failed"] == 3  # and a client error is not tried again
    said = [record.message for record in caplog.records if record.name == "kanarya_rollout.notify"]
    assert said == [
        "webhook at 127.0.0.1 does not take messages (answered 404); nothing that is decided depends on it",
        "webhook takes messages again",
    ]
    assert "t0psecret" not in caplog.text


def test_a_receiver_that_is_not_there_changes_no_verdict(receiver: Receiver, opened: Opened):
    with socket.socket() as nobody:  # bound, so that it stays nobody's, and refusing
        nobody.bind(("127.0.0.1", 0))
        for bad in (False, True):
            notifications, outcomes = opened(f"http://127.0.0.1:{nobody.getsockname()[1]}", pauses=())
            world = rollout(notifications, bad=bad)
            assert world.status.is_true("RolledBack") == bad
            assert world.traffic.asked["1" if bad else "2"] == 100
            eventually(lambda outcomes=outcomes: outcomes["webhook", "failed"] > 0)


def test_a_receiver_that_hangs_holds_up_no_pass_and_no_other_receiver(receiver: Receiver, opened: Opened):
    receiver.answers = [HANG] * 1000
    hangs, outcomes = opened(capacity=2)
    other = Receiver()
    line, sent = opened(other.url, name="slack", form=Text())
    world = Simulation()
    world.fresh_controller(listeners=[hangs, line])
    world.serve_first()
    world.challenge()
    world.until(promoted, requests=200)
    eventually(lambda: any("GatesAgreed" in json.loads(body)["text"] for _, body in other.got))
    assert outcomes["webhook", "dropped"] > 0  # one is on its way, two wait
    eventually(lambda: len(receiver.got) == 1)
    eventually(lambda: sent["slack", "sent"] == len(other.got))
    other.close()


def test_what_waits_when_the_process_ends_is_tried_once_more(receiver: Receiver, opened: Opened):
    receiver.answers = [500]
    notifications, outcomes = opened(pauses=(60.0, 60.0))
    rollout(notifications)
    eventually(lambda: bool(receiver.got))
    notifications.close(60.0)
    assert receiver.reasons[-1] == "GatesAgreed"
    assert outcomes["webhook", "failed"] == 1
