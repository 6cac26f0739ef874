"""What every benchmark does alike: say when and on which machine it ran, show a table, keep the figures. Used by each of them.

Figures go to bench/results/NAME.json, which git leaves alone; what is worth telling goes into a page, with date and machine.
"""

import argparse
import datetime
import json
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = Console(width=128, highlight=False)


class Run:
    """One run of a benchmark, from when it is made."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        """`name`: the results' file's."""
        self.at = datetime.datetime.now(datetime.UTC)
        self.machine = machine()
        self._path = ROOT / f"bench/results/{name}.json"
        self.options = vars(options)

    @property
    def place(self) -> str:
        """Date and machine, for a page."""
        cores, python = self.machine["cores"], self.machine["python"]
        return f"{self.at.date()}, {self.machine['processor']}, {cores} cores, Python {python}"

    def write(self, **figures: object) -> None:
        """Keep the figures, with all that they depend on."""
        document = {"at": self.at.isoformat(timespec="seconds"), "machine": self.machine, "options": self.options, **figures}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        CONSOLE.print(f"written to {self._path.relative_to(ROOT)}")


def machine() -> dict[str, object]:
    """What figures depend on, and no run changes but the load."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    processors = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": processors[0] if processors else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def table(title: str, *columns: str) -> Table:
    """A table whose first column is words, and whose others are figures."""
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def word(holds: bool) -> str:
    """What stands beside a goal."""
    return "holds" if holds else "MISSED"
