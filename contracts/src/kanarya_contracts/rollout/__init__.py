"""The `ModelRollout` resource: what a person writes (spec) and what the controller knows (status).

Read by `rollout` (which alone writes status), by `cli`, and by the CRD that is made from these models. Strict: an unknown
field is a problem, because a misspelt gate is a gate that is not there. No floats: quantities and durations are strings.

    resource  the whole, and requests of people        strategy  how traffic moves: steps, blue/green, an A/B test
    spec      target, registry, traffic, analysis      ab_test   users in two groups, and the goal that decides
    gate      a metric and the test that judges it     freeze    when nothing may move on
                                                       status    what the controller knows and goes on from
"""

from kanarya_contracts.rollout.ab_test import ABTest, Goal, GoalSignal, RivalSpec, Sticky
from kanarya_contracts.rollout.freeze import DAYS, FreezeWindow
from kanarya_contracts.rollout.gate import GateSpec, Margin, ScoreBounds, Signal
from kanarya_contracts.rollout.resource import ModelRollout, Request
from kanarya_contracts.rollout.spec import Analysis, GatewayRef, ModelRolloutSpec, RegistryRef, TargetRef, Traffic
from kanarya_contracts.rollout.status import (
    Audit,
    Condition,
    Evidence,
    InForce,
    Interval,
    Ledger,
    ModelRolloutStatus,
    Out,
    Quarantined,
    Rival,
    Tally,
    Verdict,
    VersionRef,
)
from kanarya_contracts.rollout.strategy import BlueGreen, Canary, Pause, SetMirror, Step, StepAnalysis, Strategy

__all__ = [
    "DAYS",
    "ABTest",
    "Analysis",
    "Audit",
    "BlueGreen",
    "Canary",
    "Condition",
    "Evidence",
    "FreezeWindow",
    "GateSpec",
    "GatewayRef",
    "Goal",
    "GoalSignal",
    "InForce",
    "Interval",
    "Ledger",
    "Margin",
    "ModelRollout",
    "ModelRolloutSpec",
    "ModelRolloutStatus",
    "Out",
    "Pause",
    "Quarantined",
    "RegistryRef",
    "Request",
    "Rival",
    "RivalSpec",
    "ScoreBounds",
    "SetMirror",
    "Signal",
    "Step",
    "StepAnalysis",
    "Sticky",
    "Strategy",
    "Tally",
    "TargetRef",
    "Traffic",
    "Verdict",
    "VersionRef",
]
