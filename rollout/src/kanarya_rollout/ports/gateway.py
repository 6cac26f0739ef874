"""The split as an HTTPRoute of ours. Adapter of the `traffic` port, one for each rollout with `driver: gateway`.

Owns the one HTTPRoute of its rollout, by server-side apply. What is in force is what the gateway's controller says about the
present generation in the route's status; until it says so, what it said before. A route that someone else has written is
left alone until `route` is asked for again after `in_force` has said so: `decide` asks then only for a person, or to take
the candidate out. Refuses a rollout without `gatewayRef`.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.ports.api import Document, KubernetesApi, collection
from kanarya_rollout.ports.httproute import GATEWAY_API, Route, desired, name_of
from kanarya_rollout.ports.inferenceservice import KSERVE_API


class GatewayTraffic:
    """One model's split."""

    def __init__(self, api: KubernetesApi, rollout: ModelRollout) -> None:
        self._api = api
        self._rollout = rollout
        space, target = rollout.metadata.namespace, rollout.spec.target_ref.name
        self._path = f"{collection(GATEWAY_API, space, 'httproutes')}/{name_of(rollout)}"
        self._target = f"{collection(KSERVE_API, space, 'inferenceservices')}/{target}"
        self._target_uid: str | None = None
        self._confirmed: tuple[dict[str, int], Copies | None] = {}, None
        self._foreign = False
        self._asked: tuple[dict[str, object], int] | None = None
        self._generation = 0

    def in_force(self) -> Mapping[str, int] | None:
        """As the port says. {} too while a controller that has begun anew waits for the gateway's word.

        Raises Unreachable where the gateway refuses the route, with its reason.
        """
        self._check()
        found = self._api.get(self._path)
        if found is None:
            self._confirmed, self._foreign, self._asked, self._target_uid = ({}, None), False, None, None
            return {}
        route = _parsed(self._path, found)
        self._foreign, self._generation = not route.ours, route.metadata.generation
        if self._foreign:
            return None
        return self._settled(route)

    def copies(self) -> Copies | None:
        """As the port says."""
        return self._confirmed[1]

    def route(self, weights: Mapping[str, int], copies: Copies | None = None) -> None:
        """As the port says. Raises Conflict if someone else wrote the route since `in_force` last looked."""
        self._check()
        document = desired(self._rollout, weights, copies, service_uid=self._uid())
        if not self._foreign and self._asked == (document, self._generation):
            return
        route = _parsed(self._path, self._api.apply(self._path, document, force=self._foreign))
        self._foreign, self._generation = False, route.metadata.generation
        self._asked = (document, self._generation)

    def _settled(self, route: Route) -> Mapping[str, int]:
        gateway = self._rollout.spec.traffic.gateway_ref
        assert gateway is not None  # noqa: S101 (`_check`)
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


def _parsed(path: str, document: Document) -> Route:
    try:
        return Route.model_validate(document)
    except ValidationError as error:
        raise Unreachable(f"{path} is not an HTTPRoute that can be read: {error}") from None
