"""`kanarya-rollout [run]`: the controller on Kubernetes. `kanarya-rollout settings` lists its settings.

Exit status: 0 stopped as asked; 2 bad settings, or no API server to talk to; 3 the port is in use.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from kanarya_contracts.problems import KanaryaError
from kanarya_rollout import logs
from kanarya_rollout.settings import Settings, listed, settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="kanarya-rollout", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("run", help="look after every ModelRollout, until told to stop (what is done when nothing is said)")
    verbs.add_parser("settings", help="list the environment variables")
    if parser.parse_args(argv).verb == "settings":
        sys.stdout.write(listed())
        return 0
    try:
        return _run(settings(os.environ))
    except KanaryaError as error:
        sys.stderr.write(f"kanarya-rollout: {error}\n")
        return 2


def _run(chosen: Settings) -> int:
    # The settings are checked before anything heavy is imported: a mistyped variable is answered at once.
    from kanarya_rollout.operator import Operator  # noqa: PLC0415
    from kanarya_rollout.ports.api import KubernetesApi  # noqa: PLC0415

    logs.begin(chosen.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    api = KubernetesApi.connected(chosen.kubeconfig)
    try:
        Operator(chosen, api).run(stop)
    except OSError as error:
        sys.stderr.write(f"kanarya-rollout: {chosen.host}:{chosen.port} cannot be listened on: {error.strerror}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
