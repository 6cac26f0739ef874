"""One door to the Kubernetes API server, for JSON in and JSON out. Called by the adapters `kubernetes`, `kserve`, `gateway`,
`events` and by the lease.

Owns timeouts, credentials (the official client's: a pod's service account, or a kubeconfig) and the translation of what goes
wrong: 404 is None, 409 is Conflict, everything else that is no answer is Unreachable with what was said. The generated
classes of the client are left out on purpose: objects pass through unread but for the fields an adapter names.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse
from kubernetes.config import ConfigException

from kanarya_contracts.names import FIELD_MANAGER
from kanarya_contracts.problems import KanaryaError
from kanarya_rollout.ports import Conflict, Unreachable

TIMEOUT_SECONDS = 5.0
"""For one call, in all. A pass waits for a handful of them, and leadership outlives the slowest (see `lease`)."""

SILENCE_SECONDS = 90.0
"""After which a watch that says nothing is taken for broken. The API server says something every minute."""

Document = dict[str, Any]
"""A Kubernetes object as JSON. Adapters read fields of it through models of their own."""


class Refused(Unreachable):
    """The API server answered, and not with what was asked for."""

    def __init__(self, message: str, *, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        """HTTP's: 401, 403, 404 for a kind that it does not know, …"""
        self.said = said
        """Its own words."""


_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


class KubernetesApi:
    """Calls to one API server. Safe to use from several threads."""

    def __init__(self, client: ApiClient, may_write: Callable[[], bool] = lambda: True) -> None:
        self._client = client
        self._may_write = may_write
        self._address = str(client.configuration.host)

    @classmethod
    def connected(cls, kubeconfig: str | None = None, *, context: str | None = None) -> "KubernetesApi":
        """With a context of a kubeconfig, the current one if nothing is said, or as the pod that this is.

        Raises KanaryaError where neither gives an address.
        """
        configuration = Configuration()
        # A kept connection may have been closed meanwhile. A write is never sent twice: it must end before a lease does.
        configuration.retries = urllib3.Retry(1, redirect=False, allowed_methods={"GET"})
        try:
            if kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=kubeconfig, context=context, client_configuration=configuration
                )
        except (ConfigException, OSError) as error:
            where = "this is no pod" if kubeconfig is None else f"kubeconfig {kubeconfig}"
            why = str(error).strip().rstrip(".")
            raise KanaryaError(
                f"no Kubernetes API server to talk to: {where}: {why}; run in a pod, or name a kubeconfig that leads to one"
            ) from None
        return cls(ApiClient(configuration))

    def fenced(self, may_write: Callable[[], bool]) -> "KubernetesApi":
        """The same server; writes are Unreachable unless `may_write` says yes when they begin."""
        return KubernetesApi(self._client, may_write)

    def get(self, path: str, **query: str) -> Document | None:
        """An object, or a list as the API server wraps it; None if there is none."""
        return self._call("GET", path, query=query, absent=True)

    def items(self, path: str, **query: str) -> list[Document]:
        """The objects of a list. Raises Unreachable where the server does not know the kind."""
        found = self.get(path, **query)
        if found is None:
            wanted = f"no {path}; install its CustomResourceDefinition"
            raise Refused(f"the API server at {self._address} has {wanted}", status=404, said=wanted)
        return list(found["items"])

    def create(self, path: str, body: Mapping[str, object]) -> Document:
        """POST to a collection. Raises Conflict if the name is taken."""
        return cast("Document", self._call("POST", path, body, query={"fieldManager": FIELD_MANAGER}))

    def replace(self, path: str, body: Mapping[str, object]) -> Document:
        """PUT. Raises Conflict if the body's resourceVersion is not the present one, or the object is gone."""
        found = self._call("PUT", path, body, query={"fieldManager": FIELD_MANAGER}, absent=True)
        if found is None:
            raise Conflict(f"{path} is not there any more")
        return found

    def merge(self, path: str, body: Mapping[str, object]) -> Document | None:
        """PATCH by merging; None if there is no such object."""
        return self._call("PATCH", path, body, query={"fieldManager": FIELD_MANAGER}, kind=_MERGE, absent=True)

    def apply(self, path: str, body: Mapping[str, object], *, force: bool) -> Document:
        """Server-side apply as our field manager. Without `force`, Conflict where someone else owns a field and differs."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return cast("Document", self._call("PATCH", path, body, query=query, kind=_APPLY))

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        self._call("DELETE", path, query={}, absent=True)

    def watch(self, path: str, version: str, seconds: int, **query: str) -> Iterator[Document]:
        """What happens to a collection after a version, as `{"type", "object"}`, for so many seconds. Raises Unreachable."""
        wanted = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds), "allowWatchBookmarks": "true"}
        response = self._send("GET", path, query={**query, **wanted}, timeout=(TIMEOUT_SECONDS, SILENCE_SECONDS))
        if response.status != 200:
            self._answer(f"GET {path}", int(response.status), self._read(response))
        rest = b""
        try:
            for chunk in response.response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (cast("Document", json.loads(line)) for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unreachable(f"the API server at {self._address} broke the watch off: {_said(error)}") from None
        finally:
            response.response.close()

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str],
        kind: str = "application/json",
        absent: bool = False,
    ) -> Document | None:
        if method != "GET" and not self._may_write():
            raise Unreachable(f"{method} {path} was not sent: this controller does not lead any more")
        response = self._send(method, path, body, query=query, kind=kind)
        content = self._read(response)
        return None if response.status == 404 and absent else self._answer(f"{method} {path}", int(response.status), content)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str],
        kind: str = "application/json",
        timeout: float | tuple[float, float] = TIMEOUT_SECONDS,
    ) -> RESTResponse:
        """The response, its body unread."""
        headers = {"Accept": "application/json", **({"Content-Type": kind} if body is not None else {})}
        try:
            request = self._client.param_serialize(
                method, path, query_params=list(query.items()), header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            return self._client.call_api(*request, _request_timeout=timeout)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"the API server at {self._address} does not answer: {_said(error)}") from None

    def _read(self, response: RESTResponse) -> bytes:
        try:
            return cast("bytes", response.read())  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"the API server at {self._address} does not answer: {_said(error)}") from None

    def _answer(self, what: str, status: int, content: bytes) -> Document:
        try:
            document = json.loads(content)
        except ValueError:
            document = {"message": content[:200].decode(errors="replace")}
        if 200 <= status < 300:
            return cast("Document", document)
        said = str(document.get("message", "") if isinstance(document, dict) else document)
        if status == 409:
            raise Conflict(f"{what}: {status}: {said}")
        raise Refused(f"the API server at {self._address} refused {what}: {status}: {said}", status=status, said=said)


def collection(group: str, namespace: str | None, plural: str) -> str:
    """`/apis/group/version/namespaces/ns/plural`; without a namespace, all of them. Group "v1" is the core's."""
    root = f"/api/{group}" if group == "v1" else f"/apis/{group}"
    return f"{root}/{plural}" if namespace is None else f"{root}/namespaces/{quote(namespace, safe='')}/{plural}"


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__
