"""The controller's own process, but for one thing: a version's server is where this benchmark has it, because no Service leads
anywhere without a cluster's network. `python bench/controller/process.py`, with the controller's environment variables and
BENCH_SERVERS, the address of `servers.py`.
"""

import os
import sys

from kanarya_rollout.__main__ import main
from kanarya_rollout.ports.kserve import KServeServing


def address(namespace: str, service: str) -> str:
    return f"{os.environ['BENCH_SERVERS']}/{namespace}/{service}"


KServeServing.__init__.__kwdefaults__["address"] = address
sys.exit(main(["run"]))
