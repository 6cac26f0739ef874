"""The part of KServe's `InferenceService` that Kanarya reads (`serving.kserve.io/v1beta1`). Unknown fields pass through.

Local mode runs these as processes; the rollout's traffic adapters retarget them. `spec.predictor.name` and `storageUri`
are the controller's to set, so a manifest may leave them out.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Open(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Metadata(_Open):
    """Kubernetes object metadata, as far as it is read."""

    name: str = Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
    """A DNS label: it becomes part of host names."""
    namespace: str = "default"
    """Where it lives. Local mode has one namespace."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Words that select it."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Words about it; requests of people are among them."""
    generation: int = 1
    """Counts the changes of the spec; the API server's to set."""


class ModelFormat(_Open):
    """What kind of model a runtime must be able to serve."""

    name: str
    """What a ServingRuntime lists as supported. `kanarya`: an artifact with its own contract, the only one local mode takes."""
    version: str | None = None
    """Of the format."""


class Model(_Open):
    """`spec.predictor.model`."""

    model_format: ModelFormat
    """What kind of model it is."""
    protocol_version: Literal["v1", "v2", "grpc-v2"] = "v2"
    """What clients speak."""
    runtime: str | None = None
    """Name of the ServingRuntime; without it, KServe picks one by format."""
    storage_uri: str | None = None
    """Where the artifact lies; the controller's to set."""
    env: list[dict[str, Any]] = Field(default_factory=list)
    """Environment of the server's container, as Kubernetes writes it."""


class Predictor(_Open):
    """`spec.predictor`."""

    name: str | None = None
    """Part of the pods' names, such as `v7`; the controller's to set."""
    min_replicas: int = 1
    """Pods that are always there."""
    model: Model
    """What it runs."""


class InferenceServiceSpec(_Open):
    """`spec`."""

    predictor: Predictor
    """What serves the champion."""


class InferenceService(_Open):
    """The resource."""

    api_version: Literal["serving.kserve.io/v1beta1"]
    """The form of this document."""
    kind: Literal["InferenceService"]
    """What it is."""
    metadata: Metadata
    """Name, labels, annotations."""
    spec: InferenceServiceSpec
    """What is to run."""
