"""What local mode gives up after a second or two, as its next pass tries again, is waited for where no pass follows."""

from collections.abc import Iterator

import pytest

from kanarya_cli.local import traffic

PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True, scope="package")
def _patient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traffic, "WARMING_SECONDS", PATIENCE_SECONDS)
        patch.setattr(traffic, "ADMIN_SECONDS", PATIENCE_SECONDS)
        yield
