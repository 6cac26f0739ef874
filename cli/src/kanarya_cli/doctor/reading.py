"""Reads of a cluster what the checks look at. Called by `commands.doctor`.

Three turns, each asked at once: the version, by which one learns that nobody answers; what is there; what that names. To be
refused is an answer, too. Reviews of rights are posted; an API server answers them and keeps nothing.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import httpx

from kanarya_cli.cluster import Cluster
from kanarya_cli.doctor import controller, gateways, kinds, kserve, platform
from kanarya_cli.doctor.seen import Answer, Listing, Right, Seen
from kanarya_cli.doctor.workloads import Address
from kanarya_contracts.names import APP_CONTROLLER, APP_REGISTRY, LABEL_APP
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.lease import COORDINATION
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.api import Document, KubernetesApi, Refused, collection
from kanarya_rollout.ports.httproute import GATEWAY_API
from kanarya_rollout.ports.inferenceservice import KSERVE_API
from kanarya_rollout.ports.kubernetes import KubernetesStore
from kanarya_rollout.ports.prometheus import Prometheus, Samples

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE = 24
"""Questions under way."""

_APPS = "apps/v1"
_REVIEWS = "authorization.k8s.io/v1"


def look(cluster: Cluster, *, namespace: str | None) -> Seen:
    """What is there. `namespace`: whose rollouts are looked at; where it is None all of them, if one may.

    Raises Unreachable if the API server does not answer at all.
    """
    version = cluster.api.get("/version")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reader = _Reader(cluster, namespace, pool)
        return reader.named(reader.there(version or {}))


class _Reader:
    """One look at one cluster."""

    def __init__(self, cluster: Cluster, namespace: str | None, pool: ThreadPoolExecutor) -> None:
        self._api = cluster.api
        self._home = cluster.namespace
        self._namespace = namespace
        self._pool = pool

    def there(self, version: Document) -> Seen:
        """What does not depend on anything else."""
        of_kinds = self._each(kinds.GROUPS, lambda group: self._get(f"/openapi/v3/apis/{group}"))
        selectors = (f"{LABEL_APP}={APP_CONTROLLER}", f"{LABEL_APP}={APP_REGISTRY}", kserve.SELECTOR)
        deployments = self._each(selectors, self._deployments)
        rollouts, denied = self._rollouts()
        controllers, registries, managers = deployments().values()
        return Seen(
            now=datetime.now(UTC),
            namespace=self._home,
            version=version,
            kinds=of_kinds(),
            rollouts=rollouts,
            rollouts_denied=denied,
            controllers=controllers,
            registries=registries,
            kserve=managers,
        )

    def named(self, seen: Seen) -> Seen:
        """And what that names."""
        spaces = seen.spaces
        accounts = {f"{one.namespace}/{one.account}": controller.rights(spaces) for one in seen.workloads}
        reviews = self._each([(name, right) for name, rights in accounts.items() for right in rights], self._may)
        mine = self._each([(None, right) for right in controller.rights_of_a_person(spaces)], self._may)
        wanted = {(f"{one.metadata.namespace}/{one.spec.target_ref.name}") for one in seen.readable}
        targets = self._each(sorted(wanted), lambda name: self._object(KSERVE_API, "inferenceservices", name))
        doors = self._each(gateways.named(seen.readable), lambda name: self._object(GATEWAY_API, "gateways", name))
        names = [name for one in seen.workloads if (name := controller.lease_of(one)) is not None]
        leases = self._each(names, lambda name: self._object(COORDINATION, "leases", name))
        pages = self._each(platform.pages(seen), lambda page: self._get(f"{page[0].proxy}{page[1]}"))
        services = self._each({at for at, _ in platform.pages(seen)}, lambda at: self._get(at.path))
        scraped = self._each(platform.prometheis(seen), self._scraped)
        config = self._get(f"/api/v1/namespaces/{kserve.namespace(seen.kserve)}/configmaps/{kserve.CONFIG}")
        granted = reviews()
        return replace(
            seen,
            kserve_settings=config,
            targets=targets(),
            gateways=doors(),
            leases=leases(),
            person={right: has for (_, right), has in mine().items()},
            accounts={name: {right: granted[name, right] for right in rights} for name, rights in accounts.items()},
            services=services(),
            pages=pages(),
            scraped=scraped(),
        )

    def _each(self, keys: Iterable[K], ask: Callable[[K], V]) -> Callable[[], dict[K, V]]:
        """Ask about each, now and at once; the answers when they are called for."""
        asked = {key: self._pool.submit(ask, key) for key in keys}
        return lambda: {key: answer.result() for key, answer in asked.items()}

    def _get(self, path: str, **query: str) -> Answer:
        try:
            return Answer(document=self._api.get(path, **query))
        except Refused as error:
            return Answer(denied=error.said) if error.status in {401, 403} else Answer(failed=f"{error.status}: {error.said}")
        except Unreachable as error:
            return Answer(failed=str(error))

    def _object(self, group: str, plural: str, name: str) -> Answer:
        space, _, short = name.partition("/")
        return self._get(f"{collection(group, space, plural)}/{short}")

    def _deployments(self, selector: str) -> Listing:
        """Of every namespace, or of those that are likely where one may not look into all."""
        everywhere = self._get(collection(_APPS, None, "deployments"), labelSelector=selector)
        if not everywhere.denied:
            return Listing(items=_items(everywhere), denied=everywhere.failed)
        spaces = {self._home, self._namespace or self._home, *([kserve.NAMESPACE] if selector == kserve.SELECTOR else [])}
        found = [self._get(collection(_APPS, space, "deployments"), labelSelector=selector) for space in sorted(spaces)]
        return Listing(items=tuple(one for answer in found for one in _items(answer)), denied=everywhere.denied)

    def _rollouts(self) -> tuple[dict[str, ModelRollout | str], str]:
        """Those that may be seen, and why there may be more."""
        denied = ""
        for spaces in ([self._namespace] if self._namespace else []), [self._home]:
            try:
                return _parsed(KubernetesStore(self._api, spaces)), denied
            except Refused as error:
                if error.status == 404:  # no such kind: `kinds` says so
                    return {}, ""
                denied = error.said
            except Unreachable as error:
                denied = str(error)
        return {}, denied

    def _may(self, question: tuple[str | None, Right]) -> bool | None:
        """Whether a service account, or who asks, has a right; None where nobody says."""
        account, right = question
        resource, _, subresource = right.resource.partition("/")
        wanted = {"namespace": right.namespace, "group": right.group, "resource": resource, "verb": right.verb}
        spec: Document = {"resourceAttributes": {**wanted, **({"subresource": subresource} if subresource else {})}}
        if account is None:
            return self._review("selfsubjectaccessreviews", "SelfSubjectAccessReview", spec, None)
        space, _, name = account.partition("/")
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated"]
        spec |= {"user": f"system:serviceaccount:{space}:{name}", "groups": groups}
        said = self._review("subjectaccessreviews", "SubjectAccessReview", spec, None)
        if said is None:  # a right of the whole cluster; the same for one namespace is another
            said = self._review("localsubjectaccessreviews", "LocalSubjectAccessReview", spec, right.namespace)
        return said

    def _review(self, plural: str, kind: str, spec: Document, namespace: str | None) -> bool | None:
        metadata = {} if namespace is None else {"metadata": {"namespace": namespace}}
        body = {"apiVersion": _REVIEWS, "kind": kind, **metadata, "spec": spec}
        try:
            return bool(self._api.create(collection(_REVIEWS, namespace, plural), body)["status"]["allowed"])
        except KanaryaError:
            return None

    def _scraped(self, at: Address) -> Samples | str:
        """What the controller would be told, asked by its own adapter."""
        prometheus = Prometheus(f"http://{at.service}", max_age=0.0, transport=_Proxied(self._api, at))
        try:
            return prometheus.samples()
        except Unreachable as error:
            return str(error)
        finally:
            prometheus.close()


class _Proxied(httpx.BaseTransport):
    """Requests to a Service, by way of the API server."""

    def __init__(self, api: KubernetesApi, at: Address) -> None:
        self._api = api
        self._at = at

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx says."""
        try:
            found = self._api.get(f"{self._at.proxy}{request.url.path}", **dict(request.url.params))
        except Refused as error:
            return httpx.Response(error.status, text=error.said)
        except Unreachable as error:
            raise httpx.ConnectError(str(error)) from None
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)


def _items(answer: Answer) -> tuple[Document, ...]:
    return tuple((answer.document or {}).get("items", ()))


def _parsed(store: KubernetesStore) -> dict[str, ModelRollout | str]:
    found: dict[str, ModelRollout | str] = {}
    for name in store.names():
        try:
            one = store.get(name)
        except KanaryaError as error:
            found[name] = " ".join(str(error).split())
        else:
            if one is not None:
                found[name] = one[0]
    return found
