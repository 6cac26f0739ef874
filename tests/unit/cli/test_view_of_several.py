"""What a person sees of an A/B test of several: everyone's share and evidence, and who is out, and why."""

import io

import pytest
from rich.console import Console

from kanarya_cli import audit, explain, view
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.controller import line
from kanarya_rollout.testing import ERRORS, Quality, Simulation, a_rollout

TEST = {
    "split": 30,
    "rivals": [{"alias": "bold", "split": 20}, {"alias": "calm", "split": 25}],
    "sticky": {"header": "x-user-id"},
    "goal": {"name": "purchase", "minimumEffect": "0.1"},
}


@pytest.fixture
def world() -> Simulation:
    """Three challengers have been compared for a while: version 2 is better, 3 and 4 are as the champion is."""
    world = Simulation(a_rollout(strategy={"abTest": TEST}, metrics=[ERRORS]), audited=True)
    world.serve_first()
    for version, alias in (("2", "challenger"), ("3", "bold"), ("4", "calm")):
        world.challenge(version, alias=alias)
    world.quality = {version: Quality(reached=0.5 if version == "2" else 0.3) for version in ("1", "2", "3", "4")}
    world.until(lambda status: status.canary_weight > 0)
    world.run(ticks=4, requests=300)
    return world


def until_one_is_out(world: Simulation) -> Simulation:
    world.quality["3"] = Quality(reached=0.3, errors=0.5)
    world.until(lambda status: any(one.out for one in status.rivals), requests=60)
    return world


def rollout(world: Simulation) -> ModelRollout:
    return world.store.get("iris")[0]


def printed(renderable: object) -> str:
    out = io.StringIO()
    Console(file=out, width=200, no_color=True).print(renderable)
    return out.getvalue()


def explained(world: Simulation) -> list[str]:
    return explain.sentences(rollout(world), options="", controller=lambda: "")


def test_every_challenger_has_its_bar_and_its_evidence_in_the_order_of_the_spec(world: Simulation) -> None:
    assert view.weights(rollout(world)) == {"1": 25, "2": 30, "3": 20, "4": 25}
    page = printed(view.rollout(rollout(world))).splitlines()
    assert [line.strip() for line in page if line.strip() in {"v2", "v3", "v4"}] == ["v2", "v3", "v4"]
    assert sum(line.startswith("purchase ") for line in page) == 3


def test_who_is_out_has_no_bar_any_more_and_keeps_what_was_seen_of_it(world: Simulation) -> None:
    until_one_is_out(world)
    page = printed(view.rollout(rollout(world)))
    assert view.weights(rollout(world)) == {"1": 45, "2": 30, "4": 25}
    assert "v3 is out of the test: GateRefused" in page
    assert "Failed" in page


def test_explain_says_of_each_what_it_lacks_and_of_who_is_out_why(world: Simulation) -> None:
    until_one_is_out(world)
    lines = explained(world)
    assert lines[0] == "iris: v1 gets 45 %, v2 gets 30 %, v4 gets 25 %; A/B test on purchase."
    assert [one.split(".")[0] for one in lines if " purchase: " in one and "sooner" not in one and "out of" not in one] == [
        "v2 purchase: Successful",
        "v4 purchase: Inconclusive",
    ]
    assert any(one.startswith("v3 is out of the test: GateRefused. error-rate: ") for one in lines)


def test_the_list_names_all_of_them_with_their_shares(world: Simulation) -> None:
    row = printed(view.listing([rollout(world)])).splitlines()[1]
    assert " ".join(row.split()) == "iris iris 1 2, 3, 4 30 %, 20 %, 25 % Progressing: ShiftingTraffic"


def test_a_record_shows_the_shares_and_what_was_counted_of_everyone(world: Simulation) -> None:
    until_one_is_out(world)
    found = audit.chains("", {name.partition("iris/")[2]: text for name, text in world.shelf.contents.items()}, {})
    page = printed(audit.shown(found))
    assert "v1 45 %, v2 30 %, v4 25 %" in page
    assert {one.strip() for one in page.splitlines()} >= {"v3", "v4"}


def test_the_log_line_has_everyone_in_it(world: Simulation) -> None:
    decision = world.tick(requests=10)
    assert '"rivals": [{"candidate": "3", "weight": 20, "out": null, "gates": {' in line("iris", decision)


def test_a_challenger_that_is_not_there_yet_is_what_the_test_waits_for() -> None:
    world = Simulation(a_rollout(strategy={"abTest": TEST}))
    world.serve_first()
    world.challenge("2")
    world.challenge("3", alias="bold")
    world.run(ticks=3)
    waits = "The A/B test of 3 challengers waits: no version has the alias calm"
    assert f"{waits}." in explained(world)
    assert waits in printed(view.rollout(rollout(world)))


def test_what_is_missing_stands_on_the_page_once_for_each_challenger_and_how_to_have_it_sooner_in_explain(
    world: Simulation,
) -> None:
    page = printed(view.rollout(rollout(world)))
    assert "sooner with" not in page
    assert page.splitlines()[-1] == "`kanarya rollout explain iris` says what would bring a verdict sooner"
    assert any("sooner with shares that are more alike" in line for line in explained(world))


def test_a_gate_that_uses_a_semicolon_itself_is_one_line() -> None:
    joined = "version 2 error-rate: fine; version 2 ceiling: 0 of 5; the line is > 0.05; version 3 error-rate: bad"
    assert view.sayings(joined) == [
        "version 2 error-rate: fine",
        "version 2 ceiling: 0 of 5; the line is > 0.05",
        "version 3 error-rate: bad",
    ]


def test_who_was_outdone_is_said_without_what_stands_above(world: Simulation) -> None:
    world.until(lambda status: status.current_step_index is None, requests=600)
    [said] = [one for one in explained(world) if one.startswith("v3 is out")]
    assert said == "v3 is out of the test: Outdone. version 2 was promoted."
