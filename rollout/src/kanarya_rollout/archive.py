"""Keeps records of decisions: on a shelf, and the last one's hash in the registry. Adapter of the `audit` port.

Called by the controller, which never waits for it: a thread of its own does the work. What it is told to keep stands in the
status until it says that it is kept, so it remembers nothing across restarts and may be told the same twice. The name of a
record is its number, and its content was decided with it; a second controller that writes late therefore writes the same.
"""

import json
import logging
import threading
from collections.abc import Sequence

from kanarya_contracts.audit import Head, Record, opened, parsed
from kanarya_contracts.names import TAG_AUDIT
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.audit import Shelf
from kanarya_rollout.ports.registry import Registry

RETRY_SECONDS = 10.0
"""After something did not answer."""

_LOG = logging.getLogger("kanarya.controller")


class Archive:
    """One shelf and one registry, for every rollout."""

    def __init__(self, shelf: Shelf, registry: Registry, *, controller: str) -> None:
        self.place = shelf.place
        self.controller = controller
        self._shelf = shelf
        self._registry = registry
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[str, ...]] = {}
        self._kept: dict[str, int] = {}
        self._told = threading.Event()
        self._said = ""

    def keep(self, pending: Sequence[str]) -> None:
        """As the port says."""
        chain = opened(pending[0]).chain
        with self._lock:
            if self._waiting.get(chain) == tuple(pending):
                return
            self._waiting[chain] = tuple(pending)
        self._told.set()

    def kept(self, chain: str) -> int:
        """As the port says."""
        return self._kept.get(chain, 0)

    def work(self, stop: threading.Event) -> None:
        """Keep what there is to keep, until `stop`. For a thread of its own."""
        while not stop.is_set():
            if self._told.wait(1.0):
                self._told.clear()
                if not self.turn():
                    self._told.set()
                    stop.wait(RETRY_SECONDS)

    def turn(self) -> bool:
        """One round. Returns whether everything is kept that was waiting. Raises nothing."""
        with self._lock:
            waiting = dict(self._waiting)
        problems = []
        for chain, records in waiting.items():
            try:
                self._keep(chain, records)
            except (Conflict, Unreachable) as error:
                problems.append(str(error))
            else:
                with self._lock:
                    if self._waiting.get(chain) == records:
                        del self._waiting[chain]
        self._say(f"{len(problems)} rollouts' decisions are not on record yet: {problems[0]}" if problems else "")
        return not problems

    def _keep(self, chain: str, texts: tuple[str, ...]) -> None:
        records = [(opened(text), text) for text in texts]
        for record, text in records:
            if record.sequence > self.kept(chain):
                self._shelf.put(name_of(record), text.encode())
        last, text = records[-1]
        end = Head.of(parsed(text.encode()), "the registry")
        assert end is not None  # noqa: S101 (a record that was opened)
        head = {"rollout": f"{last.namespace}/{last.rollout}", "sequence": end.sequence, "hash": end.hash}
        self._registry.annotate_model(last.model, {f"{TAG_AUDIT}{chain}": json.dumps(head)})
        self._kept[chain] = last.sequence

    def _say(self, problem: str) -> None:
        if problem and problem != self._said:
            _LOG.warning("%s", problem)
        self._said = problem


def folder(namespace: str, rollout: str, chain: str = "") -> str:
    """Where a rollout's records lie on the shelf; those of one chain, if one is named."""
    return f"{namespace}/{rollout}/" + (f"{chain}/" if chain else "")


def name_of(record: Record) -> str:
    """A record's name on the shelf. Names sort as numbers do."""
    return f"{folder(record.namespace, record.rollout, record.chain)}{record.sequence:08d}.json"
