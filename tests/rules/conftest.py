"""promtool, as `tests/charts/run` takes it out of Debian's package."""

import os
import shutil
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("KANARYA_CLUSTER_CACHE", "~/.cache/kanarya-cluster")).expanduser() / "bin"


@pytest.fixture(scope="session")
def promtool() -> str:
    """Its path."""
    found = shutil.which("promtool", path=f"{CACHE}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.fail(f"promtool is in neither {CACHE} nor PATH: `make charts` brings it")
    return found
