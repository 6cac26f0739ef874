"""Requests made after `/openapi.json`, good and bad, to the real process: schemathesis (`make conformance`)."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from kanarya_model.testing import build

EXAMPLES = 300
"""For each operation."""

NOT_SAYABLE = "positive_data_acceptance"
"""A schema cannot say that `data` has as many elements as `shape` says, so what it allows may still be refused."""


@contextmanager
def serving(directory, *arguments):
    """A server's address."""
    port_file, limits = directory / "port", ("--most-body-bytes", "100000", "--most-rows", "100")
    command = [sys.executable, "-m", "kanarya_model", "serve", *arguments, "--port", "0", "--port-file", port_file, *limits]
    with subprocess.Popen([str(part) for part in command]) as server:
        until = time.monotonic() + 30
        while not port_file.exists() and server.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        server.terminate()
        assert server.wait(20) == 0


def schemathesis(url, directory, *more):
    """A run over the server's document."""
    options = ["--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing", "--exclude-checks", NOT_SAYABLE]
    # Without a database of its own the run leaves nothing behind, and with a seed it can be repeated.
    options += ["--generation-database", "none", "--seed", os.environ.get("SEED", "1"), "--no-color", *more]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module", params=["numeric", "mixed"])
def url(request, tmp_path_factory):
    """A model of that kind, served."""
    directory = tmp_path_factory.mktemp(request.param)
    with serving(directory, build(directory / "artifact", request.param)) as url:
        yield url


def test_every_request_made_after_the_document_is_answered_as_it_says(url, tmp_path):
    run = schemathesis(url, tmp_path)

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
    assert "14 selected / 14 total" in run.stdout


def test_whatever_is_asked_of_a_repository_is_answered_as_the_document_says(tmp_path):
    build(tmp_path / "models/iris/7")
    with serving(tmp_path, "--repository", tmp_path / "models", "--repository-control") as url:
        run = schemathesis(url, tmp_path, "--include-path-regex", "repository")

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
    assert "3 selected / 17 total" in run.stdout
