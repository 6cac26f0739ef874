"""The split as an HTTPRoute of ours. Adapter of the `traffic` port, one for each rollout with `driver: gateway`.

Owns the one HTTPRoute of its rollout, by server-side apply. What is in force is what the gateway's controller says about the
present generation in the route's status; until it says so, what it said before. A route that someone else has written is
left alone until `route` is asked for again after `in_force` has said so: `decide` asks then only for a person, or to take
the candidate out. Refuses a rollout without `gatewayRef`.

Where KServe's Deployments have a port for gRPC, the route splits gRPC as it splits REST (`grpc_port`).

An A/B test has a policy beside its route (`sticky_policy`). Until the gateway has taken it, everybody is the
champion's, and nothing that would split them is in force.
"""

from collections.abc import Collection, Mapping

from pydantic import ValidationError

from kanarya_contracts.rollout import GatewayRef, ModelRollout
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.ports.api import Document, KubernetesApi, collection
from kanarya_rollout.ports.grpc_port import grpc_port
from kanarya_rollout.ports.httproute import GATEWAY_API, Route, desired, name_of
from kanarya_rollout.ports.inferenceservice import KSERVE_API, LABEL_SERVICE
from kanarya_rollout.ports.sticky_policy import StickyPolicy
from kanarya_rollout.ports.verdict import LAG
from kanarya_rollout.sticky import Sticky


class GatewayTraffic:
    """One model's split."""

    lag = LAG

    def __init__(self, api: KubernetesApi, rollout: ModelRollout) -> None:
        self._api = api
        self._rollout = rollout
        space, target = rollout.metadata.namespace, rollout.spec.target_ref.name
        self._path = f"{collection(GATEWAY_API, space, 'httproutes')}/{name_of(rollout)}"
        self._target = f"{collection(KSERVE_API, space, 'inferenceservices')}/{target}"
        self._deployments = collection("apps/v1", space, "deployments")
        self._target_uid: str | None = None
        self._confirmed: tuple[dict[str, int], Copies | None] = {}, None
        self._foreign = False
        self._asked: tuple[dict[str, object], int] | None = None
        self._generation = 0
        self._policy = StickyPolicy(api, rollout)
        self._seen: Route | None = None

    def in_force(self) -> Mapping[str, int] | None:
        """As the port says. {} too while a controller that has begun anew waits for the gateway's word.

        Raises Unreachable where the gateway refuses the route, with its reason.
        """
        self._check()
        found = self._api.get(self._path)
        if found is None:
            self._confirmed, self._foreign, self._asked, self._target_uid = ({}, None), False, None, None
            return {}
        route = self._seen = _parsed(self._path, found)
        self._foreign, self._generation = not route.ours, route.metadata.generation
        if self._foreign:
            return None
        told_apart = self._policy.check(self._gateway) if route.knows_users else False
        return self._settled(route) if told_apart or not route.splits_users else {}

    def copies(self) -> Copies | None:
        """As the port says."""
        return self._confirmed[1]

    def route(self, weights: Mapping[str, int], copies: Copies | None = None, sticky: Sticky | None = None) -> None:
        """As the port says. Raises Conflict if someone else wrote the route since `in_force` last looked, Unreachable while
        users are to be split and the gateway cannot tell them apart yet: challengers then get nobody."""
        self._check()
        split = sticky if sticky is not None and sticky.splits(weights) else None
        splitting = self._seen is not None and self._seen.splits_users
        waits = split is not None and not self._policy.is_ready(split, self._gateway, splitting=splitting)
        given = _withheld(weights, split) if waits else weights
        document = desired(self._rollout, given, copies, sticky, service_uid=self._uid(), grpc_port=self._grpc_port(weights))
        if self._foreign or self._asked != (document, self._generation):
            self._seen = route = _parsed(self._path, self._api.apply(self._path, document, force=self._foreign))
            self._foreign, self._generation = False, route.metadata.generation
            self._asked = (document, self._generation)
        self._tell_apart(sticky)
        if waits:
            raise Unreachable(f"the gateway has not yet taken the policy that tells users apart by {self._path}")

    def _tell_apart(self, sticky: Sticky | None) -> None:
        if sticky is None:
            self._policy.let_go()
        else:
            known = self._seen is not None and self._seen.verdict(self._gateway).state == "in force"
            self._policy.place(sticky, self._gateway, service_uid=self._uid(), rule_is_known=known)

    def _grpc_port(self, versions: Collection[str]) -> int | None:
        """Where the Deployments cannot be read, what the route has now: a rollback does not wait for them."""
        service = self._rollout.spec.target_ref.name
        before = self._seen.grpc_port if self._seen is not None else None
        try:
            deployments = self._api.items(self._deployments, labelSelector=f"{LABEL_SERVICE}={service}")
            return grpc_port(deployments, service, versions, before=before)
        except Unreachable:
            return before

    @property
    def _gateway(self) -> GatewayRef:
        gateway = self._rollout.spec.traffic.gateway_ref
        assert gateway is not None  # noqa: S101 (`_check`)
        return gateway

    def _settled(self, route: Route) -> Mapping[str, int]:
        gateway = self._gateway
        verdict = route.verdict(gateway)
        if verdict.state == "refused":
            raise Unreachable(f"Gateway {gateway.namespace}/{gateway.name} refuses {self._path}: {verdict.message}")
        if verdict.state == "in force":
            self._confirmed = route.weights, route.copies
        return dict(self._confirmed[0])

    def _uid(self) -> str:
        """The InferenceService's. Asked again when the route has gone, which it does with its owner."""
        if self._target_uid is None:
            found = self._api.get(self._target)
            if found is None:
                raise Unreachable(f"there is no {self._target}, so there is nothing to route to")
            self._target_uid = str(found["metadata"]["uid"])
        return self._target_uid

    def _check(self) -> None:
        if self._rollout.spec.traffic.gateway_ref is None:
            raise Unsupported("spec.traffic.gatewayRef is missing; name the Gateway that carries the traffic")


def _withheld(weights: Mapping[str, int], sticky: Sticky | None) -> Mapping[str, int]:
    """With every challenger's share given to the champion."""
    told_apart = sticky.occupied(weights) if sticky is not None else {}
    others = [version for version, weight in weights.items() if weight and version not in told_apart]
    return {version: 100 if version in others[:1] else 0 for version in weights}


def _parsed(path: str, document: Document) -> Route:
    try:
        return Route.model_validate(document)
    except ValidationError as error:
        raise Unreachable(f"{path} is not an HTTPRoute that can be read: {error}") from None
