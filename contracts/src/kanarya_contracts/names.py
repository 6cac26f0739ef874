"""Labels, annotations, registry aliases and tags, condition types and reasons. Read by every part; a sentence each."""

from enum import StrEnum

GROUP = "kanarya.dev"
"""API group of our resources and prefix of our labels and annotations."""

API_VERSION = f"{GROUP}/v1alpha1"
"""apiVersion of `ModelRollout`."""

FIELD_MANAGER = "kanarya-rollout"
"""Who the controller is in server-side apply and in managed fields."""

# --- labels and annotations ------------------------------------------------------------------------------------------

LABEL_MODEL = f"{GROUP}/model"
"""Registered model's name, on everything that serves it."""

LABEL_VERSION = f"{GROUP}/version"
"""Registry version that a pod or process serves."""

ANNOTATION_REQUEST = f"{GROUP}/request"
"""What a person asks of a rollout: `{"id", "verb", "by"}` as JSON. The controller answers it once and records the id."""

# --- the registry ----------------------------------------------------------------------------------------------------

ALIAS_STABLE = "champion"
"""Default alias of the version that serves."""

ALIAS_CANDIDATE = "challenger"
"""Default alias of the version that wants to."""

TAG_DIGEST = f"{GROUP}/digest"
"""On a model version: `sha256:…` of its kanarya.json, written at registration and pinned when a rollout starts."""

TAG_COMPARISON = f"{GROUP}/comparison"
"""On a model version: the offline comparison with the champion as JSON, an override with who asked for it included."""

TAG_TRAINING = f"{GROUP}/training"
"""On a model version: digest of the (data, code, configuration) triple, by which an unchanged training is recognised."""

TAG_VERDICT = f"{GROUP}/verdict"
"""On a model version: how its rollout ended, with the reason and the time."""

# --- the artifact ----------------------------------------------------------------------------------------------------

CONTRACT_FILE = "kanarya.json"
"""The contract's file name inside an artifact."""


class ConditionType(StrEnum):
    """Conditions of a ModelRollout. Conditions, not phases: several can be true."""

    PROGRESSING = "Progressing"
    """A candidate is on its way."""

    PROMOTED = "Promoted"
    """The last candidate became the champion."""

    ROLLED_BACK = "RolledBack"
    """The last candidate was refused or taken back; `reason` says why. True means it has no traffic."""

    PAUSED = "Paused"
    """The rollout waits for a person."""

    DEGRADED = "Degraded"
    """Something the controller needs is missing or wrong. It holds what is, and is never a verdict on the model."""


class Reason(StrEnum):
    """Reasons of conditions and events: what `kubectl get` shows and alerts match on."""

    # Progressing
    VERIFYING = "Verifying"
    STARTING = "Starting"
    SHIFTING_TRAFFIC = "ShiftingTraffic"
    PROMOTING = "Promoting"
    DEPLOYING_CHAMPION = "DeployingChampion"
    IDLE = "Idle"
    # Promoted
    GATES_AGREED = "GatesAgreed"
    PROMOTED_BY_REQUEST = "PromotedByRequest"
    PROMOTED_IN_REGISTRY = "PromotedInRegistry"
    PROMOTED_INCONCLUSIVE = "PromotedInconclusive"
    # RolledBack
    GATE_REFUSED = "GateRefused"
    ARTIFACT_REFUSED = "ArtifactRefused"
    EXAMPLE_NOT_REPRODUCED = "ExampleNotReproduced"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CANDIDATE_WITHDRAWN = "CandidateWithdrawn"
    CANDIDATE_SUPERSEDED = "CandidateSuperseded"
    CANDIDATE_DELETED = "CandidateDeleted"
    CHAMPION_MOVED = "ChampionMoved"
    ABORTED_BY_REQUEST = "AbortedByRequest"
    # Paused
    PAUSED_BY_REQUEST = "PausedByRequest"
    PAUSE_STEP = "PauseStep"
    INCONCLUSIVE = "Inconclusive"
    # Degraded
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    METRICS_UNREACHABLE = "MetricsUnreachable"
    TRAFFIC_UNREACHABLE = "TrafficUnreachable"
    CHAMPION_MISSING = "ChampionMissing"
    CHAMPION_REFUSED = "ChampionRefused"
    CHAMPION_NOT_READY = "ChampionNotReady"
    WEIGHT_NOT_IN_FORCE = "WeightNotInForce"
    AS_EXPECTED = "AsExpected"
    """The quiet reason of a condition that is False."""


class Verb(StrEnum):
    """What a person can ask of a rollout (`kanarya rollout VERB`), carried by ANNOTATION_REQUEST."""

    PROMOTE = "promote"
    """End the pause at hand; with `full`, skip what is left and promote now."""

    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
