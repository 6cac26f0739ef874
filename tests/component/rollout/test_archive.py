"""The record of decisions in object storage: a real S3 endpoint, written to by the archive's own thread."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kanarya_contracts.audit import Head, faults, opened
from kanarya_contracts.problems import KanaryaError
from kanarya_rollout import archive as archive_module
from kanarya_rollout.archive import Archive
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.objects import Objects
from kanarya_rollout.testing import Simulation

BUCKET = "audit"


class Store:
    """S3 over HTTP, and its bucket."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name, value in (("ACCESS_KEY_ID", "tests"), ("SECRET_ACCESS_KEY", "tests"), ("REGION", "us-east-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        self.client = boto3.client("s3", region_name="us-east-1")
        self.client.create_bucket(Bucket=BUCKET)

    def names(self, bucket: str) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())]

    def down(self) -> None:
        self._server.stop()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store(monkeypatch)
    yield made
    made.down()


def decided() -> tuple[Simulation, tuple[str, ...]]:
    """A world with a few decisions that wait in the status."""
    world = Simulation(audited=True)
    world.shelf.reachable = False
    world.serve_first()
    world.challenge("2")
    world.run(ticks=4)
    return world, world.status.audit.pending


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "not within 60 s"
        time.sleep(0.02)


def test_records_go_to_the_bucket_in_order_with_the_last_one_known_to_the_registry(store: Store):
    world, pending = decided()
    archive, stop = Archive(Objects(f"s3://{BUCKET}/kanarya"), world.registry, controller="tests"), threading.Event()
    thread = threading.Thread(target=archive.work, args=[stop])
    thread.start()
    try:
        archive.keep(pending)
        chain = world.status.audit.chain
        until(lambda: archive.kept(chain) == len(pending) > 2)
    finally:
        stop.set()
        thread.join()
    assert store.names(BUCKET) == [f"kanarya/default/iris/{chain}/{number:08d}.json" for number in range(1, len(pending) + 1)]
    kept = Objects(f"s3://{BUCKET}/kanarya").under("default/iris/")
    stored = {opened(content).sequence: content for content in kept.values()}
    known = Head(sequence=world.status.audit.sequence, hash=world.status.audit.hash, known_to="the status")
    assert faults(chain, stored, (known,)) == []


def test_a_bucket_that_is_away_is_tried_again_and_gets_everything(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    world, pending = decided()
    archive, stop = Archive(Objects("s3://made-later"), world.registry, controller="tests"), threading.Event()
    monkeypatch.setattr(archive_module, "RETRY_SECONDS", 0.05)
    with caplog.at_level(logging.WARNING):
        thread = threading.Thread(target=archive.work, args=[stop])
        thread.start()
        try:
            archive.keep(pending)
            until(lambda: "not on record yet: s3://made-later does not answer as it should" in caplog.text)
            assert archive.kept(world.status.audit.chain) == 0
            store.client.create_bucket(Bucket="made-later")
            until(lambda: archive.kept(world.status.audit.chain) == len(pending))
        finally:
            stop.set()
            thread.join()
    assert len(store.names("made-later")) == len(pending)
    assert caplog.text.count("made-later does not answer") == 1  # said once, however often it was tried


@pytest.mark.parametrize("place", ["s3", "directory"])
def test_what_is_kept_under_a_name_stays_and_the_same_again_is_no_conflict(place: str, store: Store, tmp_path: Path):
    shelf = Objects(f"s3://{BUCKET}/p" if place == "s3" else (tmp_path / "a b").as_uri(), make=True)
    shelf.put("default/iris/1.json", b"one")
    shelf.put("default/iris/1.json", b"one")
    with pytest.raises(Conflict, match="is there already"):
        shelf.put("default/iris/1.json", b"other")
    shelf.put("default/iris-2/1.json", b"another rollout's")
    assert shelf.under("default/iris/") == {"default/iris/1.json": b"one"}


def test_a_store_that_does_not_answer_says_so_within_seconds(monkeypatch: pytest.MonkeyPatch, store: Store):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(Unreachable, match="s3://audit does not answer as it should"):
        Objects(f"s3://{BUCKET}").put("a", b"")
    assert time.monotonic() - began < 60  # obstore's own patience is three minutes


@pytest.mark.parametrize("place", ["ftp://somewhere/else", "file:///not/there/at/all", "s3://"])
def test_what_is_no_place_for_records_is_refused_by_name(place: str):
    with pytest.raises(KanaryaError, match="is no place for records"):
        Objects(place)
