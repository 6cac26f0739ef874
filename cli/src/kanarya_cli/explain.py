"""Why a rollout is where it is and what would move it, in sentences. Used by `kanarya rollout explain`.

Pure. What the gates themselves say stands in the evidence; this puts it in order and adds what a person can do.
"""

from collections.abc import Callable

from kanarya_cli import view
from kanarya_cli.sooner import sooner
from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Condition, Evidence, GateSpec, ModelRollout
from kanarya_rollout.decide import sides

_ADVICE = {
    Reason.REGISTRY_UNREACHABLE: "Nothing moves until the registry answers again; traffic stays as it is.",
    Reason.METRICS_UNREACHABLE: "Nothing moves until counters can be read again; what is counted meanwhile is not lost.",
    Reason.TRAFFIC_UNREACHABLE: "Nothing moves until the gateway answers again.",
    Reason.WEIGHT_NOT_IN_FORCE: "The gateway does not route the weight that was asked for; look at its log.",
    Reason.CHAMPION_MISSING: "Point the stable alias to a version: that is what serves.",
    Reason.PAUSED_BY_REQUEST: "Go on with: kanarya rollout resume {name}",
    Reason.PAUSE_STEP: "Go on with: kanarya rollout promote {name}",
    Reason.INPUT_DRIFT: "It goes on when the alert ends; if drift does not matter, with: kanarya rollout promote --full {name}",
    Reason.INCONCLUSIVE: "Decide with: kanarya rollout promote --full {name}, or kanarya rollout abort {name}",
    Reason.FREEZE_WINDOW: "Wait, or take the window out of spec.freeze; kanarya rollout abort {name} works at any time.",
    Reason.DECIDED: "Decide with: kanarya rollout promote {name}, or kanarya rollout abort {name}",
    Reason.NO_DIFFERENCE: "The champion stays. Try the version again with: kanarya rollout retry {name}",
    Reason.GATE_REFUSED: "The version stays refused until: kanarya rollout retry {name}, or a newer challenger.",
    Reason.ARTIFACT_REFUSED: "Register the version again; what is stored is not what was registered.",
    Reason.EXAMPLE_NOT_REPRODUCED: "Train again with the libraries that serve: the artifact's own example came out different.",
    Reason.ABORTED_BY_REQUEST: "Start again with: kanarya rollout retry {name}",
    Reason.UNDONE_BY_REQUEST: "Start again with: kanarya rollout retry {name}",
    Reason.REGRESSED: "An incident that any version would have had looks alike. Start again with: kanarya rollout retry {name}",
    Reason.UNDOING: "The registry's alias follows when the gateway says that it has the weight and the registry answers.",
    Reason.TARGET_TAKEN: "Delete one of the two, or give each its own target and host names.",
    Reason.TARGET_UNSUPPORTED: "Change what the message names; nothing moves until then, and traffic stays as it is.",
    Reason.CHAMPION_NOT_READY: "Look at the champion's server; nothing is promoted, refused or moved on while it is away.",
}


def sentences(rollout: ModelRollout, *, options: str, controller: Callable[[], str]) -> list[str]:
    """Headline first, then what stands in the way, gate by gate, then what to do.

    `options`: what a command line needs to mean this rollout, such as `-n kanarya`. `controller`: tells how to see it run.
    """
    status = rollout.status
    if status.stable is None and not status.conditions:
        return [f"{rollout.metadata.name}: the controller has not looked at it yet. Is it running? See: {controller()}"]
    lines = [_where(rollout)]
    standing = [condition for condition in status.conditions if condition.status == "True"]
    lines += [line for condition in standing for line in view.sentences(condition)]
    if status.is_true(ConditionType.PROGRESSING):
        lines += [f"{view.name_of(side)} {line}".lstrip() for side in sides(rollout) for line in _gates(side)]
    lines += [f"{line}." for line in view.waiting(rollout)]
    lines += _out(rollout)
    lines += _way_back(rollout)
    lines += _quarantine(rollout)
    lines += _advice(f"{rollout.metadata.name} {options}".strip(), standing)
    return lines


def _where(rollout: ModelRollout) -> str:
    split = ", ".join(f"v{version} gets {percent} %" for version, percent in view.weights(rollout).items())
    parts = [split or "no champion serves yet", view.mirror(rollout), view.position(rollout)]
    return f"{rollout.metadata.name}: {'; '.join(filter(None, parts))}."


def _gates(rollout: ModelRollout) -> list[str]:
    lines = []
    for gate in rollout.spec.judged:
        row = next((row for row in rollout.status.evidence if row.metric == gate.name), None)
        if row is None:
            lines.append(f"{gate.name}: nothing counted yet.")
            continue
        lines.append(f"{gate.name}: {row.verdict}. {row.message}".strip())
        if (help_for := sooner(rollout, gate)) is not None:
            lines.append(f"{gate.name}: {help_for}.")
        if isinstance(gate, GateSpec):
            lines += _in_step(rollout, gate, row)
    return lines


def _in_step(rollout: ModelRollout, gate: GateSpec, row: Evidence) -> list[str]:
    """What the present step does not give a gate, or not yet."""
    mirror, here = rollout.status.canary_mirror, rollout.status.ledger.step_observations.get(gate.name, 0)
    if mirror and not gate.judged_by_copies:
        return [f"{gate.name}: copies tell it nothing; it begins to count with the first setWeight."] * (
            row.verdict == "NoData"
        )
    if here < gate.min_samples and view.position(rollout).startswith("step"):
        return [f"{gate.name}: this step has {here:,} of the {gate.min_samples:,} observations it waits for."]
    return []


def _out(rollout: ModelRollout) -> list[str]:
    return [
        f"v{one.candidate.version} is out of the test: {'. '.join([one.out.reason, *view.sayings(one.out.message)[:1]])}."
        for one in rollout.status.rivals
        if one.out is not None
    ]


def _way_back(rollout: ModelRollout) -> list[str]:
    ends = "A new challenger ends that sooner: the former champion leaves before it starts."
    seen = [f"{row.metric}: {row.message}." for row in rollout.status.since_promotion if rollout.status.warm is not None]
    return [*(f"{line}. {ends}" for line in view.way_back(rollout)), *seen]


def _quarantine(rollout: ModelRollout) -> list[str]:
    """That the version which is wanted is among them, and the others; all of them where none is wanted."""
    progressing = rollout.status.condition(ConditionType.PROGRESSING)
    waits = progressing is not None and progressing.reason == Reason.QUARANTINED
    wanted = [f"{progressing.message[:1].upper()}{progressing.message[1:]}."] if progressing is not None and waits else []
    alone = len(rollout.status.quarantine) == 1
    return wanted if wanted and alone else [*wanted, *(f"{line}." for line in view.quarantine(rollout))]


def _advice(name: str, standing: list[Condition]) -> list[str]:
    found = [_ADVICE[Reason(condition.reason)] for condition in standing if condition.reason in _ADVICE]
    return [advice.format(name=name) for advice in found]
