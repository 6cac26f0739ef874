"""The demo's claims can break: each is broken here once, and seen to be."""

from collections.abc import Callable

import pytest

from kanarya_cli.demo import claims
from kanarya_cli.demo.record import Record, Verdict


def verdict(version: str, outcome: str, reason: str, gates: dict[str, str]) -> Verdict:
    return Verdict(
        version=version,
        outcome=outcome,
        reason=reason,
        message="",
        gates={name: {"verdict": said} for name, said in gates.items()},
        champion_in_registry="2",
        seconds=5.0,
    )


def good() -> Record:
    record = Record()
    record.versions = {"1": {}, "2": {}, "3": {"comparison": {"override": {"reason": "demo", "by": "make demo"}}}, "4": {}}
    record.weights = [{"seconds": 1.0, "weights": {"1": 100}}] + [
        {"seconds": 2.0 + step, "weights": {"1": 100 - weight, "2": weight}} for step, weight in enumerate((10, 25, 50, 100))
    ]
    record.verdicts = [
        verdict("2", "Promoted", "GatesAgreed", {"error-rate": "Successful", "accuracy": "Successful"}),
        verdict("3", "RolledBack", "GateRefused", {"error-rate": "Inconclusive", "accuracy": "Failed"}),
        verdict("4", "RolledBack", "ArtifactRefused", {}),
    ]
    record.requests = {"sent": 1000, "failed": 0, "answered": {"1": 400, "2": 550, "3": 50}}
    return record


def held(record: Record) -> list[bool]:
    return [claim.held for claim in claims.check(record)]


def test_a_good_run_holds_every_claim() -> None:
    assert held(good()) == [True] * 5


def _step_skipped(record: Record) -> None:
    del record.weights[2]


def _gate_inconclusive(record: Record) -> None:
    record.verdicts[0].gates["accuracy"]["verdict"] = "Inconclusive"


def _champion_moved(record: Record) -> None:
    record.verdicts[1].champion_in_registry = "3"


def _caught_by_another_gate(record: Record) -> None:
    record.verdicts[1].gates["accuracy"]["verdict"] = "Inconclusive"


def _override_not_recorded(record: Record) -> None:
    record.versions["3"] = {"comparison": {"override": None}}


def _altered_one_served(record: Record) -> None:
    record.requests["answered"] = {"1": 400, "2": 550, "3": 49, "4": 1}


def _one_failed(record: Record) -> None:
    record.requests["failed"] = 1


def _one_vanished(record: Record) -> None:
    record.requests["sent"] = 1001


def _clients_never_ran(record: Record) -> None:
    record.requests = {}


@pytest.mark.parametrize(
    ("harm", "broken"),
    [
        (_step_skipped, {1}),
        (_gate_inconclusive, {1}),
        (_champion_moved, {2}),
        (_caught_by_another_gate, {2}),
        (_override_not_recorded, {2}),
        (_altered_one_served, {3}),
        (_one_failed, {4}),
        (_one_vanished, {4}),
        (_clients_never_ran, {0, 4}),
    ],
)
def test_each_harm_breaks_its_claim_and_no_other(harm: Callable[[Record], None], broken: set[int]) -> None:
    record = good()
    harm(record)
    assert {index for index, ok in enumerate(held(record)) if not ok} == broken


def test_an_empty_record_holds_nothing() -> None:
    assert held(Record()) == [False] * 5
