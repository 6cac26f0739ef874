"""What the controller needs of the world, as small protocols; one adapter a file beside them or in `kanarya_cli.local`.

    store      the ModelRollout object: spec in, status out
    registry   versions and aliases                                  (adapter: mlflow)
    serving    backends that run versions, one per version           (local: processes; on Kubernetes: KServe)
    traffic    weights between backends                              (local: Envoy's files; on Kubernetes: an HTTPRoute)
    metrics    cumulative counters per version                       (local: scraping; on Kubernetes: Prometheus)
    audit      decisions, kept on record                             (adapter: kanarya_rollout.archive)

Every method may raise `Unreachable`. That is never a verdict on the model: the controller holds what is and says so.
"""

from kanarya_contracts.problems import KanaryaError


class Unreachable(KanaryaError):
    """The other side did not answer, or not sensibly. The message names it, with its address and what it said."""


class Unsupported(Unreachable):
    """It answered, and is set up in a way that cannot work. The message names what a person has to change; until then,
    everything holds."""


class Conflict(KanaryaError):
    """Somebody else wrote first. Read again; never a verdict."""
