"""Labels, annotations, registry aliases and tags, condition types and reasons. Read by every part; a sentence each."""

from collections.abc import Mapping
from enum import StrEnum

GROUP = "kanarya.dev"
"""API group of our resources and prefix of our labels and annotations."""

API_VERSION = f"{GROUP}/v1alpha1"
"""apiVersion of `ModelRollout`."""

FIELD_MANAGER = "kanarya-rollout"
"""Who the controller is in server-side apply and in managed fields."""

CLOUD_EVENT_TYPE = "dev.kanarya.modelrollout"
"""Start of the `type` of every CloudEvent that the controller sends; a dot and a Reason follow."""

ALERT_INPUT_DRIFT = "InputDrift"
"""Prometheus alert {namespace, model, version, feature}: the rows that a version gets are unlike those it was trained on."""

# --- labels and annotations ------------------------------------------------------------------------------------------

LABEL_APP = "app.kubernetes.io/name"
"""Kubernetes' own: what a Deployment of the charts is, whatever its release is called."""

APP_CONTROLLER = "kanarya-rollout"
"""The controller, in `app.kubernetes.io/name`."""

APP_REGISTRY = "kanarya-mlflow"
"""MLflow's server, in `app.kubernetes.io/name`."""

APP_STORE = "kanarya-minio"
"""The bundled object store, in `app.kubernetes.io/name`."""

LABEL_MODEL = f"{GROUP}/model"
"""Registered model's name, on everything that serves it."""

LABEL_VERSION = f"{GROUP}/version"
"""Registry version that a pod or process serves."""

ANNOTATION_REQUEST = f"{GROUP}/request"
"""What a person asks of a rollout: `{"id", "verb", "by"}` as JSON. The controller answers it once and records the id."""

BUCKET_HEADER = "x-kanarya-bucket"
"""On a request of an A/B test: its user's bucket, `00` to `99`. The gateway's to write; what a client sends is thrown away."""

SCORES_HEADER = "x-kanarya-scores"
"""Beside it, where the A/B test's goal is a mean: the goal, and between what the users' scores lie, as `revenue 0..500`. The
gateway's to write as well."""

HEADER_MIRRORED_TO = "x-kanarya-mirrored-to"
"""On every request that a gateway copies to another version: that version. Its server sees its own number there and knows that
its answer reaches nobody; the server that answers sees another's. Gateways take it from requests that are not copied."""

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

TAG_AUDIT = f"{GROUP}/audit/"
"""On a registered model, followed by a chain's name: the last record of that chain of decisions, as JSON."""

# --- the artifact ----------------------------------------------------------------------------------------------------

CONTRACT_FILE = "kanarya.json"
"""The contract's file name inside an artifact."""


class ConditionType(StrEnum):
    """Conditions of a ModelRollout. Conditions, not phases: several can be true."""

    PROGRESSING = "Progressing"
    """A candidate is on its way."""

    PROMOTED = "Promoted"
    """The last candidate became the champion. Of the first champion, which no rollout brought: it serves."""

    ROLLED_BACK = "RolledBack"
    """The last candidate was refused or taken back; `reason` says why. True means it has no traffic."""

    PAUSED = "Paused"
    """The rollout waits for a person."""

    FROZEN = "Frozen"
    """A freeze window keeps a candidate from starting or from moving on; the message says until when."""

    DEGRADED = "Degraded"
    """Something the controller needs is missing or wrong. It holds what is, and is never a verdict on the model."""


class Reason(StrEnum):
    """Reasons of conditions and events: what `kubectl get` shows and alerts match on."""

    VERIFYING = "Verifying"
    """The candidate's version and digest are pinned and its files are being checked."""

    STARTING = "Starting"
    """Its server is starting, or has not yet given the example's answers."""

    SHIFTING_TRAFFIC = "ShiftingTraffic"
    """It takes requests, step by step."""

    PROMOTING = "Promoting"
    """It has won; traffic, alias and the old champion's end follow in this order."""

    DEPLOYING_CHAMPION = "DeployingChampion"
    """No candidate: the champion itself is being started."""

    UNDOING = "Undoing"
    """A promotion was undone: the former champion has the traffic again, and the registry is told next."""

    IDLE = "Idle"
    """No candidate is on its way."""

    QUARANTINED = "Quarantined"
    """No candidate is on its way: the one that is wanted was taken back before, and waits for `retry`."""

    GATES_AGREED = "GatesAgreed"
    """Every gate found the evidence sufficient."""

    PROMOTED_BY_REQUEST = "PromotedByRequest"
    """A person said so, before the gates did."""

    PROMOTED_IN_REGISTRY = "PromotedInRegistry"
    """Somebody moved the stable alias to the candidate."""

    PROMOTED_INCONCLUSIVE = "PromotedInconclusive"
    """The deadline passed, no gate refused, and `onInconclusive` is `promote`."""

    NO_DIFFERENCE = "NoDifference"
    """The A/B test found that the two versions differ by less than `minimumEffect`."""

    OUTDONE = "Outdone"
    """Another challenger of the same A/B test was promoted."""

    DECIDED = "Decided"
    """The A/B test is over, and what follows from it is left to a person: `promote` or `abort`."""

    GATE_REFUSED = "GateRefused"
    """A gate found that the candidate is worse."""

    ARTIFACT_REFUSED = "ArtifactRefused"
    """Its files are not what was registered, or it has no contract. It got no request."""

    EXAMPLE_NOT_REPRODUCED = "ExampleNotReproduced"
    """Its server gave other answers to the artifact's example. It got no request."""

    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """Its server was not ready within `progressDeadlineSeconds`."""

    DEADLINE_EXCEEDED = "DeadlineExceeded"
    """The deadline passed without a verdict, and `onInconclusive` is `rollback`."""

    CANDIDATE_WITHDRAWN = "CandidateWithdrawn"
    """The candidate alias was removed."""

    CANDIDATE_SUPERSEDED = "CandidateSuperseded"
    """The candidate alias was moved to another version, which is next."""

    CANDIDATE_DELETED = "CandidateDeleted"
    """The version no longer exists in the registry."""

    CHAMPION_MOVED = "ChampionMoved"
    """The stable alias was moved to a third version: the comparison has lost its other side."""

    ABORTED_BY_REQUEST = "AbortedByRequest"
    """A person said so."""

    UNDONE_BY_REQUEST = "UndoneByRequest"
    """A person said so after it had been promoted, within `rollbackWindow`."""

    REGRESSED = "Regressed"
    """After it had been promoted, within `rollbackWindow`, it did worse than in its own rollout."""

    PAUSED_BY_REQUEST = "PausedByRequest"
    """A person said so; `resume` ends it."""

    PAUSE_STEP = "PauseStep"
    """The present step waits for a person; `promote` ends it."""

    INPUT_DRIFT = "InputDrift"
    """The rows that the candidate gets are unlike those it was trained on, and `analysis.onInputDrift` is `hold`."""

    INCONCLUSIVE = "Inconclusive"
    """The deadline passed without a verdict, and `onInconclusive` is `pause`."""

    FREEZE_WINDOW = "FreezeWindow"
    """It is a time that `spec.freeze` names."""

    REQUEST_REFUSED = "RequestRefused"
    """Event alone: what a person asked for makes no sense now; the message says why."""

    ROLLBACK_WINDOW_OVER = "RollbackWindowOver"
    """Event alone: the former champion is not kept warm any longer; the message says why."""

    TARGET_UNSUPPORTED = "TargetUnsupported"
    """What serves the model, or the cluster it is in, is set up in a way that cannot work; a person has to change it."""

    TARGET_TAKEN = "TargetTaken"
    """An older rollout has the same target, or one of its host names; this one touches nothing. The message says which."""

    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    """The registry did not answer."""

    METRICS_UNREACHABLE = "MetricsUnreachable"
    """No counters could be read."""

    TRAFFIC_UNREACHABLE = "TrafficUnreachable"
    """The gateway could not be asked or told."""

    CHAMPION_MISSING = "ChampionMissing"
    """The stable alias points to no version."""

    CHAMPION_REFUSED = "ChampionRefused"
    """The champion's files are not what was registered."""

    CHAMPION_NOT_READY = "ChampionNotReady"
    """The champion's server is not ready."""

    WEIGHT_NOT_IN_FORCE = "WeightNotInForce"
    """The gateway routes other weights than it was told."""

    AS_EXPECTED = "AsExpected"
    """The quiet reason of a condition that is False."""


REASONS: Mapping[ConditionType, tuple[Reason, ...]] = {
    ConditionType.PROGRESSING: (
        Reason.VERIFYING,
        Reason.STARTING,
        Reason.SHIFTING_TRAFFIC,
        Reason.PROMOTING,
        Reason.DEPLOYING_CHAMPION,
        Reason.UNDOING,
        Reason.IDLE,
        Reason.QUARANTINED,
    ),
    ConditionType.PROMOTED: (
        Reason.GATES_AGREED,
        Reason.PROMOTED_BY_REQUEST,
        Reason.PROMOTED_IN_REGISTRY,
        Reason.PROMOTED_INCONCLUSIVE,
    ),
    ConditionType.ROLLED_BACK: (
        Reason.GATE_REFUSED,
        Reason.NO_DIFFERENCE,
        Reason.ARTIFACT_REFUSED,
        Reason.EXAMPLE_NOT_REPRODUCED,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        Reason.DEADLINE_EXCEEDED,
        Reason.CANDIDATE_WITHDRAWN,
        Reason.CANDIDATE_SUPERSEDED,
        Reason.CANDIDATE_DELETED,
        Reason.CHAMPION_MOVED,
        Reason.ABORTED_BY_REQUEST,
        Reason.UNDONE_BY_REQUEST,
        Reason.REGRESSED,
    ),
    ConditionType.PAUSED: (
        Reason.PAUSED_BY_REQUEST,
        Reason.PAUSE_STEP,
        Reason.INPUT_DRIFT,
        Reason.INCONCLUSIVE,
        Reason.DECIDED,
    ),
    ConditionType.FROZEN: (Reason.FREEZE_WINDOW,),
    ConditionType.DEGRADED: (
        Reason.TARGET_TAKEN,
        Reason.TARGET_UNSUPPORTED,
        Reason.REGISTRY_UNREACHABLE,
        Reason.METRICS_UNREACHABLE,
        Reason.TRAFFIC_UNREACHABLE,
        Reason.CHAMPION_MISSING,
        Reason.CHAMPION_REFUSED,
        Reason.CHAMPION_NOT_READY,
        Reason.WEIGHT_NOT_IN_FORCE,
    ),
}
"""The reasons each condition can have when it says something. Any that is False may say AsExpected instead."""


class Verb(StrEnum):
    """What a person can ask of a rollout (`kanarya rollout VERB`), carried by ANNOTATION_REQUEST."""

    PROMOTE = "promote"
    """End the pause at hand; with `full`, skip what is left and promote now."""

    ABORT = "abort"
    """Take the candidate back now."""

    RETRY = "retry"
    """Start again with a candidate that was refused or taken back."""

    PAUSE = "pause"
    """Stay at the present weight; a gate that refuses still refuses."""

    RESUME = "resume"
    """End a pause that `pause` began."""

    UNDO = "undo"
    """Take a promotion back, within `rollbackWindow`: the former champion gets every request."""
