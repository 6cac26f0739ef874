"""The controller's world in memory: every port, a clock, builders. For tests of the controller and of what composes it.

    simulation = Simulation(rollout=a_rollout())
    simulation.registry.register("1", alias="champion")
    simulation.run(seconds=10)                       # passes of one controller, requests between them
    simulation.registry.register("2", alias="challenger")

Each fake keeps what its port promises and no more: the store is written through JSON, the gateway follows with a delay, a
restarted process counts from nothing. `Fuse` ends the controller before or after any write, as a kill would.
"""

from kanarya_rollout.testing.audit import FakeShelf
from kanarya_rollout.testing.clock import EPOCH, FakeClock
from kanarya_rollout.testing.documents import ACCURACY, ERRORS, a_rollout
from kanarya_rollout.testing.fuse import Fuse, Killed
from kanarya_rollout.testing.metrics import FakeMetrics
from kanarya_rollout.testing.registry import FakeRegistry, digest
from kanarya_rollout.testing.serving import FakeServing, Process
from kanarya_rollout.testing.simulation import Quality, Simulation, promoted
from kanarya_rollout.testing.store import FakeStore
from kanarya_rollout.testing.traffic import FakeTraffic

__all__ = [
    "ACCURACY",
    "EPOCH",
    "ERRORS",
    "FakeClock",
    "FakeMetrics",
    "FakeRegistry",
    "FakeServing",
    "FakeShelf",
    "FakeStore",
    "FakeTraffic",
    "Fuse",
    "Killed",
    "Process",
    "Quality",
    "Simulation",
    "a_rollout",
    "digest",
    "promoted",
]
