"""Events for people: what `kubectl describe modelrollout` shows. A listener of the controller's.

An Event is named after what it says, so one that is said again counts up instead of standing there twice, whoever says it.
One that cannot be written is logged and forgotten: conditions carry the truth, and a crash may lose an Event.
"""

import hashlib
import logging
from datetime import UTC, datetime

from kanarya_contracts.names import FIELD_MANAGER
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.decide import Decision, Event
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.api import Document, KubernetesApi, collection

_LONGEST = 1024
"""Bytes of a message that the API server takes."""

_LOG = logging.getLogger(__name__)


class KubernetesEvents:
    """Writes Events beside the rollouts they are about."""

    def __init__(self, api: KubernetesApi, *, instance: str) -> None:
        """`instance`: which controller, such as its pod's name."""
        self._api = api
        self._instance = instance

    def decided(self, rollout: ModelRollout, decision: Decision, *, wrote: bool) -> None:
        """Tell what the decision wants told, once its status stands."""
        for event in decision.events if wrote else ():
            try:
                self._tell(rollout, event, decision.now)
            except (Conflict, Unreachable) as error:
                _LOG.warning("event %s of %s was not written: %s", event.reason, rollout.metadata.name, error)

    def _tell(self, rollout: ModelRollout, event: Event, now: datetime) -> None:
        path = collection("v1", rollout.metadata.namespace, "events")
        document = document_of(rollout, event, now, instance=self._instance)
        name = document["metadata"]["name"]
        there = self._api.merge(f"{path}/{name}", {"lastTimestamp": document["lastTimestamp"]})
        if there is None:
            self._api.create(path, document)
        else:
            self._api.merge(f"{path}/{name}", {"count": int(there.get("count") or 1) + 1})


def document_of(rollout: ModelRollout, event: Event, now: datetime, *, instance: str) -> Document:
    """The core/v1 Event about a rollout."""
    metadata = rollout.metadata
    uid = str((metadata.model_extra or {}).get("uid", ""))
    message = event.message.encode()[:_LONGEST].decode(errors="ignore")
    identity = hashlib.sha256("\0".join([uid, event.type, event.reason, message]).encode()).hexdigest()[:16]
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{identity}", "namespace": metadata.namespace},
        "involvedObject": {
            "apiVersion": rollout.api_version,
            "kind": rollout.kind,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": uid,
        },
        "type": event.type,
        "reason": event.reason.value,
        "message": message,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": instance,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
