"""Programs that the charts' tests run. `tests/charts/run` makes them; a test that misses one fails and says so."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CACHE = Path(os.environ.get("KANARYA_CLUSTER_CACHE", "~/.cache/kanarya-cluster")).expanduser() / "bin"


def program(name: str) -> str:
    """The program's path."""
    found = shutil.which(name, path=f"{CACHE}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.fail(f"{name} is in neither {CACHE} nor PATH: `make charts` brings it")
    return found


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool("helm")`: its path."""
    return program


class Api:
    """A kube-apiserver of `tests/cluster/apiserver.py`, whose refusals are answers here."""

    def __init__(self, server: Any) -> None:
        self._client = server.client()
        self.kubeconfig: Path = server.kubeconfig

    def call(self, method: str, path: str, document: object = None, *, accept: str = "application/json") -> dict[str, Any]:
        """The answer, an error's Status included. One that is no JSON (a kind that is not served yet) is no object."""
        answer = self._client.request(method, path, json=document, headers={"Accept": accept})
        said: dict[str, Any] = answer.json() if answer.text.startswith("{") else {}
        return said

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


@pytest.fixture(scope="session")
def apiserver() -> Iterator[Api]:
    """etcd and kube-apiserver, real ones, on loopback, for as long as the tests run."""
    for name in ("etcd", "kube-apiserver"):
        program(name)
    with _load("apiserver").apiserver() as server:
        api = Api(server)
        yield api
        api.close()


def _load(name: str) -> ModuleType:
    """A module of tests/cluster: with --import-mode=importlib, none is found by its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "cluster" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there for their own module
    spec.loader.exec_module(module)
    return module
