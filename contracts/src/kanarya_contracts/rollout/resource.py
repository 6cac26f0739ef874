"""The resource as a whole, and what people ask of it through an annotation."""

from typing import Literal

from kanarya_contracts.names import Verb
from kanarya_contracts.rollout.base import Strict
from kanarya_contracts.rollout.spec import ModelRolloutSpec
from kanarya_contracts.rollout.status import ModelRolloutStatus
from kanarya_contracts.serving import Metadata


class Request(Strict):
    """The value of ANNOTATION_REQUEST."""

    id: str
    """Unique; the controller answers each id once."""
    verb: Verb
    """What is asked."""
    by: str = ""
    """Who asks."""
    full: bool = False
    """With `promote`: skip what is left of the steps."""


class ModelRollout(Strict):
    """The resource."""

    api_version: Literal["kanarya.dev/v1alpha1"] = "kanarya.dev/v1alpha1"
    """The form of this document."""
    kind: Literal["ModelRollout"] = "ModelRollout"
    """What it is."""
    metadata: Metadata
    """Name, labels, annotations."""
    spec: ModelRolloutSpec
    """What a person writes."""
    status: ModelRolloutStatus = ModelRolloutStatus()
    """What the controller knows."""
