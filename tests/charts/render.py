"""manifests/rendered: what the charts make of their default values, so that a review shows what a change of a chart does.

    render.py             write them
    render.py --verify    write nothing; fail with the differences if one is out of date

Called by `tests/charts/run`. A credential that a chart makes up is written as a word in its place: these files can be read, and
applied only after that is replaced.
"""

import difflib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "manifests/rendered"
KUBERNETES = "1.34"
HEAD = "# Made by `tests/charts/run render` from helm/{chart} with its default values; do not edit.\n"
_MADE_UP = re.compile(r'^(\s+\S+: )"[^"]+" # made up$', re.MULTILINE)


def rendered(chart: Path) -> str:
    """The chart's manifests. `helm` is on PATH."""
    command = ["helm", "template", chart.name, str(chart), "--namespace", "kanarya", "--kube-version", KUBERNETES]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return HEAD.format(chart=chart.name) + _MADE_UP.sub(r'\1"made up at installation"', made)


def main(arguments: list[str]) -> int:
    """Run the command. Returns the exit status."""
    charts = sorted(path.parent for path in ROOT.glob("helm/*/Chart.yaml"))
    wanted = {TARGET / f"{chart.name}.yaml": rendered(chart) for chart in charts}
    if "--verify" not in arguments:
        TARGET.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = []
    for path, text in wanted.items():
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        name = str(path.relative_to(ROOT))
        if there != text:
            stale.append(name)
            sys.stdout.writelines(difflib.unified_diff(there.splitlines(True), text.splitlines(True), name, "rendered"))
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `tests/charts/run render`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
