"""Where a rollout's versions answer gRPC, as KServe has it: Deployments → the port of their Services. Pure; used by `gateway`.

KServe makes a version's Deployment and Service of one pod template: the container's first port is the Service's 80, and every
other one is there under its own number, as `kubernetes.io/h2c` if its name says gRPC (0.20: `createDefaultSvc` in
service_reconciler.go), which is how a gateway knows that it speaks HTTP/2. Deployments are read and not Services, because they
are watched anyway, and a Service says nothing more.

One port for all versions, since they share a runtime. While KServe changes them one after the other they disagree, and then
there is none: gRPC is split as REST is, or not at all.
"""

from collections.abc import Collection, Iterable

from pydantic import ValidationError

from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.api import Document
from kanarya_rollout.ports.inferenceservice import version_of_service
from kanarya_rollout.ports.seen import Seen

_NAMES = ("grpc", "h2c")
"""One of them in a port's name says gRPC to KServe."""


class _Port(Seen):
    name: str = ""
    container_port: int


class _Container(Seen):
    ports: tuple[_Port, ...] = ()


class _PodSpec(Seen):
    containers: tuple[_Container, ...]


class _Template(Seen):
    spec: _PodSpec


class _Spec(Seen):
    template: _Template


class _Metadata(Seen):
    name: str


class _Deployment(Seen):
    metadata: _Metadata
    spec: _Spec

    @property
    def grpc_port(self) -> int | None:
        """Of its Service. Not the first port: that is the Service's 80, which is REST's."""
        ports = (port for container in self.spec.template.spec.containers[:1] for port in container.ports[1:])
        return next((port.container_port for port in ports if any(name in port.name for name in _NAMES)), None)


def grpc_port(deployments: Iterable[Document], service: str, versions: Collection[str], *, before: int | None) -> int | None:
    """What the Services of these versions have for gRPC; None for nothing. `before`: the answer while none of them is there.

    `deployments`: the InferenceService's. A version without one says nothing; KServe is about to make it. Raises Unreachable
    for what is no Deployment.
    """
    try:
        read = [_Deployment.model_validate(one) for one in deployments]
    except ValidationError as error:
        raise Unreachable(f"a Deployment cannot be read: {error}") from None
    ports = {one.grpc_port for one in read if version_of_service(service, one.metadata.name) in versions}
    return before if not ports else ports.pop() if len(ports) == 1 else None
