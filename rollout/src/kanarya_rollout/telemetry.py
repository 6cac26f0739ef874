"""What the controller says of itself: `/metrics`, `/healthz`, `/readyz`. Composed by `operator`; a Listener.

Live: the loop has come round lately, or the wait for the Lease has. Ready: this process has a lease's word on who leads.
"""

import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from kanarya_contracts.names import ConditionType
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.decide import Decision, shares

STUCK_AFTER = 120.0
"""Seconds without a turn of the loop after which the process is better restarted."""

_ROLLOUT = ("namespace", "rollout")


class Telemetry:
    """Counts and gauges of one controller."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._turned = monotonic()
        self.elected: bool | None = None
        self._leader = Gauge("kanarya_rollout_leader", "1 on the controller that decides.", registry=self.registry)
        self._passes = Counter("kanarya_rollout_passes", "Passes over a rollout.", _ROLLOUT, registry=self.registry)
        self._writes = Counter("kanarya_rollout_writes", "Passes that changed its status.", _ROLLOUT, registry=self.registry)
        self._events = Counter(
            "kanarya_rollout_events", "What people were told.", (*_ROLLOUT, "reason"), registry=self.registry
        )
        self._weight = Gauge(
            "kanarya_rollout_weight", "Percent of requests asked for.", (*_ROLLOUT, "version", "role"), registry=self.registry
        )
        self._condition = Gauge(
            "kanarya_rollout_condition", "1 while a condition is True.", (*_ROLLOUT, "type"), registry=self.registry
        )
        self._weighted: dict[tuple[str, str], set[tuple[str, str]]] = {}
        """Namespace and rollout → version and role that have a weight there."""
        self._step = Gauge(
            "kanarya_rollout_step", "Index of the present step; -1 without a candidate.", _ROLLOUT, registry=self.registry
        )
        self._notifications = Counter(
            "kanarya_rollout_notifications", "Messages to receivers.", ("receiver", "outcome"), registry=self.registry
        )
        self._unkept = Gauge(
            "kanarya_rollout_audit_pending", "Decisions that are not on record yet.", _ROLLOUT, registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def turn(self) -> None:
        """The loop came round."""
        self._turned = self._monotonic()

    def lead(self, *, leads: bool) -> None:
        """Who decides is known: this process, or another."""
        self.elected = leads
        self._leader.set(leads)
        self.turn()

    def receiver(self, name: str, outcomes: Iterable[str]) -> None:
        """There is one. Its counters begin at 0, so that the first message that is not taken is an increase."""
        for outcome in outcomes:
            self._notifications.labels(name, outcome)

    def notified(self, receiver: str, outcome: str) -> None:
        """What became of a message. Called from the receivers' threads."""
        self._notifications.labels(receiver, outcome).inc()

    def forget(self) -> None:
        """Another leads; what this process knew of rollouts is old."""
        for one in (self._weight, self._condition, self._step, self._unkept):
            one.clear()
        self._weighted.clear()

    def decided(self, rollout: ModelRollout, decision: Decision, *, wrote: bool) -> None:
        """As Listener says."""
        self.turn()
        key = (rollout.metadata.namespace, rollout.metadata.name)
        status = decision.status
        self._passes.labels(*key).inc()
        if wrote:
            self._writes.labels(*key).inc()
            for event in decision.events:
                self._events.labels(*key, event.reason.value).inc()
        self._step.labels(*key).set(-1 if status.current_step_index is None else status.current_step_index)
        if status.audit is not None:
            self._unkept.labels(*key).set(len(status.audit.pending) + status.audit.missed)
        for kind in ConditionType:
            self._condition.labels(*key, kind.value).set(status.is_true(kind))
        stable = status.stable.version if status.stable is not None else None
        weights = {(version, "stable" if version == stable else "other"): share for version, share in shares(status).items()}
        for gone in self._weighted.get(key, set()) - weights.keys():
            self._weight.remove(*key, *gone)
        self._weighted[key] = set(weights)
        for one, share in weights.items():
            self._weight.labels(*key, *one).set(share)

    def live(self) -> str | None:
        """Why this process should be restarted; None if it should not."""
        silent = self._monotonic() - self._turned
        return f"the loop has not come round for {silent:.0f} s" if silent > STUCK_AFTER else None

    def ready(self) -> str | None:
        """Why this process cannot say yet who leads; None if it can."""
        return "no word yet on who leads" if self.elected is None else None


def serve(telemetry: Telemetry, *, host: str, port: int) -> ThreadingHTTPServer:
    """Answer GET on a thread of its own until `shutdown`. Raises OSError for a port in use."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Health or metrics."""
            if self.path == "/metrics":
                self._answer(200, generate_latest(telemetry.registry), CONTENT_TYPE_LATEST)
                return
            checks = {"/healthz": telemetry.live, "/readyz": telemetry.ready}
            if self.path not in checks:
                self._answer(404, b"here are /metrics, /healthz and /readyz\n")
                return
            wrong = checks[self.path]()
            self._answer(503 if wrong else 200, f"{wrong or 'ok'}\n".encode())

        def log_message(self, *_: object) -> None:
            """Probes fill no log."""

        def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
