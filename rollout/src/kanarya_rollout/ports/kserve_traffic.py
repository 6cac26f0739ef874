"""The split as KServe's own weights. Adapter of the `traffic` port for `driver: kserve`, which needs KServe 0.21 or later.

Asks by `spec.canary[].trafficPercent`, which `kserve` leaves as it is; the stable version has what the canaries leave. What
is in force stands in the HTTPRoute that KServe writes under the InferenceService's name, once its gateway has accepted that
generation: KServe leaves out a canary that is not ready, and an older one writes no weights at all. Percents that someone
else has written are left alone until `route` is asked for again after `in_force` has said so.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable, Unsupported
from kanarya_rollout.ports.api import Document, KubernetesApi, collection
from kanarya_rollout.ports.httproute import GATEWAY_API, Route
from kanarya_rollout.ports.inferenceservice import KSERVE_API, owned, percents, weighted
from kanarya_rollout.ports.verdict import LAG
from kanarya_rollout.sticky import Sticky


class KServeTraffic:
    """One model's split."""

    lag = LAG

    def __init__(self, api: KubernetesApi, rollout: ModelRollout) -> None:
        space, target = rollout.metadata.namespace, rollout.spec.target_ref.name
        self._api = api
        self._service = f"{collection(KSERVE_API, space, 'inferenceservices')}/{target}"
        self._route = f"{collection(GATEWAY_API, space, 'httproutes')}/{target}"
        self._confirmed: dict[str, int] = {}
        self._asked: dict[str, int] | None = None

    def in_force(self) -> Mapping[str, int] | None:
        """As the port says. Raises Unreachable where the gateway refuses KServe's route, with its reason."""
        service = self._read_service()
        if self._foreign(service):
            self._asked = None
            return None
        found = self._api.get(self._route)
        if found is None:
            return {}
        try:
            route = Route.model_validate(found)
        except ValidationError as error:
            raise Unreachable(f"{self._route} is not an HTTPRoute that can be read: {error}") from None
        verdict = route.verdict(None)
        if verdict.state == "refused":
            raise Unreachable(f"the gateway refuses {self._route}: {verdict.message}")
        if verdict.state == "in force":
            self._confirmed = route.weights
        return dict(self._confirmed)

    def copies(self) -> Copies | None:
        """None: KServe copies no requests, and a spec that asks for it is refused."""
        return None

    def route(self, weights: Mapping[str, int], copies: Copies | None = None, sticky: Sticky | None = None) -> None:
        """As the port says. Raises Unsupported for copies and for users, and Unreachable while KServe does not run a version
        that is to get requests."""
        if copies is not None:
            raise Unsupported("KServe copies no requests; take traffic.driver gateway")
        if sticky is not None:
            raise Unsupported("KServe splits requests and knows no users; take traffic.driver gateway")
        service = self._read_service()
        there = percents(service)
        lost = [version for version, weight in weights.items() if weight and version not in there]
        if lost:
            raise Unreachable(f"{self._service} does not run version {', '.join(lost)} yet; it cannot be given requests")
        wanted = {version: weights.get(version, 0) for version in there}
        if wanted != there:
            service = self._api.replace(self._service, weighted(service, weights))
        self._asked = percents(service)

    def _foreign(self, service: Document) -> bool:
        """Whether the percents are others than we asked for, and the last who wrote was not us."""
        now = percents(service)
        return self._asked is not None and _given(now) != _given(self._asked) and not owned(service)

    def _read_service(self) -> Document:
        found = self._api.get(self._service)
        if found is None:
            raise Unreachable(f"there is no {self._service}; apply it")
        return found


def _given(weights: Mapping[str, int]) -> dict[str, int]:
    return {version: weight for version, weight in weights.items() if weight}
