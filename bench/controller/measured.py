"""One controller over some of the rollouts: its first round, and what it takes at rest. Used by `__main__`.

At rest is a controller that has looked at every rollout twice, so that every example was asked, and that for a whole interval
looks at each no more often than it should. Both are waited for, and no longer than is said here.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import world
from rich.console import Console
from surroundings import HERE, Surroundings, await_, counted, running

FIRST_ROUND_SECONDS = 300.0
"""At most, until every rollout was looked at once."""
REST_SECONDS = 180.0
"""At most, from there to rest."""
LOOK_SECONDS = 5.0
"""Between two looks at the first round; each costs the controller a page of all its rollouts."""
CALM = 1.5
"""Times as many passes in an interval as there are rollouts, and the controller is not at rest."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    rollouts: int
    first_round: float
    """Seconds from the first look until every rollout was looked at once, to LOOK_SECONDS."""
    first_round_processor: float
    """Seconds of a processor, from the process's start on."""
    first_queries: float
    """To Prometheus, in the first round."""
    registry_calls: int
    """To MLflow, in the first round."""
    registry_processor: float
    """Seconds of a processor that MLflow took for them."""
    counting: int
    """Rollouts that were counting at the end, as all are to."""
    doing: dict[str, int]
    """Conditions with their reasons → how many rollouts were in them at the end."""
    seconds: float
    """For which the rest was measured."""
    share: float
    """Of one processor, at rest."""
    passes: float
    """Over one rollout, in a minute."""
    queries: float
    """To Prometheus, in a minute."""
    registry: float
    """Calls to MLflow, in a minute."""
    calls: dict[str, float]
    """To the API server, in a minute, by verb."""
    memory: int
    """Bytes."""


class NotAtRest(Exception):
    """The bound was reached first."""


def measure(around: Surroundings, spaces: Sequence[str], seconds: float, folder: Path, console: Console) -> Measured:
    """A controller of its own over these namespaces. Raises NotAtRest, with the controller's last words."""
    environment = {
        "MLFLOW_TRACKING_URI": around.registry,
        "KANARYA_ROLLOUT_PROMETHEUS": around.prometheus,
        "KANARYA_ROLLOUT_KUBECONFIG": str(around.cluster.kubeconfig),
        "KANARYA_ROLLOUT_NAMESPACES": ",".join(spaces),
        "KANARYA_ROLLOUT_HOST": "127.0.0.1",
        "KANARYA_ROLLOUT_PORT": around.page.rpartition(":")[2],
        "KANARYA_ROLLOUT_LOG_LEVEL": "WARNING",
        "BENCH_SERVERS": around.servers,
    }
    log, rollouts = folder / "controller.log", sum(len(around.rollouts[space]) for space in spaces)
    calls, queries, taken = around.registry_calls(), around.queries(), around.registry_seconds()
    with running([sys.executable, str(HERE / "process.py")], log, **environment) as process:
        console.print(f"a controller of {rollouts:,} rollouts, process {process.pid}", highlight=False)
        await_(f"{around.page}/readyz", log)
        controller = _Controller(around.page, psutil.Process(process.pid), rollouts, console)
        try:
            first_round = controller.first_round()
            first = {
                "first_round": first_round,
                "first_round_processor": controller.processor(),
                "first_queries": around.queries() - queries,
                "registry_calls": around.registry_calls() - calls,
                "registry_processor": around.registry_seconds() - taken,
            }
            controller.rest()
        except NotAtRest as error:
            raise NotAtRest(f"{error}\n{log.read_text()[-2000:]}") from None
        before, used, began = _counts(around, controller), controller.processor(), time.monotonic()
        time.sleep(seconds)
        after, now, took = _counts(around, controller), controller.processor(), time.monotonic() - began
        memory = psutil.Process(process.pid).memory_info().rss
    a_minute = {key: (after[key] - before.get(key, 0.0)) * 60 / took for key in after}
    doing = around.doing(spaces)
    return Measured(
        rollouts=rollouts,
        **first,
        counting=doing.get(world.COUNTING, 0),
        doing=doing,
        seconds=took,
        share=(now - used) / took,
        passes=a_minute["passes"] / rollouts,
        queries=a_minute["queries"],
        registry=a_minute["registry"],
        calls={key: value for key, value in a_minute.items() if key.isupper() and value >= 0.5},
        memory=memory,
    )


def _counts(around: Surroundings, controller: "_Controller") -> dict[str, float]:
    return {
        "passes": sum(controller.passes().values()),
        "queries": around.queries(),
        "registry": around.registry_calls(),
        **around.calls(),
    }


class _Controller:
    """One that runs."""

    def __init__(self, page: str, process: psutil.Process, rollouts: int, console: Console) -> None:
        self._page = page
        self._process = process
        self._rollouts = rollouts
        self._console = console

    def passes(self) -> dict[str, float]:
        """Rollout → how often it was looked at."""
        text = httpx.get(f"{self._page}/metrics", timeout=60, trust_env=False).text
        return counted(text, "kanarya_rollout_passes_total", "rollout")

    def processor(self) -> float:
        """Seconds of a processor that it has taken."""
        times = self._process.cpu_times()
        return times.user + times.system

    def first_round(self) -> float:
        """Wait for its end. How long it took."""
        began = time.monotonic()
        while (done := len(self.passes())) < self._rollouts:
            self._wait(began, FIRST_ROUND_SECONDS, f"first round: {done:,} of {self._rollouts:,}", LOOK_SECONDS)
        return time.monotonic() - began

    def rest(self) -> None:
        """Wait for it."""
        began, before = time.monotonic(), 0.0
        while True:
            passes = self.passes()
            twice, lately = sum(count >= 2 for count in passes.values()), sum(passes.values()) - before
            if twice == self._rollouts and lately <= CALM * self._rollouts:
                return
            how_far = f"coming to rest: {twice:,} of {self._rollouts:,} twice, {lately:,.0f} passes lately"
            self._wait(began, REST_SECONDS, how_far, world.INTERVAL_SECONDS)
            before = sum(passes.values())

    def _wait(self, began: float, at_most: float, how_far: str, seconds: float) -> None:
        """So many seconds more. Raises NotAtRest if it was waited for long enough."""
        waited = time.monotonic() - began
        self._console.print(f"  {waited:3.0f} s, {self.processor():.1f} s of a processor, {how_far}", highlight=False)
        if waited > at_most:
            raise NotAtRest(f"not within {at_most:.0f} s: {how_far}")
        time.sleep(seconds)
