"""Versions as predictors of one InferenceService. Adapter of the `serving` port, one for each rollout.

Owns the fields that `inferenceservice` lists and no other. They are written by replacing the object under the version that
was read: KServe's smaller CRD keeps the whole spec as one field, which server-side apply could not share with the person who
wrote the rest. Fields of ours that someone else has written are left alone, and `backends` says so until they are as they were.

Refuses, with every reason at once, what cannot work: Knative mode, a transformer in front, a KServe that is too old or does
not route (see `installation`).
"""

from collections.abc import Callable, Collection, Mapping

from pydantic import ValidationError

from kanarya_contracts.rollout import ModelRollout, VersionRef
from kanarya_rollout.ports import Conflict, Unreachable, Unsupported
from kanarya_rollout.ports.api import Document, KubernetesApi, collection
from kanarya_rollout.ports.example import Examples
from kanarya_rollout.ports.inferenceservice import (
    CANARIES_SINCE,
    KSERVE_API,
    LABEL_SERVICE,
    Placed,
    covers,
    desired,
    owned,
    percents,
    placed,
    present,
    problems,
    registered,
    service_name,
)
from kanarya_rollout.ports.installation import KServe
from kanarya_rollout.ports.pods import Deployment, Pod, backend
from kanarya_rollout.ports.serving import Backend


def in_cluster(namespace: str, service: str) -> str:
    """A Service's address, as pods know it."""
    return f"http://{service}.{namespace}.svc"


class KServeServing:
    """The predictors of one InferenceService."""

    def __init__(
        self,
        api: KubernetesApi,
        rollout: ModelRollout,
        *,
        examples: Examples,
        kserve: KServe,
        artifacts_root: str | None,
        address: Callable[[str, str], str] = in_cluster,
    ) -> None:
        """`kserve`: the cluster's. `artifacts_root`: see `inferenceservice.placed`."""
        self._api = api
        self._space = rollout.metadata.namespace
        self._name = rollout.spec.target_ref.name
        self._path = f"{collection(KSERVE_API, self._space, 'inferenceservices')}/{self._name}"
        self._examples = examples
        self._root = artifacts_root
        self._kserve = kserve
        self._driver = rollout.spec.traffic.driver
        self._address = address
        self._answers: dict[Placed, tuple[str, ...]] = {}
        self._written: tuple[Placed, ...] | None = None
        self._wrong: Unreachable | None = None

    def backends(self) -> Mapping[str, Backend]:
        """As the port says. Raises Unsupported for an InferenceService that a rollout cannot work with."""
        service = self._service()
        if self._wrong is not None:
            raise type(self._wrong)(str(self._wrong))  # a new one: an old one would carry its first traceback along
        selector = f"{LABEL_SERVICE}={self._name}"
        deployments = {
            one.metadata.name: one
            for one in map(
                _deployment, self._api.items(f"/apis/apps/v1/namespaces/{self._space}/deployments", labelSelector=selector)
            )
        }
        pods = [_pod(one) for one in self._api.items(f"/api/v1/namespaces/{self._space}/pods", labelSelector=selector)]
        found = {}
        for place in present(service):
            name = service_name(self._name, place.version)
            own = [pod for pod in pods if pod.metadata.labels.get("app") == f"isvc.{name}"]
            found[place.version] = self._asked(place, backend(place.version, deployments.get(name), own))
        return found

    def ensure(self, stable: VersionRef | None, others: Collection[VersionRef] = ()) -> None:
        """As the port says. Raises Conflict where someone else has written our fields."""
        if stable is None:
            return
        service = self._service()
        try:
            first, *rest = (placed(ref, self._root) for ref in (stable, *others))
        except ValueError as error:
            self._wrong = Unreachable(f"InferenceService {self._space}/{self._name}: {error}")
            raise self._wrong from None
        foreign = self._foreign(service, (first, *rest))
        self._wrong = Unreachable(foreign) if foreign is not None else None
        if foreign is not None:
            raise Conflict(foreign)
        wanted = desired(service, first, rest, percents(service) if self._driver == "kserve" else None)
        if not covers(service["spec"], wanted["spec"]) or len(present(service)) != 1 + len(rest):
            service = self._api.replace(self._path, wanted)
            self._heed_answer(service, 1 + len(rest))
        self._written = (first, *rest)

    def _service(self) -> Document:
        found = self._api.get(self._path)
        if found is None:
            raise Unreachable(f"there is no InferenceService {self._space}/{self._name}; apply it")
        wrong = problems(found, kserve=self._kserve.installation(), driver=self._driver)
        if wrong:
            raise Unsupported(f"InferenceService {self._space}/{self._name}: {'; '.join(wrong)}")
        return found

    def _foreign(self, service: Document, wanted: tuple[Placed, ...]) -> str | None:
        """Why our fields are not ours any more; None while they are, or say what they should."""
        now = present(service)
        if not now or now in (wanted, self._written) or owned(service):
            return None
        told, got = (", ".join(f"v{one.version} at {one.storage_uri}" for one in places) for places in (wanted, now))
        return (
            f"someone else wrote the predictors of InferenceService {self._space}/{self._name}: they are {got}; "
            f"set them to {told}, or take predictor.name, storageUri and canary out, and the rollout goes on"
        )

    def _heed_answer(self, service: Document, count: int) -> None:
        """A KServe that does not know the field drops it without a word."""
        if len(present(service)) != count:
            self._wrong = Unsupported(
                f"this cluster's KServe drops spec.canary of {self._path}; KServe {CANARIES_SINCE} or later is needed"
            )
            raise self._wrong

    def _asked(self, place: Placed, seen: Backend) -> Backend:
        """With the answers to the example, asked once for as long as the backend stays Ready."""
        if seen.state != "Ready":
            self._answers.pop(place, None)
            return seen
        if place not in self._answers:
            address = self._address(self._space, service_name(self._name, place.version))
            try:
                self._answers[place] = self._examples.problems(address, self._name, registered(place, self._root))
            except Unreachable as error:
                return Backend(version=place.version, state="Ready", message=str(error))
        return Backend(version=place.version, state="Ready", example_problems=self._answers[place])


def _pod(document: Document) -> Pod:
    try:
        return Pod.model_validate(document)
    except ValidationError as error:
        raise Unreachable(f"a pod cannot be read: {error}") from None


def _deployment(document: Document) -> Deployment:
    try:
        return Deployment.model_validate(document)
    except ValidationError as error:
        raise Unreachable(f"a Deployment cannot be read: {error}") from None
