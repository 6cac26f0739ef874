"""What every part of the resource is made of. Used by the modules beside it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """How every part of the resource is read: unknown fields are problems, keys are camelCase, values do not change."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


Percent = Annotated[int, Field(ge=0, le=100)]
"""A share of the requests."""
