"""One ModelRollout from a file, for commands that try it out. The same strict reading as a cluster's and local mode's."""

from collections.abc import Mapping
from pathlib import Path

from kanarya_cli.local import documents
from kanarya_contracts import problems
from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_contracts.rollout import ModelRollout


def read(path: Path) -> ModelRollout:
    """The only ModelRollout in the file; other resources in it are left alone. Raises InvalidInput."""
    found = [
        document
        for document in documents.read(path)
        if isinstance(document.content, Mapping) and document.content.get("kind") == "ModelRollout"
    ]
    if len(found) != 1:
        message = f"has {len(found) or 'no'} documents of kind ModelRollout, expected one"
        raise InvalidInput(str(path), [Problem(path=(), message=message)])
    (document,) = found
    return problems.validated(ModelRollout, document.content, source=document.source, line_of=document.line_of)
