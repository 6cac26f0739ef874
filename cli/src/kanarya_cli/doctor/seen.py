"""What was read of a cluster, as data. Made by `reading`, looked at by the checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from kanarya_cli.doctor.workloads import Address, Workload, told, workload
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.ports.api import Document
from kanarya_rollout.ports.prometheus import Samples
from kanarya_rollout.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was said to one question. Neither document nor words: there is no such thing."""

    document: Document | None = None
    denied: str = ""
    """Why we may not know."""
    failed: str = ""
    """Why who was asked did not answer as it should."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The objects of a kind, as far as one may see them."""

    items: tuple[Document, ...] = ()
    denied: str = ""
    """Why there may be more than these."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """To do something to a kind of object in a namespace."""

    namespace: str
    group: str
    """Empty for the core's."""
    resource: str
    """With its subresource: `modelrollouts/status`."""
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{self.group and '.'}{self.group}"


Granted = Mapping[Right, bool | None]
"""Whether each is there; None where nobody would say."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A cluster."""

    now: datetime
    namespace: str
    """The one that a command line means when it says none."""
    version: Document
    """Of the API server."""
    kinds: Mapping[str, Answer] = field(default_factory=dict)
    """API group with version → its OpenAPI document."""
    rollouts: Mapping[str, ModelRollout | str] = field(default_factory=dict)
    """`namespace/name` → the object, or why it is none."""
    rollouts_denied: str = ""
    """Why there may be more than these."""
    controllers: Listing = Listing()
    """Deployments."""
    registries: Listing = Listing()
    """MLflow's Deployments."""
    kserve: Listing = Listing()
    """Deployments of KServe's controller."""
    kserve_settings: Answer = Answer()
    """Its ConfigMap."""
    targets: Mapping[str, Answer] = field(default_factory=dict)
    """`namespace/name` → InferenceService."""
    gateways: Mapping[str, Answer] = field(default_factory=dict)
    """`namespace/name` → Gateway."""
    leases: Mapping[str, Answer] = field(default_factory=dict)
    """`namespace/name` → Lease."""
    person: Granted = field(default_factory=dict)
    """What who asks may do."""
    accounts: Mapping[str, Granted] = field(default_factory=dict)
    """`namespace/name` of a service account → what it may do."""
    services: Mapping[Address, Answer] = field(default_factory=dict)
    """Services that controllers and registries are told of."""
    pages: Mapping[tuple[Address, str], Answer] = field(default_factory=dict)
    """A path of such a Service → what it answered, by way of the API server."""
    scraped: Mapping[Address, Samples | str] = field(default_factory=dict)
    """A Prometheus → what it has of model servers, or why it did not say."""

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """The controllers."""
        return tuple(map(workload, self.controllers.items))

    @cached_property
    def settings(self) -> Mapping[Workload, Settings]:
        """Those of the controllers whose settings can be read, with them."""
        return {one: known for one in self.workloads if isinstance(known := told(one), Settings)}

    @property
    def readable(self) -> tuple[ModelRollout, ...]:
        """The rollouts that are such."""
        return tuple(one for one in self.rollouts.values() if isinstance(one, ModelRollout))

    @property
    def spaces(self) -> tuple[str, ...]:
        """Namespaces of rollouts; the usual one where there are none yet."""
        return tuple(sorted({name.partition("/")[0] for name in self.rollouts})) or (self.namespace,)
