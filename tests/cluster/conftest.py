"""A real API server for the tests beside this file; without its programs they are not collected."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def _load(name: str):
    """A module beside this file: with --import-mode=importlib, none is found by its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


apiserver = _load("apiserver")
collect_ignore_glob = ["test_apiserver_*"] if apiserver.missing() else []


@pytest.fixture(scope="module")
def api_server() -> Iterator["apiserver.ApiServer"]:
    """One with our CRD and the Gateway API's."""
    with apiserver.apiserver() as server:
        server.install("modelrollouts", "httproutes")
        yield server


@pytest.fixture(scope="session")
def stand_in():
    """The module that stands in for KServe, the kubelet and the gateway."""
    return _load("stand_in")


@pytest.fixture(scope="session")
def stage():
    """The module with a rollout's whole world."""
    return _load("stage")
