"""The part of KServe's `InferenceService` that Kanarya reads (`serving.kserve.io/v1beta1`). Unknown fields pass through.

Local mode runs these as processes; the rollout's traffic adapters retarget them. `spec.predictor.name` and `storageUri`
are the controller's to set, so a manifest may leave them out.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Open(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)


class Metadata(_Open):
    """Kubernetes object metadata, as far as it is read."""

    name: str = Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
    namespace: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    generation: int = 1


class ModelFormat(_Open):
    """What kind of model a runtime must be able to serve."""

    name: str
    version: str | None = None


class Model(_Open):
    """`spec.predictor.model`."""

    model_format: ModelFormat
    protocol_version: Literal["v1", "v2", "grpc-v2"] = "v2"
    runtime: str | None = None
    storage_uri: str | None = None
    env: list[dict[str, Any]] = Field(default_factory=list)


class Predictor(_Open):
    """`spec.predictor`."""

    name: str | None = None
    min_replicas: int = 1
    model: Model


class InferenceServiceSpec(_Open):
    """`spec`."""

    predictor: Predictor


class InferenceService(_Open):
    """The resource."""

    api_version: Literal["serving.kserve.io/v1beta1"]
    kind: Literal["InferenceService"]
    metadata: Metadata
    spec: InferenceServiceSpec
