"""What a training is: data, code and configuration, as one digest. Called by the pipeline, to recognise a training that was
done already, and by `package`, to write down how a model came to be.

The code's part is the content of our own sources and the versions of the libraries that shape a model. Git's commit is for
people: it changes with every documentation fix, and `-dirty` names many different trees.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

import kanarya_contracts
from kanarya_contracts.artifact import digest
from kanarya_training_job.evaluation import Answers, ClassAnswers
from kanarya_training_job.settings import Settings

LIBRARIES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx", "skops")
"""Distributions that shape a model."""

REVISION_VARIABLE = "KANARYA_CODE_REVISION"
"""Environment variable that an image sets to the commit it was built from."""

_HERE = Path(__file__).parent


def libraries() -> dict[str, str]:
    """Distribution → version."""
    return {name: version(name) for name in LIBRARIES}


def training_digest(settings: Settings, data: Sequence[str]) -> str:
    """`sha256:…` of the (data, code, configuration) triple. `data`: digests of the files read.

    Of the configuration, what cannot change the model is left out: where the files lie (their content counts), how many
    processes search, what it is compared with and where it goes.
    """
    shape = settings.model_dump(
        mode="json",
        exclude={
            "data": {"source"},
            "split": {"evaluation"},
            "search": {"n_jobs"},
            "comparison": {"against", "tolerance"},
            "registry": True,
        },
    )
    triple = {"data": list(data), "code": _code_digest(), "libraries": libraries(), "configuration": shape}
    return digest(json.dumps(triple, sort_keys=True).encode())


def predictions_digest(answers: Answers) -> str:
    """`sha256:…` of labels, and of probabilities and numbers to six decimals, target by target, row by row."""
    content = hashlib.sha256()
    for said in answers.values():
        if isinstance(said, ClassAnswers):
            content.update("\n".join(said.labels).encode())
        numbers = said.probabilities if isinstance(said, ClassAnswers) else said.values
        content.update(np.round(numbers, 6).astype("<f8").tobytes())
    return f"sha256:{content.hexdigest()}"


def code_revision() -> str:
    """The commit this code is from, with `-dirty` where tracked files were changed; `unknown` outside a checkout."""
    told = os.environ.get(REVISION_VARIABLE)
    if told:
        return told
    # Tracked: a virtual environment inside somebody's repository must not pass for a checkout of ours.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return "unknown"
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit or "unknown"


def _git(*arguments: str) -> str | None:
    """What git says here; None where there is no git, or it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=_HERE, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _code_digest() -> str:
    content = hashlib.sha256()
    for package in (_HERE, *map(Path, kanarya_contracts.__path__)):
        for path in sorted(package.rglob("*.py")):
            content.update(f"{package.name}/{path.relative_to(package).as_posix()}\0".encode())
            content.update(path.read_bytes())
    return content.hexdigest()
