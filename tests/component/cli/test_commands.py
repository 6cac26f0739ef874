"""The command as a person types it: a process, its text, its exit status. Envoy and the controller are real; the registry is
down from the start, which is when people ask questions."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kanarya_cli.local import stack
from kanarya_cli.local.processes import Processes, python
from kanarya_cli.local.store import FileStore

ROOT = Path(__file__).parents[3]
SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> object:
        return json.loads(self.out)


Kanarya = Callable[..., Said]


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Local mode, up, with a registry that answers its health alone, of which the controller has said what is wrong."""
    directory = tmp_path_factory.mktemp("commands")
    registry = Processes(directory / "registry")
    page = directory / "www" / "health"
    page.parent.mkdir()
    page.write_text("OK")
    port_file = directory / "port"
    serve = f"""
import http.server, pathlib
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
    def __init__(self, *args): super().__init__(*args, directory={str(page.parent)!r})
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
    pathlib.Path({str(port_file)!r}).write_text(str(server.server_port))
    server.serve_forever()
"""
    registry.start("registry", [sys.executable, "-c", serve])
    eventually(lambda: port_file.exists() and port_file.read_text())
    at = f"http://127.0.0.1:{port_file.read_text()}"
    manifests = [ROOT / "manifests" / "iris"]
    stack.up(directory / "state", manifests, ports=stack.Ports.any(), registry=at, report=lambda _: None)
    eventually(lambda: (found := FileStore(directory / "state").get("iris")) is not None and found[0].status.conditions)
    yield directory / "state"
    stack.down(directory / "state", report=lambda _: None)
    registry.stop("registry")


@pytest.fixture
def kanarya(tmp_path: Path) -> Kanarya:
    def run(*words: str, state: Path | None = None) -> Said:
        where = () if state is None else ("--state", str(state))
        done = subprocess.run(
            python("kanarya_cli", *words, *where), capture_output=True, text=True, timeout=SECONDS, cwd=tmp_path, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(status=done.returncode, out=done.stdout, err=done.stderr)

    return run


def test_help_names_every_noun(kanarya: Kanarya) -> None:
    said = kanarya("--help")
    assert said.status == 0
    assert all(noun in said.out for noun in ("train", "infer", "demo", "rollout", "local", "doctor"))


def test_what_needs_local_mode_says_how_to_start_it(kanarya: Kanarya) -> None:
    for words in (("infer", "iris", "--row", "1"), ("rollout", "status", "iris")):
        said = kanarya(*words)
        assert said.status == 2
        assert "kanarya local up -f manifests/iris" in said.err
    assert kanarya("local", "status").status == 1


def test_a_rollout_is_listed_shown_and_explained_with_what_is_wrong(kanarya: Kanarya, state: Path) -> None:
    listed = kanarya("rollout", "get", state=state)
    explained = kanarya("rollout", "explain", "iris", state=state)
    assert listed.status == explained.status == 0
    assert "iris" in listed.out
    assert "no champion serves yet" in explained.out


def test_json_is_the_resource_itself(kanarya: Kanarya, state: Path) -> None:
    one = kanarya("rollout", "status", "iris", "-o", "json", state=state).data
    several = kanarya("rollout", "get", "-o", "json", state=state).data
    assert isinstance(one, dict)
    assert one["kind"] == "ModelRollout"
    assert isinstance(several, list)
    assert [item["metadata"]["name"] for item in several] == ["iris"]


@pytest.mark.parametrize("verb", ["promote", "abort", "retry", "pause", "resume", "undo"])
def test_every_verb_is_answered_by_the_controller_and_one_that_makes_no_sense_now_with_the_reason(
    kanarya: Kanarya, state: Path, verb: str
) -> None:
    before = kanarya("rollout", "status", "iris", "-o", "json", state=state).data
    said = kanarya("rollout", verb, "iris", state=state)
    after = kanarya("rollout", "status", "iris", "-o", "json", state=state).data
    assert said.status == 2
    assert f"{verb} was asked by " in said.err
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["status"]["lastRequestId"] != before["status"].get("lastRequestId")
    assert after["status"]["lastRequestRefusal"] in said.err


def test_waiting_for_what_does_not_come_ends_with_status_1(kanarya: Kanarya, state: Path) -> None:
    assert kanarya("rollout", "wait", "iris", "--for", "Promoted", "--timeout", "0.1", state=state).status == 1


def test_a_rollout_that_is_not_there_is_answered_with_those_that_are(kanarya: Kanarya, state: Path) -> None:
    said = kanarya("rollout", "pause", "irsi", state=state)
    assert said.status == 2
    assert f"there is no rollout 'irsi' in local mode ({state}); there are: iris" in said.err


def test_the_gateway_says_that_no_version_is_up(kanarya: Kanarya, state: Path) -> None:
    said = kanarya("infer", "iris", "--row", "5.1,3.5,1.4,0.2", state=state)
    assert said.status == 2
    assert "answered 503: no version of iris is up yet" in said.err


def test_rows_are_asked_for_in_one_of_two_ways(kanarya: Kanarya, state: Path) -> None:
    said = kanarya("infer", "iris", state=state)
    assert said.status == 2
    assert "--row" in said.err
    assert "--file" in said.err


def test_a_configuration_with_problems_names_each_with_its_line(kanarya: Kanarya, state: Path, tmp_path: Path) -> None:
    config = tmp_path / "model.yaml"
    config.write_text("model: iris\ndata:\n  sauce: iris.csv\ntarget: species\nfoldz: 5\n")
    said = kanarya("train", str(config), state=state)
    assert said.status == 2
    assert "line 3: data.sauce" in said.err
    assert "line 5: foldz" in said.err


def test_what_runs_is_shown_with_where_and_its_log_can_be_read(kanarya: Kanarya, state: Path) -> None:
    status = kanarya("local", "status", "-o", "json", state=state)
    logs = kanarya("local", "logs", "controller", "-n", "5", state=state)
    unknown = kanarya("local", "logs", "contoller", state=state)
    assert status.status == 0
    assert isinstance(status.data, dict)
    assert {process["name"] for process in status.data["processes"]} == {"controller", "envoy"}
    assert logs.status == 0
    assert logs.out.strip()
    assert unknown.status == 2
    assert "there are: controller, envoy" in unknown.err
