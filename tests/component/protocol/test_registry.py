"""Who answers changes while the application goes on: new tables for new requests, and nothing is kept of what has gone."""

import asyncio
import gc
import weakref
from contextlib import closing, contextmanager

import pytest

from kanarya_model.edges.inference import Limits
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Workers


@contextmanager
def nobody_collects():
    """For as long as the context lasts, what is in a cycle stays, as it does of what was there when the server froze it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def paths_of(application, name):
    return [path for path in application.paths if f"/{name}" in path]


@pytest.mark.parametrize("kind", ["numeric", "skops"])
def test_a_version_that_was_let_go_is_gone_with_its_last_reference(model, kind):
    with closing(Workers(threads=1, waiting=10)) as workers, nobody_collects():
        served = Served(model(kind), workers=workers, inline_rows=100, batch_rows=100, most_series=2000)
        registry = Registry([served])
        application = Rest(registry, limits=Limits(body_bytes=1000, rows=10, in_flight=10))
        there = weakref.ref(served)
        assert len(paths_of(application, "iris")) == 9

        [left] = registry.change(registry.versions.take("iris", "2"))
        assert left is served
        assert registry.counted() == (served,)
        registry.gone(served)
        assert paths_of(application, "iris") == []
        assert there() is not None
        del served, left

        assert there() is None


def test_ready_is_what_answers_and_lacks_nothing_that_was_expected(model):
    async def codes(application):
        sent = []

        async def send(message):
            sent.append(message)

        await application({"type": "http", "path": "/v2/health/ready", "method": "GET", "headers": []}, None, send)
        return sent[0]["status"]

    with closing(Workers(threads=1, waiting=10)) as workers:
        served = Served(model("numeric"), workers=workers, inline_rows=100, batch_rows=0, most_series=2000)
        registry = Registry()
        application = Rest(registry, limits=Limits(body_bytes=1000, rows=10, in_flight=10))
        states = [asyncio.run(codes(application))]
        registry.change(registry.versions.put("iris", "2", served))
        states.append(asyncio.run(codes(application)))
        registry.expect(["wine"])
        states.append(asyncio.run(codes(application)))
        registry.expect([])
        states.append(asyncio.run(codes(application)))

    assert states == [503, 200, 503, 200]
