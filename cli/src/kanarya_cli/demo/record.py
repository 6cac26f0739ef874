"""What happened in a demo, as `demo.json`. Filled by `story`, judged by `claims`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from kanarya_cli import view
from kanarya_contracts.names import ConditionType
from kanarya_contracts.rollout import ModelRollout


@dataclass
class Verdict:
    """How one candidate's rollout ended."""

    version: str
    outcome: str
    """`Promoted` or `RolledBack`, or what it was when time was up."""
    reason: str
    message: str
    gates: dict[str, dict[str, object]]
    """Gate → its evidence, as in the rollout's status."""
    champion_in_registry: str | None
    """Where the alias `champion` pointed afterwards."""
    seconds: float
    """From the alias's move to the verdict."""


@dataclass
class Record:
    """One run of the demo."""

    started: float = field(default_factory=time.time)
    """Unix seconds."""
    phases: dict[str, float] = field(default_factory=dict)
    """Phase → seconds."""
    versions: dict[str, dict[str, object]] = field(default_factory=dict)
    """Version → what it is: metrics, digest, comparison."""
    weights: list[dict[str, object]] = field(default_factory=list)
    """Every change: `{"seconds": 12.3, "weights": {"1": 90, "2": 10}}`."""
    verdicts: list[Verdict] = field(default_factory=list)
    requests: dict[str, object] = field(default_factory=dict)
    """The clients' final counts."""
    claims: list[dict[str, object]] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, whether it ends well or not."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = round(time.monotonic() - started, 2)

    def see(self, rollout: ModelRollout) -> bool:
        """Note the weights if they changed; says whether they did."""
        split = view.weights(rollout)
        if not split or (self.weights and self.weights[-1]["weights"] == split):
            return False
        self.weights.append({"seconds": round(time.time() - self.started, 2), "weights": split})
        return True

    def judge(self, rollout: ModelRollout, version: str, *, champion: str | None, seconds: float) -> Verdict:
        """Note how a candidate ended."""
        status = rollout.status
        ended = [status.condition(kind) for kind in (ConditionType.PROMOTED, ConditionType.ROLLED_BACK)]
        condition = next((one for one in ended if one is not None and one.status == "True"), None)
        verdict = Verdict(
            version=version,
            outcome=condition.type if condition else view.headline(rollout),
            reason=condition.reason if condition else "",
            message=condition.message if condition else "",
            gates={row.metric: row.model_dump(mode="json", by_alias=True, exclude_none=True) for row in status.evidence},
            champion_in_registry=champion,
            seconds=round(seconds, 2),
        )
        self.verdicts.append(verdict)
        return verdict

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**asdict(self), "seconds": round(sum(self.phases.values()), 2)}
