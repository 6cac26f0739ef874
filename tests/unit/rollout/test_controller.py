"""One pass and the loop: what is asked how often, what is logged, and that one rollout's trouble is its own."""

import json
import logging
import threading

import pytest

from kanarya_contracts.names import Verb
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.controller import Controller
from kanarya_rollout.observation import Unread
from kanarya_rollout.observe import Watch, World
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.testing import ERRORS, Quality, Simulation, a_rollout, promoted

LOG = "kanarya_rollout.testing"


class Counting:
    """A port that counts the questions it is asked."""

    def __init__(self, port: object, method: str) -> None:
        self._port, self._method, self.asked = port, method, 0

    def __getattr__(self, name: str) -> object:
        if name == self._method:
            self.asked += 1
        return getattr(self._port, name)


def watch(simulation: Simulation, **ports: object) -> Watch:
    world = {
        "registry": simulation.registry,
        "serving": simulation.serving,
        "traffic": simulation.traffic,
        "metrics": simulation.metrics,
    }
    return Watch(World(**{**world, **ports}))


def stored(simulation: Simulation) -> ModelRollout:
    return simulation.store.get("iris")[0]


def test_the_registry_is_asked_once_in_a_poll_interval_and_again_after_it_was_written_to():
    simulation = Simulation(a_rollout(registry={"model": "iris", "pollInterval": "15s"}))
    registry = Counting(simulation.registry, "by_alias")
    eyes = watch(simulation, registry=registry)
    for _ in range(15):
        eyes.look(stored(simulation), simulation.clock.now())
        simulation.clock.advance(1)
    assert registry.asked == 2  # two aliases
    eyes.look(stored(simulation), simulation.clock.now())
    assert registry.asked == 4
    eyes.forget_registry()
    eyes.look(stored(simulation), simulation.clock.now())
    assert registry.asked == 6


def test_counters_are_read_once_in_an_analysis_interval_and_on_every_pass_while_a_weight_is_moving():
    simulation = Simulation(a_rollout(analysis={"interval": "30s"}))
    simulation.serve_first()
    metrics = Counting(simulation.metrics, "read")
    eyes = watch(simulation, metrics=metrics)
    eyes.look(stored(simulation), simulation.clock.now())
    assert metrics.asked == 0  # no candidate, no question
    simulation.challenge()
    simulation.until(lambda status: status.canary_weight == 10)
    for _ in range(3):
        eyes.look(stored(simulation), simulation.clock.now())
    assert metrics.asked == 3  # the gateway does not have the weight yet
    simulation.run(ticks=2)
    before = metrics.asked
    for _ in range(27):
        eyes.look(stored(simulation), simulation.clock.now())
        simulation.clock.advance(1)
    assert metrics.asked == before
    simulation.clock.advance(1)
    eyes.look(stored(simulation), simulation.clock.now())
    assert metrics.asked == before + 1


def test_a_port_that_does_not_answer_is_unread_with_its_message():
    simulation = Simulation()
    simulation.registry.reachable = simulation.traffic.reachable = simulation.serving.reachable = False
    seen = watch(simulation).look(stored(simulation), simulation.clock.now())
    assert seen.registry == Unread(message="the registry at http://registry.test does not answer: connection refused")
    assert isinstance(seen.backends, Unread)
    assert isinstance(seen.in_force, Unread)


def test_a_rollout_that_does_not_exist_is_named_with_those_there_are():
    with pytest.raises(KanaryaError, match="there is no rollout 'wine'; there are: iris"):
        Simulation().controller.reconcile("wine")


def test_each_decision_that_changes_something_is_one_line_of_json(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, LOG)
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    line = json.loads(caplog.records[-1].message)
    assert (line["rollout"], line["stable"], line["candidate"], line["weight"]) == ("iris", "1", "2", 0)
    assert line["conditions"] == {"RolledBack": "GateRefused"}
    assert line["gates"]["error-rate"]["verdict"] == "Failed"
    assert line["gates"]["error-rate"]["candidate"]["n"] > 0
    assert line["events"][0]["message"].startswith("version 2 was rolled back: error-rate: ")
    world.run(ticks=10)
    count = len(caplog.records)
    world.run(ticks=10)
    assert len(caplog.records) == count


def test_what_does_not_answer_is_warned_of_once(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, LOG)
    world = Simulation()
    world.serve_first()
    world.traffic.reachable = False
    world.run(ticks=10)
    assert [record.message for record in caplog.records] == ["iris: the gateway at http://gateway.test does not answer"]


def test_a_rollout_that_cannot_be_read_is_warned_of_once_and_again_when_that_changes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    world, wrong = Simulation(), ["one", "one", "one", "another", None, "another"]

    def get(name: str) -> None:
        why = wrong.pop(0)
        if why is not None:
            raise KanaryaError(f"{name} is wrong:\n  {why}")

    monkeypatch.setattr(world.store, "get", get)
    caplog.set_level(logging.WARNING, LOG)
    world.controller.run(Loop(6), tick=1)
    said = [record.message for record in caplog.records]
    assert said == ["iris: iris is wrong: one", "iris: iris is wrong: another", "iris: iris is wrong: another"]


def test_a_status_that_somebody_wrote_meanwhile_is_a_conflict_and_routes_nothing():
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.current_step_index == 0)
    world.run(ticks=1)
    asked = dict(world.traffic.asked)
    write = world.store.write_status

    def late(name, status, *, resource_version):
        return write(name, status, resource_version="0")

    world.store.write_status = late
    with pytest.raises(Conflict):
        world.tick()
    assert world.traffic.asked == asked


def test_ports_are_made_once_and_anew_when_the_target_changes():
    world = Simulation()
    made = []
    controller = Controller(
        store=world.store,
        registry=world.registry,
        serving_for=lambda rollout: made.append(rollout.spec.target_ref.name) or world.serving,
        traffic_for=lambda _: world.traffic,
        metrics_for=lambda _: world.metrics,
        clock=world.clock,
        log=logging.getLogger(LOG),
    )
    controller.reconcile("iris")
    controller.reconcile("iris")
    world.store.put(a_rollout(targetRef={"name": "iris-2"}))
    controller.reconcile("iris")
    assert made == ["iris", "iris-2"]


class Loop:
    """A `run` that ends after some looks instead of waiting."""

    def __init__(self, looks: int, between=lambda: None) -> None:
        self._left, self._between = looks, between

    def is_set(self) -> bool:
        return self._left <= 0

    def wait(self, tick: float) -> None:
        self._left -= 1
        self._between()


def test_the_loop_looks_at_an_idle_rollout_when_its_interval_is_over_or_its_object_was_written():
    world = Simulation(a_rollout(registry={"model": "iris", "pollInterval": "15s"}))
    world.serve_first()
    world.run(ticks=3)
    serving = Counting(world.serving, "backends")
    world.serving = serving
    controller = world.fresh_controller()
    controller.run(Loop(5, lambda: world.clock.advance(1)), tick=1)
    assert serving.asked == 1
    controller.run(Loop(25, lambda: world.clock.advance(1)), tick=1)
    assert serving.asked == 2
    world.store.put(stored(world))
    controller.run(Loop(1), tick=1)
    assert serving.asked == 3


def test_the_loop_takes_a_rollout_to_its_end():
    world = Simulation()
    world.registry.register("1", alias="champion")
    world.registry.register("2", alias="challenger")

    def between() -> None:
        world.clock.advance(1)
        world.send(200)

    world.controller.run(Loop(60, between), tick=1)
    assert world.status.is_true("Promoted")
    assert not world.status.is_true("Progressing")


def test_one_rollouts_defect_does_not_keep_the_others_waiting(caplog: pytest.LogCaptureFixture):
    world = Simulation()
    broken = a_rollout()
    world.store._objects = {
        "broken": (broken.model_copy(update={"metadata": broken.metadata.model_copy(update={"name": "broken"})}), 1),
        **world.store._objects,
    }
    controller = Controller(
        store=world.store,
        registry=world.registry,
        serving_for=lambda rollout: world.serving if rollout.metadata.name == "iris" else 1 / 0,
        traffic_for=lambda _: world.traffic,
        metrics_for=lambda _: world.metrics,
        clock=world.clock,
        log=logging.getLogger(LOG),
    )
    controller.run(Loop(1), tick=1)
    assert world.status.conditions
    assert "broken: this pass failed" in caplog.text


def test_rollouts_are_reconciled_side_by_side_and_each_of_them_once_a_round():
    world = Simulation()
    iris = a_rollout()
    names = [f"iris-{number}" for number in range(6)]
    world.store._objects = {
        name: (iris.model_copy(update={"metadata": iris.metadata.model_copy(update={"name": name})}), 1) for name in names
    }
    together, seen = threading.Barrier(3, timeout=60), []

    class Slow:
        """A cluster that does not answer before three ask it."""

        def backends(self) -> object:
            together.wait()
            return world.serving.backends()

    controller = Controller(
        store=world.store,
        registry=world.registry,
        serving_for=lambda rollout: seen.append(rollout.metadata.name) or Slow(),
        traffic_for=lambda _: world.traffic,
        metrics_for=lambda _: world.metrics,
        clock=world.clock,
        log=logging.getLogger(LOG),
        at_once=3,
    )
    controller.run(Loop(1), tick=1)
    assert sorted(seen) == names
    assert len(world.store.history) == len(names)


def test_while_a_candidate_starts_the_status_is_not_written_again_and_again():
    world = Simulation()
    world.serve_first()
    world.serving.behaviour["2"] = "starting"
    world.challenge()
    world.run(ticks=3, requests=100)
    written = len(world.store.history)
    world.run(ticks=20, requests=100)
    assert len(world.store.history) == written


def test_a_rollback_that_cannot_be_carried_out_is_not_logged_as_one(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, LOG)
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10)
    world.traffic.reachable = False
    world.ask(Verb.ABORT)
    world.run(ticks=5)
    assert "was rolled back" not in caplog.text
    world.traffic.reachable = True
    world.run(ticks=5)
    assert caplog.text.count("was rolled back") == 1


def test_a_store_that_does_not_answer_is_waited_for(caplog: pytest.LogCaptureFixture):
    world = Simulation()
    world.store.names = lambda: (_ for _ in ()).throw(Unreachable("the API server does not answer"))
    world.controller.run(Loop(2), tick=1)
    assert "the rollouts cannot be listed: the API server does not answer" in caplog.text


def test_the_loop_stops_when_it_is_told():
    stop = threading.Event()
    stop.set()
    world = Simulation()
    world.controller.run(stop, tick=60)
    assert world.store.history == []


def test_a_spec_that_is_edited_in_mid_rollout_begins_the_edited_gate_anew_and_keeps_the_others():
    other = {**ERRORS, "name": "error-rate-strict"}
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"pause": {}}], metrics=[ERRORS, other]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.is_true("Paused"), requests=100)
    seen = world.status.evidence[0].candidate.n
    edited = {**other, "margin": {"tolerate": "1.1", "refuse": "1.5", "negligible": "0.01"}}
    world.store.put(a_rollout(steps=[{"setWeight": 10}, {"pause": {}}], metrics=[ERRORS, edited]))
    world.tick()
    assert [one.candidate.n for one in world.status.evidence] == [seen, 0]
    assert world.status.observed_generation == 2


def test_steps_that_are_taken_away_in_mid_rollout_are_behind_it():
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"setWeight": 20}, {"setWeight": 30}, {"pause": {}}]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.is_true("Paused"), requests=200)
    world.store.put(a_rollout(steps=[{"setWeight": 10}]))
    world.until(promoted, requests=200)


def test_conditions_speak_of_the_spec_that_was_last_looked_at_so_that_kubectl_waits_for_them():
    world = Simulation()
    world.serve_first()
    world.run(ticks=2)
    world.store.put(a_rollout(steps=[{"setWeight": 20}]))
    world.tick()
    assert {one.observed_generation for one in world.status.conditions} == {2}
