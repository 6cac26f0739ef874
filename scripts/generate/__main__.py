"""Write the generated files (`make generate`), or say which are out of date (`make verify`). A file a line in `FILES`.

Every text is a function of the code alone, so two machines make the same bytes.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import charts
import commands
import copies
import crd
import dashboards
import documents
import messages
import models
import words

import kanarya_model.__main__
import kanarya_model.settings
from kanarya_cli import windows
from kanarya_cli.app import app
from kanarya_contracts import artifact, metrics, names, records, rollout
from kanarya_contracts.testing import contract_document, rollout_document
from kanarya_training_job import settings

ROOT = Path(__file__).resolve().parents[2]

FILES: Mapping[str, Callable[[], str]] = {
    "contracts/schema/artifact-v1.schema.json": lambda: models.schema_file(artifact.ArtifactContract, "artifact-v1"),
    "contracts/schema/modelrollout-v1alpha1.schema.json": lambda: models.schema_file(
        rollout.ModelRollout, "modelrollout-v1alpha1"
    ),
    "helm/rollout/crds/modelrollouts.kanarya.dev.yaml": crd.crd_file,
    "docs/reference/artifact.md": lambda: models.page(
        "The artifact", artifact.ArtifactContract, artifact, example=documents.as_json(contract_document())
    ),
    "docs/reference/modelrollout.md": lambda: models.page(
        "ModelRollout", rollout.ModelRollout, rollout, example=documents.as_yaml(rollout_document())
    ),
    "docs/reference/training.md": lambda: models.page("Training configuration", settings.Settings, settings),
    "docs/reference/kanarya-model.md": lambda: commands.flags_page(
        "The model server",
        "kanarya-model serve",
        kanarya_model.settings.arguments,
        kanarya_model.__main__,
        kanarya_model.settings,
    ),
    "docs/reference/cli.md": lambda: commands.typer_page(app),
    "docs/reference/windows.md": lambda: models.page("Windows", windows.WindowLine, windows),
    "docs/reference/metrics.md": lambda: words.metrics_page(metrics),
    "docs/reference/records.md": lambda: words.records_page(records),
    "docs/reference/names.md": lambda: words.names_page(names),
    **dashboards.files(),
    **charts.files(ROOT),
    **copies.files(ROOT),
    **messages.files(ROOT),
}


def diff(name: str, text: str) -> str:
    """A unified diff from what is there to what would be written; empty when they are the same."""
    path = ROOT / name
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(there.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (generated)")
    return "".join(lines)


def verify() -> int:
    """Write nothing; 1 and the differences if a file is out of date."""
    diffs = {name: diff(name, make()) for name, make in FILES.items()}
    stale = [name for name, lines in diffs.items() if lines]
    if not stale:
        return 0
    sys.stdout.writelines(diffs.values())
    sys.stderr.write(f"out of date: {', '.join(stale)}; run `make generate`\n")
    return 1


def write() -> int:
    """Write every file, or none if one cannot be made."""
    for name, text in {name: make() for name, make in FILES.items()}.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def main() -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="generate", description="Write the files that are made from code.")
    parser.add_argument("--verify", action="store_true", help="write nothing; fail if a file is out of date")
    return verify() if parser.parse_args().verify else write()


if __name__ == "__main__":
    sys.exit(main())
