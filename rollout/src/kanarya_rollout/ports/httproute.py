"""The HTTPRoute of one rollout as a pure mapping: weights and copies → object, and back. Used by `gateway`.

    /                                the split: one weighted backend a version, and who gets copies
    / with a bucket                  in an A/B test, the buckets below the candidate's weight; the split has its others
    /v2/models/{model}/versions/{v}  that version alone, whatever the split

Named `{service}-rollout`, because KServe takes over a route that is named like its InferenceService. A version's backend is
the Service that KServe makes for a predictor named `v{version}`.
"""

from collections.abc import Mapping

from pydantic import Field

from kanarya_contracts.names import BUCKET_HEADER, FIELD_MANAGER, HEADER_MIRRORED_TO, LABEL_MODEL
from kanarya_contracts.rollout import GatewayRef, ModelRollout
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports.inferenceservice import KSERVE_API, service_name, version_of_service
from kanarya_rollout.ports.seen import Seen
from kanarya_rollout.ports.verdict import Metadata, Verdict, Word, verdict
from kanarya_rollout.sticky import Sticky, below, weight_of

GATEWAY_API = "gateway.networking.k8s.io/v1"
"""apiVersion of HTTPRoute."""

STICKY_RULE = "sticky"
"""Name of the rule that sends buckets to the candidate of an A/B test."""

_NO_BUCKET = "none"
"""What the rule waits for while there is nothing to split: no script writes it."""

_SUFFIX = "-rollout"

OURS = frozenset({"f:parentRefs", "f:rules"})
"""Fields of the spec that nobody but us may write."""


class _Backend(Seen):
    name: str
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
        return sum(weight_of(header.value) for header in headers if header.type == "RegularExpression")


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
) -> dict[str, object]:
    """The object to apply."""
    spec = rollout.spec
    gateway = spec.traffic.gateway_ref
    if gateway is None:
        raise ValueError("spec.traffic.gatewayRef is missing")
    service = spec.target_ref.name
    versions = sorted(weights)
    by_bucket = dict(weights)
    if sticky is not None and sticky.splits(weights):
        by_bucket[str(sticky.candidate)] = 0
    wanted = {
        "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
        **({"hostnames": list(spec.traffic.hostnames)} if spec.traffic.hostnames else {}),
        "rules": [
            # First: Envoy Gateway names what it makes after a rule's place. Behind rules that come and go, the split would
            # inherit, in the moment in which a version leaves, what was made for that version alone: a few answers of 503.
            _rule("/", [_backend(service, version, by_bucket[version]) for version in versions], _mirror(service, copies)),
            *([] if sticky is None else [_sticky_rule(service, weights, sticky)]),
            *(
                _rule(f"/v2/models/{service}/versions/{version}", [_backend(service, version, 1)], _UNMARKED)
                for version in versions
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


def _mirror(service: str, copies: Copies | None) -> _Filters:
    """Gateway API has no header for the copy alone, so both bear the version that gets the copy. A share of 100 is left out:
    gateways from before `percent` copy everything."""
    if copies is None:
        return _UNMARKED
    mirror: dict[str, object] = {"backendRef": {"name": service_name(service, copies.version), "port": 80}}
    share = {"percent": copies.percent} if copies.percent < 100 else {}
    mark = {"set": [{"name": HEADER_MIRRORED_TO, "value": copies.version}]}
    return [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": mark},
        {"type": "RequestMirror", "requestMirror": {**mirror, **share}},
    ]


def _rule(path: str, backends: list[dict[str, object]], filters: _Filters) -> dict[str, object]:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "filters": filters, "backendRefs": backends}


def _sticky_rule(service: str, weights: Mapping[str, int], sticky: Sticky) -> dict[str, object]:
    """Second, and there as long as the rollout is one of A/B tests, for the same reason as the split is first."""
    header: dict[str, object] = {"name": BUCKET_HEADER, "type": "Exact", "value": _NO_BUCKET}
    version = max(weights, key=lambda one: weights[one])
    if sticky.candidate is not None and sticky.splits(weights):
        version = sticky.candidate
        header |= {"type": "RegularExpression", "value": below(weights[version])}
    rule = _rule("/", [_backend(service, version, 1)], _UNMARKED)
    matches = [{"path": {"type": "PathPrefix", "value": "/"}, "headers": [header]}]
    return {**rule, "name": STICKY_RULE, "matches": matches}


def _backend(service: str, version: str, weight: int) -> dict[str, object]:
    return {"name": service_name(service, version), "port": 80, "weight": weight}
