"""How often a rollout is looked at: what moves on every tick, what rests when the clock or its world has something to say."""

import logging
from datetime import timedelta

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.cadence import patience
from kanarya_rollout.controller import Controller
from kanarya_rollout.testing import Simulation, a_rollout, promoted

SLOW = {"analysis": {"interval": "30s"}, "registry": {"model": "iris", "pollInterval": "20s"}}


class Loop:
    """The controller's loop over a world whose news somebody tells."""

    def __init__(self, **spec: object) -> None:
        self.world = Simulation(a_rollout(**{**SLOW, **spec}))
        self.told = 0
        world = self.world
        self.controller = Controller(
            store=world.store,
            registry=world.registry,
            serving_for=lambda _: world.serving,
            traffic_for=lambda _: world.traffic,
            metrics_for=lambda _: world.metrics,
            clock=world.clock,
            log=logging.getLogger("tests"),
            news=lambda _: self.told,
            listeners=[self],
        )
        self.passes = 0

    def decided(self, *_: object, **__: object) -> None:
        self.passes += 1

    def ticks(self, count: int, *, requests: int = 0) -> int:
        """How many passes there were in so many seconds, a tick each."""
        before = self.passes
        for _ in range(count):
            self.world.send(requests)
            self.world.clock.advance(1)
            if self.controller._due():
                self.controller.reconcile("iris")
        return self.passes - before

    def counting(self) -> None:
        """A challenger at its first weight, and the gateway has it."""
        self.world.registry.register("1", alias="champion")
        self.ticks(30)
        self.world.challenge("2")
        self.ticks(40, requests=1)
        assert self.world.status.canary_weight == 10


def test_a_rollout_that_only_counts_is_looked_at_when_there_is_something_to_count():
    loop = Loop()
    loop.counting()
    assert loop.ticks(120, requests=1) <= 7  # every 20 s, for the registry


def test_news_of_its_world_is_looked_at_on_the_next_tick():
    loop = Loop()
    loop.counting()
    loop.ticks(2)
    assert loop.ticks(1) == 0
    loop.world.serving.crash("2")
    loop.told += 1
    assert loop.ticks(1) == 1
    assert loop.world.status.canary_weight == 0  # nobody waits half a minute for a server that is gone


def test_without_news_a_rollout_under_way_is_looked_at_on_every_tick():
    loop = Loop()
    loop.controller._news = None
    loop.counting()
    assert loop.ticks(10) == 10


def test_a_rollout_that_was_looked_at_rarely_ends_as_any_other():
    loop = Loop()
    loop.counting()
    loop.ticks(400, requests=40)
    assert promoted(loop.world.status)


def test_a_person_is_answered_on_the_next_tick():
    loop = Loop()
    loop.counting()
    loop.ticks(2)
    loop.world.ask(Verb.PAUSE)
    assert loop.ticks(1) == 1
    assert loop.world.status.is_true("Paused")


@pytest.mark.parametrize(("waited", "expected"), [(0, 15.0), (10, 5.0), (16, 0.0)])
def test_a_pause_ends_when_it_ends_and_not_at_the_next_interval(waited: int, expected: float):
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"pause": {"duration": "15s"}}], **SLOW))
    world.serve_first()
    world.challenge("2")
    world.until(lambda status: status.current_step_index == 1, requests=200)
    world.tick()
    rollout, _ = world.store.get("iris")
    now = rollout.status.step_started_at + timedelta(seconds=waited)
    assert patience(rollout, rollout.status, now, announced=True) == expected
