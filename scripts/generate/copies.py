"""Files that must stand in two places: kustomize reads none outside of its own folder, not even by a link."""

from collections.abc import Callable, Mapping
from pathlib import Path

import documents

COPIES: Mapping[str, str] = {
    "manifests/iris/cluster/iris.csv": "data/iris.csv",
    "manifests/iris/cluster/iris-baseline.yaml": "examples/iris-baseline.yaml",
}
"""Where → from where."""


def files(root: Path) -> dict[str, Callable[[], str]]:
    """The copies of what there is under `root`. YAML says that it is one; a CSV has no place to say it."""
    return {
        target: lambda source=root / source: _head(source) + source.read_text(encoding="utf-8")
        for target, source in COPIES.items()
        if (root / source).exists()
    }


def _head(source: Path) -> str:
    return f"# {documents.GENERATED} A copy of {source.parent.name}/{source.name}.\n" if source.suffix == ".yaml" else ""
