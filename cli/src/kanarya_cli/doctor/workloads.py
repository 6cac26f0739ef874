"""Deployments as the checks want them, and the addresses that their settings name. Pure. Used by `reading` and the checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kanarya_contracts.problems import InvalidInput
from kanarya_rollout.ports.api import Document
from kanarya_rollout.settings import Settings, settings


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment, and its first container."""

    namespace: str
    name: str
    wanted: int
    """Replicas."""
    available: int
    """And how many of them there are."""
    account: str
    """Its service account."""
    image: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(hash=False)
    """What stands in the Deployment itself; what comes from a Secret is left out."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def workload(document: Document) -> Workload:
    """A Deployment as the API server wrote it."""
    spec, pod = document["spec"], document["spec"]["template"]["spec"]
    container = next((one for one in pod["containers"] if one["name"] == "manager"), pod["containers"][0])  # KServe has two
    return Workload(
        namespace=document["metadata"]["namespace"],
        name=document["metadata"]["name"],
        wanted=spec.get("replicas", 1),
        available=document.get("status", {}).get("availableReplicas", 0),
        account=pod.get("serviceAccountName", "default"),
        image=container["image"],
        arguments=tuple(container.get("args") or ()),
        environment={one["name"]: one["value"] for one in container.get("env") or () if "value" in one},
    )


def told(controller: Workload) -> Settings | str:
    """The settings that a controller reads from its environment, or why it does not take them."""
    try:
        return settings({**controller.environment, "POD_NAMESPACE": controller.namespace})
    except InvalidInput as error:
        return "; ".join(map(str, error.problems))


@dataclass(frozen=True, kw_only=True)
class Address:
    """A port of a Service."""

    scheme: str
    service: str
    namespace: str
    port: int
    certain: bool
    """Whether it cannot be a host outside of the cluster."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"

    @property
    def path(self) -> str:
        """The Service itself, in the API server."""
        return f"/api/v1/namespaces/{self.namespace}/services/{self.service}"

    @property
    def proxy(self) -> str:
        """Where the API server passes requests on to it. Kubernetes API, `ServiceProxyOptions`."""
        name = f"{self.service}:{self.port}"
        return f"/api/v1/namespaces/{self.namespace}/services/{f'https:{name}' if self.scheme == 'https' else name}/proxy"


def address(url: str, namespace: str) -> Address | None:
    """The Service that a pod in `namespace` reaches by this URL; None if it is a host outside of the cluster."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").removesuffix(".").removesuffix(".cluster.local").split(".")
    if labels[0].isdigit() or len(labels) > 3 or (len(labels) == 3 and labels[2] != "svc"):
        return None
    return Address(
        scheme=parts.scheme,
        service=labels[0],
        namespace=labels[1] if len(labels) > 1 else namespace,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        certain=len(labels) != 2,
    )
