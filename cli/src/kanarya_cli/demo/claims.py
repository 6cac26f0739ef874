"""What the story promises, held against what was recorded. Pure; each claim is computed, none is assumed."""

from collections.abc import Mapping
from dataclasses import dataclass

from kanarya_cli.demo.record import Record, Verdict


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the README and whether it held."""

    text: str
    held: bool
    detail: str


def check(record: Record) -> list[Claim]:
    """Every claim of the demo."""
    by_version = {verdict.version: verdict for verdict in record.verdicts}
    answered = _counts(record.requests.get("answered"))
    return [
        _first_serves(record, answered),
        _promoted(record, by_version.get("2")),
        _rolled_back(record, by_version.get("3"), answered),
        _refused(by_version.get("4"), answered),
        _nothing_failed(record, answered),
    ]


def _counts(value: object) -> Mapping[str, int]:
    return value if isinstance(value, Mapping) else {}


def _first_serves(record: Record, answered: Mapping[str, int]) -> Claim:
    return Claim(
        text="Version 1 was trained, registered as champion and served through the gateway",
        held="1" in record.versions and answered.get("1", 0) > 0,
        detail=f"{answered.get('1', 0):,} requests answered by version 1",
    )


def _promoted(record: Record, verdict: Verdict | None) -> Claim:
    seen = [weights["2"] for change in record.weights if isinstance(weights := change["weights"], dict) and "2" in weights]
    steps = [weight for weight in seen if weight]
    gates = verdict.gates if verdict else {}
    agreed = bool(gates) and all(gate["verdict"] == "Successful" for gate in gates.values())
    held = (
        verdict is not None
        and verdict.outcome == "Promoted"
        and verdict.champion_in_registry == "2"
        and steps[:4] == [10, 25, 50, 100]
        and agreed
    )
    return Claim(
        text="Version 2 took the traffic over in steps because every gate agreed, and became champion",
        held=held,
        detail=" → ".join(f"{weight} %" for weight in steps[:4]) + f", {len(gates)} gates" if verdict else "no verdict",
    )


def _rolled_back(record: Record, verdict: Verdict | None, answered: Mapping[str, int]) -> Claim:
    overridden = bool(_override(record, "3"))
    accuracy = verdict.gates.get("accuracy", {}) if verdict else {}
    held = (
        verdict is not None
        and verdict.outcome == "RolledBack"
        and verdict.reason == "GateRefused"
        and accuracy.get("verdict") == "Failed"
        and verdict.champion_in_registry == "2"
        and overridden
    )
    return Claim(
        text="Version 3, trained on permuted labels, was caught on live labels; the champion did not move",
        held=held,
        detail=f"{answered.get('3', 0):,} requests reached it, {verdict.seconds:.1f} s" if verdict else "no verdict",
    )


def _override(record: Record, version: str) -> object:
    comparison = record.versions.get(version, {}).get("comparison")
    return comparison.get("override") if isinstance(comparison, Mapping) else None


def _refused(verdict: Verdict | None, answered: Mapping[str, int]) -> Claim:
    held = (
        verdict is not None
        and verdict.outcome == "RolledBack"
        and verdict.reason == "ArtifactRefused"
        and verdict.champion_in_registry == "2"
        and answered.get("4", 0) == 0
    )
    return Claim(
        text="Version 4, altered after registration, was refused before it got one request",
        held=held,
        detail=f"{answered.get('4', 0)} requests reached it",
    )


def _nothing_failed(record: Record, answered: Mapping[str, int]) -> Claim:
    sent, failed = record.requests.get("sent", 0), record.requests.get("failed")
    whole = sum(answered.values()) == sent
    return Claim(
        text="No request failed from the first to the last, without retries",
        held=failed == 0 and whole and isinstance(sent, int) and sent > 0,
        detail=f"{sent:,} sent, {failed if failed is not None else 'unknown'} failed",
    )
