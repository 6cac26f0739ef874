"""`kanarya audit`: what a person reads, and what is said of a record that was tampered with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kanarya_cli.app import app
from kanarya_cli.audit import chains
from kanarya_cli.commands.audit import heads_of
from kanarya_cli.local import stack
from kanarya_cli.local.store import FileStore
from kanarya_contracts.names import TAG_AUDIT, Verb
from kanarya_rollout.testing import Simulation, a_rollout, promoted


@pytest.fixture(scope="module")
def world() -> Simulation:
    """A promotion that a person asked for."""
    made = Simulation(a_rollout(steps=[{"setWeight": 10}, {"pause": {}}]), audited=True)
    made.serve_first()
    made.challenge("2")
    made.until(lambda status: status.is_true("Paused"), requests=200)
    made.ask(Verb.PROMOTE, full=True)
    made.until(promoted)
    made.run(ticks=3)
    return made


@pytest.fixture
def state(world: Simulation, tmp_path: Path) -> Path:
    """Local mode's directory after it, with nothing running."""
    for name, content in world.shelf.contents.items():
        path = stack.audit(tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    store = FileStore(tmp_path)
    store.apply(a_rollout())
    store.write_status("iris", world.status, resource_version="1")
    return tmp_path


def asked(state: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["audit", "iris", "--state", str(state), *words], env={"MLFLOW_TRACKING_URI": ""})


def record(state: Path, number: int) -> Path:
    return next(stack.audit(state).rglob(f"{number:08d}.json"))


def test_who_what_when_and_on_which_numbers_can_be_read(state: Path):
    found = asked(state)
    assert found.exit_code == 0, found.output
    assert "2026-01-01 00:00:" in found.output
    assert "ada (promote)  v1 0 %, v2 100 % (was 10 %)" in found.output
    assert "PromotedByRequest  version 2 is the champion: asked by ada" in found.output
    assert "error-rate  0 bad of 60" in found.output
    assert "each as it was written, up to what the status knows" in found.output
    assert "the registry was not asked for the last record" in found.output


def test_programs_get_the_records_and_whether_they_are_whole(state: Path, world: Simulation):
    found = json.loads(asked(state, "-o", "json").output)
    assert found["whole"] is True
    (chain,) = found["chains"]
    assert [one["sequence"] for one in chain["records"]] == list(range(1, world.status.audit.sequence + 1))
    asked_for = [(one["request"]["by"], one["decided"][0]["reason"]) for one in chain["records"] if "request" in one]
    assert asked_for == [("ada", "Promoting")]


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"10%", b"11%"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: rewrite(record(state, 3)), "record 3 was changed"),
        (lambda state: record(state, 4).unlink(), "record 4 is missing"),
        (lambda state: record(state, 3).rename(record(state, 4)), "record 3 is missing"),
        (lambda state: max(stack.audit(state).rglob("*.json")).unlink(), "is missing at the end, and the status knows of it"),
        (lambda state: record(state, 3).with_name("3.json").write_text("{}"), "3.json lies among the records and is none"),
    ],
    ids=["changed", "taken out", "put in another's place", "cut off", "added"],
)
def test_what_was_tampered_with_is_said_with_its_place_and_status_1(state: Path, change, said: str):
    change(state)
    found = asked(state)
    assert found.exit_code == 1
    assert said in " ".join(found.output.split())
    assert asked(state, "--no-verify").exit_code == 0


def test_a_record_that_only_waits_in_the_status_is_shown_as_waiting(state: Path, world: Simulation):
    last = world.status.audit.sequence
    text = record(state, last).read_text()
    record(state, last).unlink()
    waits = world.status.model_copy(update={"audit": world.status.audit.model_copy(update={"pending": (text,)})})
    FileStore(state).write_status("iris", waits, resource_version="2")
    found = asked(state)
    assert found.exit_code == 0, found.output
    assert "waits in the status to be kept" in found.output


def test_records_outlive_their_rollout(state: Path):
    (state / "rollouts/iris.json").unlink()
    found = asked(state)
    assert found.exit_code == 0, found.output
    assert "the rollout is not there any more" in found.output


def test_where_nothing_is_on_record_it_is_said(tmp_path: Path):
    FileStore(tmp_path).apply(a_rollout())
    found = asked(tmp_path)
    assert found.exit_code == 1
    assert "no decision of iris is on record" in str(found.exception)


def test_a_chain_of_which_nothing_is_left_is_known_to_the_registry(world: Simulation):
    heads = heads_of({**world.registry.tags, f"{TAG_AUDIT}0000000000000000": '{"rollout": "default/rose"}'}, "default/iris/")
    (gone,) = chains("default/iris/", {}, heads)
    assert len(gone.faults()) == world.status.audit.sequence
