"""The HTTPRoute of one rollout as a pure mapping: weights and copies → object, and back. Used by `gateway`.

    /                                the split: one weighted backend a version, and who gets copies
    /inference.GRPCInferenceService  the same split at the versions' gRPC port, where they have one
    either, with a bucket            in an A/B test, one rule a challenger, for its users; the split has all others
    /v2/models/{model}/versions/{v}  that version alone, whatever the split

One object, so that gRPC's weights change in the write that changes REST's. Named `{service}-rollout`, because KServe takes
over a route that is named like its InferenceService. A version's backend is the Service that KServe makes for a predictor
named `v{version}`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from kanarya_contracts.names import BUCKET_HEADER, FIELD_MANAGER, HEADER_MIRRORED_TO, LABEL_MODEL
from kanarya_contracts.rollout import GatewayRef, ModelRollout
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports.inferenceservice import KSERVE_API, service_name, version_of_service
from kanarya_rollout.ports.seen import Seen
from kanarya_rollout.ports.verdict import Metadata, Verdict, Word, verdict
from kanarya_rollout.sticky import Sticky, Zone, between, buckets_of

GATEWAY_API = "gateway.networking.k8s.io/v1"
"""apiVersion of HTTPRoute."""

STICKY_RULE = "sticky"
"""Name of the rule that sends buckets to the first challenger of an A/B test. Those of others bear their number, from 2."""

GRPC_PATH = "/inference.GRPCInferenceService"
"""What the paths of V2's calls over gRPC begin with (open_inference_grpc.proto). Health and reflection are left out: they tell
of one server, and behind a split nobody knows of which."""

_NO_BUCKET = "none"
"""What the rule waits for while there is nothing to split: no script writes it."""

_SUFFIX = "-rollout"

OURS = frozenset({"f:parentRefs", "f:rules"})
"""Fields of the spec that nobody but us may write."""


class _Backend(Seen):
    name: str
    port: int = 80
    weight: int = 1


class _Path(Seen):
    value: str = "/"


class _Header(Seen):
    name: str
    type: str = "Exact"
    value: str


class _Match(Seen):
    path: _Path = _Path()
    headers: tuple[_Header, ...] = ()


class _Mirror(Seen):
    backend_ref: _Backend
    percent: int = 100


class _Filter(Seen):
    request_mirror: _Mirror | None = None


class _Rule(Seen):
    name: str | None = None
    matches: tuple[_Match, ...] = (_Match(),)
    filters: tuple[_Filter, ...] = ()
    backend_refs: tuple[_Backend, ...] = ()

    @property
    def buckets(self) -> int:
        """How many buckets of an A/B test it takes in."""
        headers = [header for match in self.matches for header in match.headers if header.name == BUCKET_HEADER]
        return sum(len(buckets_of(header.value)) for header in headers if header.type == "RegularExpression")


class _Spec(Seen):
    rules: tuple[_Rule, ...] = ()


class _Status(Seen):
    parents: tuple[Word, ...] = ()


class _ManagedFields(Seen):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields_v1: dict[str, object] = Field(default_factory=dict, alias="fieldsV1")


class _Metadata(Metadata):
    name: str
    managed_fields: tuple[_ManagedFields, ...] = ()


class Route(Seen):
    """What is read of an HTTPRoute."""

    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def ours(self) -> bool:
        """Whether we are the last who wrote every field that is ours to write."""
        owned: set[str] = set()
        for entry in self.metadata.managed_fields:
            spec = entry.fields_v1.get("f:spec")
            if entry.manager == FIELD_MANAGER and entry.operation == "Apply" and isinstance(spec, Mapping):
                owned |= set(map(str, spec))
        return owned >= OURS

    @property
    def weights(self) -> dict[str, int]:
        """Version → percent that the object asks for, of requests or, while `splits_users`, of users."""
        named = {self._version(ref): ref.weight for ref in self._split.backend_refs}
        found = {version: weight for version, weight in named.items() if version is not None}
        for rule in self.spec.rules:
            for version in (self._version(ref) for ref in rule.backend_refs if rule.buckets):
                found.update({version: rule.buckets} if version is not None else {})
        return dict.fromkeys(found, 100) if len(found) == 1 else found

    @property
    def knows_users(self) -> bool:
        """Whether it has the rule of A/B tests, at work or at rest."""
        return any(rule.name == STICKY_RULE for rule in self.spec.rules)

    @property
    def splits_users(self) -> bool:
        """Whether it sends buckets anywhere, which there are only while a policy's script runs."""
        return any(rule.buckets for rule in self.spec.rules)

    @property
    def grpc_port(self) -> int | None:
        """Where it sends gRPC; None where it does not."""
        rules = (rule for rule in self.spec.rules if any(match.path.value == GRPC_PATH for match in rule.matches))
        return next((ref.port for rule in rules for ref in rule.backend_refs), None)

    @property
    def copies(self) -> Copies | None:
        """The copies that it asks for. Of several mirrors the first: we write one, and another's route is not ours."""
        mirrors = [one.request_mirror for one in self._split.filters if one.request_mirror is not None]
        version = self._version(mirrors[0].backend_ref) if mirrors else None
        return Copies(version=version, percent=mirrors[0].percent) if version is not None else None

    @property
    def _split(self) -> _Rule:
        """The rule for everything."""
        splits = [rule for rule in self.spec.rules if any(match.path.value in _EVERYTHING for match in rule.matches)]
        return splits[0] if splits else _Rule()

    def _version(self, ref: _Backend) -> str | None:
        return version_of_service(service_of(self.metadata.name), ref.name)

    def verdict(self, gateway: GatewayRef | None) -> Verdict:
        """What the gateway's controller says of this generation; with None, what every gateway's does."""
        return verdict(self.status.parents, self.metadata, gateway)


_EVERYTHING = frozenset({"/", "^/.*$"})
"""Paths of the rule that splits: ours, and KServe's."""


def name_of(rollout: ModelRollout) -> str:
    """The HTTPRoute's name."""
    return f"{rollout.spec.target_ref.name}{_SUFFIX}"


def service_of(name: str) -> str:
    """The InferenceService that an HTTPRoute of ours is named after."""
    return name.removesuffix(_SUFFIX)


def desired(
    rollout: ModelRollout,
    weights: Mapping[str, int],
    copies: Copies | None = None,
    sticky: Sticky | None = None,
    *,
    service_uid: str,
    grpc_port: int | None = None,
) -> dict[str, object]:
    """The object to apply. `grpc_port`: of each version's Service; None where they have none."""
    spec = rollout.spec
    gateway = spec.traffic.gateway_ref
    if gateway is None:
        raise ValueError("spec.traffic.gatewayRef is missing")
    service = spec.target_ref.name
    doors = [_REST] if grpc_port is None else [_REST, _Door(GRPC_PATH, grpc_port, "-grpc")]
    # First: Envoy Gateway names what it makes after a rule's place. Behind rules that come and go, the split would inherit, in
    # the moment in which a version leaves, what was made for that version alone: a few answers of 503. So what stays longest
    # comes first: gRPC as long as the runtime opens it, users as long as there are A/B tests, each challenger in its place.
    told_apart = sticky.occupied(weights) if sticky is not None else {}
    rules = [
        *(_split_rule(door, service, {**weights, **dict.fromkeys(told_apart, 0)}, copies) for door in doors),
        *(
            _sticky_rule(door, service, weights, zone if zone.version in told_apart else None, place)
            for place, zone in enumerate(sticky.zones if sticky is not None else ())
            for door in doors
        ),
    ]
    wanted = {
        "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
        **({"hostnames": list(spec.traffic.hostnames)} if spec.traffic.hostnames else {}),
        "rules": [
            *rules,
            *(
                _rule(f"/v2/models/{service}/versions/{version}", [_backend(_REST, service, version, 1)], _UNMARKED)
                for version in sorted(weights)
            ),
        ],
    }
    return {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": metadata(rollout, service_uid), "spec": wanted}


def metadata(rollout: ModelRollout, service_uid: str) -> dict[str, object]:
    """Of what we make for a rollout. The InferenceService owns it: it goes with what it leads to. A rollout that is deleted
    leaves it, because the model still serves."""
    service = rollout.spec.target_ref.name
    return {
        "name": name_of(rollout),
        "namespace": rollout.metadata.namespace,
        "labels": {LABEL_MODEL: service, "app.kubernetes.io/managed-by": FIELD_MANAGER},
        "ownerReferences": [{"apiVersion": KSERVE_API, "kind": "InferenceService", "name": service, "uid": service_uid}],
    }


_Filters = list[dict[str, object]]

_UNMARKED: _Filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": [HEADER_MIRRORED_TO]}}]
"""No client says by itself that it is a copy."""


class _Door(NamedTuple):
    """A way to ask a version."""

    path: str
    """What its requests' paths begin with."""
    port: int
    """Of the version's Service."""
    suffix: str
    """Of the names of the rules for its users."""


_REST = _Door("/", 80, "")


def _split_rule(door: _Door, service: str, weights: Mapping[str, int], copies: Copies | None) -> dict[str, object]:
    backends = [_backend(door, service, version, weights[version]) for version in sorted(weights)]
    return _rule(door.path, backends, _mirror(door, service, copies))


def _mirror(door: _Door, service: str, copies: Copies | None) -> _Filters:
    """Gateway API has no header for the copy alone, so both bear the version that gets the copy. A share of 100 is left out:
    gateways from before `percent` copy everything."""
    if copies is None:
        return _UNMARKED
    mirror: dict[str, object] = {"backendRef": {"name": service_name(service, copies.version), "port": door.port}}
    share = {"percent": copies.percent} if copies.percent < 100 else {}
    mark = {"set": [{"name": HEADER_MIRRORED_TO, "value": copies.version}]}
    return [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": mark},
        {"type": "RequestMirror", "requestMirror": {**mirror, **share}},
    ]


def _rule(path: str, backends: list[dict[str, object]], filters: _Filters) -> dict[str, object]:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "filters": filters, "backendRefs": backends}


def _sticky_rule(door: _Door, service: str, weights: Mapping[str, int], zone: Zone | None, place: int) -> dict[str, object]:
    """Behind the splits, and there as long as the rollout is one of A/B tests, whether that challenger has users (`zone`) or
    not."""
    header: dict[str, object] = {"name": BUCKET_HEADER, "type": "Exact", "value": _NO_BUCKET}
    version = max(weights, key=lambda one: weights[one])
    if zone is not None and zone.version is not None:
        version = zone.version
        header |= {"type": "RegularExpression", "value": between(zone.first, weights[version])}
    rule = _rule(door.path, [_backend(door, service, version, 1)], _UNMARKED)
    name = STICKY_RULE if place == 0 else f"{STICKY_RULE}-{place + 1}"
    matches = [{"path": {"type": "PathPrefix", "value": door.path}, "headers": [header]}]
    return {**rule, "name": f"{name}{door.suffix}", "matches": matches}


def _backend(door: _Door, service: str, version: str, weight: int) -> dict[str, object]:
    return {"name": service_name(service, version), "port": door.port, "weight": weight}
