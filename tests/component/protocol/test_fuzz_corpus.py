"""What the fuzz target started from, and what it has found, is read as it should be."""

import importlib.util
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
CORPUS = sorted((FUZZ / "corpus").iterdir())


@pytest.fixture(scope="module")
def target():
    spec = importlib.util.spec_from_file_location("fuzz_target", FUZZ / "target.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_an_input_of_the_corpus_is_read_or_refused(target, path):
    content = path.read_bytes()

    target.one(content)
    for end in range(len(content)):
        target.one(content[:end])
