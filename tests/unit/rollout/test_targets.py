"""Several rollouts under one controller: each its own, and never two of them over one target."""

import logging
from datetime import UTC, datetime

import pytest

from kanarya_contracts.names import Verb
from kanarya_contracts.rollout import ModelRollout, Request
from kanarya_rollout.controller import Controller
from kanarya_rollout.testing import Quality, Simulation, a_rollout, promoted


class Place(Simulation):
    """One rollout's world, beside others in one store."""

    def __init__(self, name: str, beside: Simulation | None) -> None:
        super().__init__()
        self.name = name
        if beside is not None:
            self.store, self.clock = beside.store, beside.clock
            self.serving._clock = beside.clock

    @property
    def status(self):
        return self.store.get(self.name)[0].status


class Registries:
    """A registry with a model for each place."""

    def __init__(self, places: dict[str, Place]) -> None:
        self._places = places

    def __getattr__(self, method: str):
        return lambda model, *args, **named: getattr(self._places[model].registry, method)(model, *args, **named)


class Once:
    """A `run` that goes round once."""

    def __init__(self) -> None:
        self._over = False

    def is_set(self) -> bool:
        return self._over

    def wait(self, tick: float) -> None:
        self._over = True


class Fleet:
    """Some rollouts and one controller."""

    def __init__(self, *rollouts: ModelRollout) -> None:
        self.places: dict[str, Place] = {}
        for one in rollouts:
            first = next(iter(self.places.values()), None)
            self.places[one.metadata.name] = Place(one.metadata.name, first)
        self.first = next(iter(self.places.values()))
        self.first.store._objects.clear()
        for one in rollouts:
            self.first.store.put(one)
        self.restart()

    def restart(self) -> None:
        self.controller = Controller(
            store=self.first.store,
            registry=Registries(self.places),
            serving_for=lambda rollout: self.places[rollout.metadata.name].serving,
            traffic_for=lambda rollout: self.places[rollout.metadata.name].traffic,
            metrics_for=lambda rollout: self.places[rollout.metadata.name].metrics,
            clock=self.first.clock,
            log=logging.getLogger("kanarya_rollout.testing"),
        )

    def run(self, ticks: int, *, requests: int = 0) -> None:
        for _ in range(ticks):
            for place in self.places.values():
                place.send(requests)
            self.first.clock.advance(1)
            self.controller.run(Once(), tick=1)


def named(name: str, *, day: int | None = None, target: str | None = None, **traffic: object) -> ModelRollout:
    """A rollout of that name, made on that day of January."""
    one = a_rollout(targetRef={"name": target or name}, registry={"model": name, "pollInterval": "1s"}, traffic=traffic)
    made = {} if day is None else {"creationTimestamp": datetime(2026, 1, day, tzinfo=UTC).isoformat()}
    return one.model_copy(update={"metadata": type(one.metadata).model_validate({"name": name, **made})})


def serving(fleet: Fleet) -> dict[str, str | None]:
    return {name: place.status.stable.version if place.status.stable else None for name, place in fleet.places.items()}


def test_several_targets_go_their_own_ways_at_once():
    fleet = Fleet(named("iris"), named("rose"), named("wine"))
    iris, rose, wine = fleet.places.values()
    for place in fleet.places.values():
        place.registry.register("1", alias="champion")
    fleet.run(5)
    for place in fleet.places.values():
        place.challenge("2")
    rose.quality["2"] = Quality(errors=0.5)
    fleet.run(3)
    wine.metrics.reachable = False
    fleet.run(40, requests=200)
    assert promoted(iris.status)
    assert rose.status.condition("RolledBack").reason == "GateRefused"
    assert (wine.status.canary_weight, wine.status.condition("Degraded").reason) == (10, "MetricsUnreachable")
    wine.metrics.reachable = True
    fleet.run(40, requests=200)
    assert serving(fleet) == {"iris": "2", "rose": "1", "wine": "2"}
    assert [place.registry.aliases["champion"] for place in fleet.places.values()] == ["2", "1", "2"]


def two(**younger: object) -> Fleet:
    """`first` is older than `again`; both have a champion in the registry."""
    fleet = Fleet(named("again", day=9, **younger), named("first", day=2, hostnames=["iris.example.com"]))
    for place in fleet.places.values():
        place.registry.register("1", alias="champion")
    return fleet


CONFLICTS = [
    ({"target": "first"}, "InferenceService default/first is that of rollout first already"),
    ({"hostnames": ["rose.example.com", "iris.example.com"]}, "host name iris.example.com is that of rollout first already"),
]


@pytest.mark.parametrize(("younger", "why"), CONFLICTS)
def test_the_younger_of_two_with_one_target_or_host_name_touches_nothing_and_says_whose_it_is(younger, why: str):
    fleet = two(**younger)
    fleet.run(10)
    again, first = fleet.places["again"], fleet.places["first"]
    condition = again.status.condition("Degraded")
    assert (condition.reason, condition.message) == ("TargetTaken", f"{why}, which is older; this one touches nothing")
    assert (again.serving.started, again.traffic.asked, again.registry.versions["1"].tags) == ([], {}, {})
    assert first.traffic.now == {"1": 100}
    assert not first.status.is_true("Degraded")
    fleet.restart()
    fleet.run(5)
    assert again.serving.started == []


def test_it_goes_on_when_the_older_one_is_gone_or_lets_go():
    for end in (lambda store: store._objects.pop("first"), lambda store: store.put(named("first", day=2, target="elsewhere"))):
        fleet = two(target="first")
        fleet.run(3)
        end(fleet.first.store)
        fleet.run(5)
        again = fleet.places["again"]
        assert (again.traffic.now, again.status.is_true("Degraded")) == ({"1": 100}, False)


def test_what_is_asked_of_the_one_that_may_not_is_answered():
    fleet = two(target="first")
    fleet.run(2)
    fleet.first.store.request("again", Request(id="1", verb=Verb.ABORT, by="ada"))
    fleet.run(1)
    status = fleet.places["again"].status
    assert (status.last_request_id, status.last_request_refusal.split(" already")[0]) == (
        "1",
        "abort was asked by ada, but InferenceService default/first is that of rollout first",
    )


def test_without_a_time_of_creation_the_name_decides():
    fleet = Fleet(named("b", target="iris"), named("a", target="iris"))
    for place in fleet.places.values():
        place.registry.register("1", alias="champion")
    fleet.run(5)
    assert serving(fleet) == {"b": None, "a": "1"}


def test_host_names_are_told_apart_by_gateway_and_every_host_is_one_of_them():
    def at(name: str, day: int, gateway: str, *hosts: str) -> ModelRollout:
        return named(name, day=day, gatewayRef={"name": gateway}, hostnames=hosts)

    fleet = Fleet(
        at("a", 1, "east", "x.example.com"),
        at("b", 2, "west", "x.example.com"),
        at("c", 3, "east"),
        at("d", 4, "east"),
        at("e", 5, "east", "y.example.com"),
    )
    for place in fleet.places.values():
        place.registry.register("1", alias="champion")
    fleet.run(5)
    assert serving(fleet) == {"a": "1", "b": "1", "c": "1", "d": None, "e": "1"}
    message = fleet.places["d"].status.condition("Degraded").message
    assert message.startswith("every host name at Gateway default/east is that of rollout c already")
