"""Processes that outlive their starter, and are signalled only while they are those that were started."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kanarya_cli.local.processes import Processes, environment, python
from kanarya_contracts.problems import KanaryaError

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path)
    yield found
    for record in found.all():
        found.stop(record.name, patience=0.0)


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def test_a_process_survives_the_one_that_started_it(processes: Processes, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from kanarya_cli.local.processes import Processes; "
        f"Processes(pathlib.Path({str(tmp_path)!r})).start('sleeper', {SLEEPER!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)

    record = processes.get("sleeper")

    assert record is not None
    assert processes.runs(record)
    assert record.pid is not None
    assert os.getsid(record.pid) == record.pid
    eventually(lambda: processes.last_lines("sleeper") == "up")


def test_starting_what_runs_starts_nothing(processes: Processes) -> None:
    first = processes.start("sleeper", SLEEPER)

    assert processes.start("sleeper", SLEEPER).pid == first.pid


def test_a_pid_that_somebody_else_has_by_now_is_never_signalled(processes: Processes, tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        record = {"name": "old", "command": ["x"], "pid": stranger.pid, "created": time.time() - 3600}
        (tmp_path / "processes").mkdir()
        (tmp_path / "processes" / "old.json").write_text(json.dumps(record))
        found = processes.get("old")
        assert found is not None

        assert not processes.runs(found)
        assert processes.stop("old", patience=0.0) is False

        assert stranger.poll() is None
        assert processes.get("old") is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_that_does_not_end_by_itself_is_killed_when_patience_is_over(processes: Processes) -> None:
    record = processes.start("stubborn", STUBBORN)
    eventually(lambda: processes.last_lines("stubborn") == "up")

    start = time.monotonic()
    assert processes.stop("stubborn", patience=0.3) is True

    assert time.monotonic() - start >= 0.3
    assert not processes.runs(record)


def test_what_a_process_has_started_ends_with_it(processes: Processes, tmp_path: Path) -> None:
    code = f"import subprocess, time; subprocess.Popen({SLEEPER!r}); time.sleep(600)"
    record = processes.start("parent", (sys.executable, "-c", code))
    assert record.pid is not None
    parent = psutil.Process(record.pid)
    eventually(parent.children)
    grandchild = parent.children()[0]

    os.kill(record.pid, signal.SIGKILL)
    eventually(lambda: not processes.runs(record))
    processes.stop("parent")

    eventually(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_child_that_ended_is_reaped_and_its_last_words_are_kept(processes: Processes) -> None:
    record = processes.start("short", (sys.executable, "-c", "import sys; sys.exit('no such model')"))

    assert record.pid is not None
    pid = record.pid

    eventually(lambda: not processes.runs(record) and not psutil.pid_exists(pid))  # whoever looks, reaps

    assert processes.last_lines("short") == "no such model"


def test_one_whose_starter_was_killed_before_it_knew_the_pid_is_found_again(processes: Processes, tmp_path: Path) -> None:
    marked = (*SLEEPER, str(tmp_path))
    record = processes.start("sleeper", marked)
    path = tmp_path / "processes" / "sleeper.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": None, "created": None}))

    found = processes.get("sleeper")

    assert found is not None
    assert found.pid == record.pid
    assert processes.start("sleeper", marked).pid == record.pid


def test_a_command_that_is_not_there_is_named(processes: Processes) -> None:
    with pytest.raises(KanaryaError, match="nothing cannot be started: /no/such/file: No such file or directory"):
        processes.start("nothing", ("/no/such/file",))

    assert processes.get("nothing") is None


def test_a_damaged_record_is_told_with_its_file(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "odd.json").write_text('{"name": ')

    with pytest.raises(KanaryaError, match=r"odd\.json cannot be read"):
        processes.get("odd")
    (tmp_path / "processes" / "odd.json").unlink()


def test_loopback_goes_through_no_proxy_and_named_variables_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "internal.example")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.example")

    found = environment(without=("MLFLOW_",), MLFLOW_DISABLE_TELEMETRY="true")

    assert found["NO_PROXY"] == "internal.example,127.0.0.1,localhost"
    assert "MLFLOW_TRACKING_URI" not in found
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert python("mlflow", "server") == [sys.executable, "-m", "mlflow", "server"]
