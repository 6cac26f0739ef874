"""promtool, as `tests/charts/run` takes it out of Debian's package."""

import os
import shutil
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("KANARYA_CLUSTER_CACHE", "~/.cache/kanarya-cluster")).expanduser() / "bin"


@pytest.fixture(scope="session")
def promtool() -> str:
    """Its path; skips the test where there is none, unless KANARYA_CHARTS says that nothing may be."""
    found = shutil.which("promtool", path=f"{CACHE}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None and os.environ.get("KANARYA_CHARTS"):
        pytest.fail("promtool is nowhere, and KANARYA_CHARTS is set")
    if found is None:
        pytest.skip("needs promtool: tests/charts/run makes it")
    return found
