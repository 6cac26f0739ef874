"""What is sent to people and programs about a rollout, as values: an event's content, and the requests that carry it. Pure.

Used by `notify`. Two forms: CloudEvents 1.0 in structured JSON (the CloudEvents specification and its HTTP binding, section
3.2), signed after Standard Webhooks 1.0.0; and the `{"text": …}` that Slack's incoming webhooks take, and Mattermost's and
Rocket.Chat's. Slack's are not signed: their address is the secret.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from kanarya_contracts.names import CLOUD_EVENT_TYPE
from kanarya_contracts.rollout import Evidence, ModelRollout, ModelRolloutStatus, Rival, VersionRef
from kanarya_rollout.decide import Decision, Event

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""Headers of Standard Webhooks."""

_SECRET = "whsec_"  # noqa: S105 (a prefix)
_KEY_BYTES = range(24, 65)
"""How long Standard Webhooks lets a key be."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """An event of a rollout."""

    id: str
    """The same when it is sent again, by this process or by the next: by it a receiver knows what it has already."""
    at: datetime
    namespace: str
    rollout: str
    model: str
    event: Event
    status: ModelRolloutStatus
    """As it was decided together with the event."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """An HTTP request's content."""

    body: bytes
    headers: Mapping[str, str]


class Form(Protocol):
    """How a receiver is spoken to."""

    def post(self, message: Message, now: datetime) -> Post:
        """The request for one attempt at `now`."""
        ...


def messages(rollout: ModelRollout, decision: Decision) -> list[Message]:
    """A message an event."""
    metadata = rollout.metadata
    uid = str((metadata.model_extra or {}).get("uid", f"{metadata.namespace}/{metadata.name}"))
    made = []
    for number, event in enumerate(decision.events):
        identity = "\0".join([uid, decision.now.isoformat(), str(number), event.reason, event.message])
        made.append(
            Message(
                id=hashlib.sha256(identity.encode()).hexdigest()[:32],
                at=decision.now,
                namespace=metadata.namespace,
                rollout=metadata.name,
                model=rollout.spec.registry.model,
                event=event,
                status=decision.status,
            )
        )
    return made


@dataclass(frozen=True, kw_only=True)
class SignedCloudEvent:
    """A CloudEvent with a signature over id, time of the attempt and body."""

    key: bytes
    """From `key_of`."""

    def post(self, message: Message, now: datetime) -> Post:
        """As Form says."""
        body = json.dumps(cloud_event(message), ensure_ascii=False).encode()
        seconds = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            ID: message.id,
            TIMESTAMP: seconds,
            SIGNATURE: signature(self.key, message.id, seconds, body),
        }
        return Post(body=body, headers=headers)


@dataclass(frozen=True, kw_only=True)
class Text:
    """One line for a channel of people."""

    def post(self, message: Message, now: datetime) -> Post:  # noqa: ARG002 (the form's)
        """As Form says."""
        event = message.event
        line = f"{event.type}: {message.namespace}/{message.rollout}: {event.reason}: {event.message}"
        for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # what Slack gives a meaning of its own
            line = line.replace(plain, escaped)
        return Post(body=json.dumps({"text": line}).encode(), headers={"Content-Type": "application/json"})


def cloud_event(message: Message) -> dict[str, object]:
    """The event as a document."""
    event, status = message.event, message.status
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": f"/namespaces/{message.namespace}/modelrollouts/{message.rollout}",
        "type": f"{CLOUD_EVENT_TYPE}.{event.reason}",
        "time": message.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "severity": event.type,
            "reason": event.reason,
            "message": event.message,
            "model": message.model,
            "stable": _version(status.stable),
            "candidate": _version(status.candidate),
            "canaryWeight": status.canary_weight,
            "evidence": _evidence(status.evidence),
            **({"rivals": [_beside(one) for one in status.rivals]} if status.rivals else {}),
        },
    }


def _beside(rival: Rival) -> dict[str, object]:
    return {
        "candidate": _version(rival.candidate),
        "canaryWeight": rival.canary_weight,
        "out": rival.out.reason if rival.out is not None else None,
        "evidence": _evidence(rival.evidence),
    }


def _evidence(rows: Iterable[Evidence]) -> list[dict[str, object]]:
    return [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in rows]


def signature(key: bytes, identity: str, seconds: str, body: bytes) -> str:
    """`v1,` and HMAC-SHA256 of `id.timestamp.body` in base64 (Standard Webhooks, "Signature scheme")."""
    signed = b".".join([identity.encode(), seconds.encode(), body])
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def key_of(secret: str) -> bytes:
    """A secret's bytes. Raises ValueError, which does not repeat it, for one that Standard Webhooks does not know."""
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"expected {_SECRET} and 24 to 64 bytes in base64, such as from: openssl rand -base64 32")
    return key


def _version(ref: VersionRef | None) -> dict[str, str | None] | None:
    return None if ref is None else {"version": ref.version, "digest": ref.digest}
