"""A writer that is killed in the middle of anything leaves an object that can be read, old or new."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from kanarya_cli.local.store import FileStore
from kanarya_contracts.testing import rollout

WRITER = """
import pathlib, sys
from kanarya_cli.local.store import FileStore
from kanarya_contracts.rollout import ModelRolloutStatus
store = FileStore(pathlib.Path(sys.argv[1]))
version = store.get("iris")[1]
print("writing", flush=True)
while True:
    weight = int(version) % 100
    status = ModelRolloutStatus(canary_weight=weight, observed_generation=weight)
    version = store.write_status("iris", status, resource_version=version)
"""


def test_kill_9_in_the_middle_of_writing_loses_no_object(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.apply(rollout())
    for milliseconds in (1, 3, 7, 11):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            time.sleep(milliseconds / 1000)
            writer.send_signal(signal.SIGKILL)

        found = store.get("iris")

        assert found is not None
        assert found[0].status.canary_weight == found[0].status.observed_generation
        store.write_status("iris", found[0].status, resource_version=found[1])  # no lock was left behind
