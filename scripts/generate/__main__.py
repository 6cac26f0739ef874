"""Write the generated files (`make generate`), or say which are out of date (`make verify`). A file a line in `FILES`.

Every text is a function of the code alone, so two machines make the same bytes.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import documents
import models
import words

from kanarya_contracts import artifact, metrics, names, rollout
from kanarya_contracts.testing import contract_document, rollout_document

ROOT = Path(__file__).resolve().parents[2]

FILES: Mapping[str, Callable[[], str]] = {
    "contracts/schema/artifact-v1.schema.json": lambda: models.schema_file(artifact.ArtifactContract, "artifact-v1"),
    "contracts/schema/modelrollout-v1alpha1.schema.json": lambda: models.schema_file(
        rollout.ModelRollout, "modelrollout-v1alpha1"
    ),
    "docs/reference/artifact.md": lambda: models.page(
        "The artifact", artifact.ArtifactContract, artifact, example=documents.as_json(contract_document())
    ),
    "docs/reference/modelrollout.md": lambda: models.page(
        "ModelRollout", rollout.ModelRollout, rollout, example=documents.as_yaml(rollout_document())
    ),
    "docs/reference/metrics.md": lambda: words.metrics_page(metrics),
    "docs/reference/names.md": lambda: words.names_page(names),
}


def stale(texts: Mapping[str, str]) -> Iterator[str]:
    """A unified diff for each file that is not what it would be."""
    for name, text in texts.items():
        path = ROOT / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there != text:
            yield "".join(difflib.unified_diff(there.splitlines(True), text.splitlines(True), name, f"{name} (generated)"))


def main() -> int:
    """0 when the files are what they should be."""
    parser = argparse.ArgumentParser(prog="generate", description="Write the files that are made from code.")
    parser.add_argument("--verify", action="store_true", help="write nothing; fail if a file is out of date")
    verify: bool = parser.parse_args().verify
    texts = {name: make() for name, make in FILES.items()}
    if verify:
        diffs = list(stale(texts))
        sys.stdout.writelines(diffs)
        if diffs:
            sys.stderr.write(f"{len(diffs)} generated files are out of date: run `make generate`\n")
        return 1 if diffs else 0
    for name, text in texts.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
