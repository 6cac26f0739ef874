"""What every object is made of that is read from an API server. Used by the mappings
beside it: `httproute`, `policy`, `pods`, `grpc_port`.

Keys are camelCase, and what nobody here asks for is left out.
"""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Seen(BaseModel):
    """A part of an object."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Condition(Seen):
    """One thing that a controller says of an object in its status."""

    type: str
    status: str
    """`True`, `False` or `Unknown`."""
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    """Of the object, when it was said."""
