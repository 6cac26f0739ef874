"""One pass over one rollout, and the loop over all of them. Composed by the controller's image and by `kanarya local`.

Owns no state that matters: what it remembers between passes (the registry's last answer, the last counters) only spares
the other side questions. Kill it anywhere; the next one goes on from the status.
"""

import logging
import threading
from collections.abc import Callable

from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.clock import Clock
from kanarya_rollout.decide.decision import Decision
from kanarya_rollout.ports.metrics import Metrics
from kanarya_rollout.ports.registry import Registry
from kanarya_rollout.ports.serving import Serving
from kanarya_rollout.ports.store import Store
from kanarya_rollout.ports.traffic import Traffic


class Controller:
    """Every rollout of one store."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        serving_for: Callable[[ModelRollout], Serving],
        traffic_for: Callable[[ModelRollout], Traffic],
        metrics_for: Callable[[ModelRollout], Metrics],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        """`*_for` are asked once for each rollout and again only when its target, registry or traffic changes.

        `log` gets one JSON line, at INFO, for each decision that changes something, and WARNING for a part of the world
        that does not answer.
        """

    def reconcile(self, name: str) -> Decision:
        """Observe, decide, act: once, for one rollout. Returns what was decided.

        Raises KanaryaError if there is no such rollout, Conflict if somebody wrote its status meanwhile, Unreachable if the
        store does not answer. Every other port that does not answer is a Degraded condition and no exception.
        """
        raise NotImplementedError

    def run(self, stop: threading.Event, tick: float) -> None:
        """Reconcile every rollout until `stop` is set. `tick`: seconds between looks.

        A rollout under way is reconciled on every tick, an idle one every `spec.registry.pollInterval` or when its object
        was written. What goes wrong with one rollout is logged and does not keep the others waiting.
        """
        raise NotImplementedError
