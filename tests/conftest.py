"""How hard the property-based tests look: 25 examples while one works (`make unit`), 100 before one is done (`make test`).

CI looks at the same ones each time, so that it says something about the change and not about the day. How long an example takes
says something about the machine alone, and fails nothing.

And what goes wrong in a thread of a library's, which only logs it, is the test's failure all the same.
"""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

how = {"deadline": None, "derandomize": bool(os.environ.get("CI")), "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=25, **how)
settings.register_profile("thorough", max_examples=100, **how)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


class Overheard(logging.Handler):
    """Errors of libraries that swallow exceptions: a stream's requests to gRPC, a task or callback to asyncio."""

    swallow = ("asyncio", "concurrent.futures", "grpc")

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


@pytest.fixture(autouse=True)
def _nothing_is_only_logged() -> Iterator[None]:
    overheard = Overheard()
    for name in Overheard.swallow:
        logging.getLogger(name).addHandler(overheard)
    yield
    for name in Overheard.swallow:
        logging.getLogger(name).removeHandler(overheard)
    assert overheard.said == []
