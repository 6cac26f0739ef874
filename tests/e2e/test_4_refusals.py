"""Versions that are wrong in each way: refused, or rolled back on the evidence, with the reason where people look."""

import time
from datetime import UTC
from typing import Any

import pytest
from e2e_kube import eventually
from e2e_traffic import by_version
from e2e_versions import failing, slow, wrong

from kanarya_contracts.names import ConditionType

MOST_SECONDS = 0.5
"""From the verdict to the last request that the candidate answers."""

SPOILT = {
    "errors": (failing, {"error-rate", "error-rate-ceiling"}),
    "slow": (slow, {"latency-slow"}),
    "wrong": (wrong, {"accuracy"}),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_bad_version_is_rolled_back_by_the_gate_that_sees_it(
    how: str, kube: Any, traffic: Any, registry: Any, report: Any, calm: str
) -> None:
    spoil, gates = SPOILT[how]

    version = registry.challenge(spoil)

    back = eventually(lambda: rolled_back(kube, version), f"version {version} is rolled back", seconds=180)
    time.sleep(2 * MOST_SECONDS)  # long enough for a request that should not reach it
    traffic.stop()
    answers = traffic.answers()
    verdict = back.last_transition_time.astimezone(UTC).timestamp()
    last = max((one.sent for one in answers if one.version == version or one.lost), default=verdict)  # nobody else loses any
    status = kube.rollout().status
    failed = {one.metric for one in status.evidence if one.verdict == "Failed"}
    figures = {
        "answered": by_version(answers), "lost": len([one for one in answers if one.lost]), "gates": sorted(failed),
        "seconds from the verdict to the last request": round(last - verdict, 3), "message": back.message,
    }  # fmt: skip
    report.add(**{f"rolled back: {how}": figures})
    assert back.reason == "GateRefused"
    assert failed & gates, back.message
    assert all(gate in back.message for gate in failed)
    assert last - verdict <= MOST_SECONDS
    assert registry.alias("champion") == calm
    assert status.stable.version == calm
    if how != "errors":  # that version's own 500s are what it was rolled back for
        assert traffic.lost() == []


def test_a_version_whose_files_are_not_what_was_registered_gets_no_request(
    kube: Any, traffic: Any, registry: Any, report: Any, calm: str
) -> None:
    version = registry.challenge(broken=True)

    back = eventually(lambda: rolled_back(kube, version), f"version {version} is refused", seconds=180)

    traffic.stop()
    report.add(**{"refused: broken artifact": {"answered": by_version(traffic.answers()), "message": back.message}})
    assert back.reason == "ArtifactRefused"
    assert "model.onnx" in back.message
    assert version not in by_version(traffic.answers())
    assert traffic.lost() == []
    assert registry.alias("champion") == calm


def rolled_back(kube: Any, version: str) -> Any:
    """The condition, once it is about this version."""
    status = kube.rollout().status
    about = status.candidate is not None and status.candidate.version == version and status.current_step_index is None
    return status.condition(ConditionType.ROLLED_BACK) if about and status.is_true(ConditionType.ROLLED_BACK) else None
