"""Artifacts that are refused, with everything that is wrong with them."""

import json
import os
import shutil
import zipfile

import pytest

from kanarya_contracts.artifact import FileDigest, digest
from kanarya_contracts.problems import KanaryaError
from kanarya_model import loaders
from kanarya_model.__main__ import main
from kanarya_model.artifact import read
from kanarya_model.server import load
from kanarya_model.settings import Settings
from kanarya_model.storage import local


@pytest.fixture
def copy(artifact, tmp_path):
    """Kind → a copy of its artifact that may be spoiled."""
    return lambda kind: shutil.copytree(artifact(kind), tmp_path / kind)


def rewrite(directory, **changes):
    """Change the contract's top-level members, and vouch for the files as they are now."""
    path = directory / "kanarya.json"
    document = json.loads(path.read_bytes()) | changes
    files = {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "kanarya.json"}
    document["files"] = {
        name: FileDigest(sha256=digest(content), size=len(content)).model_dump(by_alias=True) for name, content in files.items()
    }
    path.write_text(json.dumps(document))


def test_a_good_artifact_is_read_with_its_digest(artifact):
    found = read(artifact("numeric"))

    assert found.digest == digest((artifact("numeric") / "kanarya.json").read_bytes())
    assert read(artifact("numeric"), digest=found.digest) == found


def test_every_problem_is_named_at_once(copy):
    directory = copy("numeric")
    model = bytearray((directory / "model.onnx").read_bytes())
    model[100] ^= 1
    (directory / "model.onnx").write_bytes(model)
    (directory / "README.md").unlink()
    (directory / "extra").mkdir()
    (directory / "extra" / "code.py").write_text("x = 1\n")
    (directory / "link").symlink_to("/etc/passwd")
    os.mkfifo(directory / "pipe")

    with pytest.raises(KanaryaError) as refused:
        read(directory, digest="sha256:" + "0" * 64)

    message = str(refused.value)
    for words in (
        "kanarya.json: has digest",
        "model.onnx: has digest",
        "README.md: is missing",
        "extra/code.py: is not in kanarya.json",
        "link: is not a regular file",
        "pipe: is not a regular file",
    ):
        assert words in message


def test_any_changed_byte_of_the_model_is_found(copy):
    directory = copy("numeric")
    original = (directory / "model.onnx").read_bytes()

    for position in range(0, len(original), 37):
        changed = bytearray(original)
        changed[position] ^= 0x40
        (directory / "model.onnx").write_bytes(changed)
        with pytest.raises(KanaryaError, match=r"model.onnx: has digest"):
            read(directory)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "is not a directory"),
        (lambda path: (path / "kanarya.json").unlink(), "kanarya.json cannot be read"),
        (lambda path: (path / "kanarya.json").write_text("{"), "JSON"),
        (lambda path: (path / "kanarya.json").write_text("{}"), "is missing and required"),
    ],
)
def test_a_directory_without_a_contract_is_no_artifact(copy, spoil, words):
    directory = copy("numeric")
    spoil(directory)

    with pytest.raises(KanaryaError, match=words):
        read(directory)


def test_a_model_that_does_not_reproduce_its_example_is_refused(copy):
    directory = copy("numeric")
    example = json.loads((directory / "kanarya.json").read_bytes())["example"]
    example["outputs"]["label"][0] = "virginica"
    rewrite(directory, example=example)

    with pytest.raises(KanaryaError, match="row 0: label is 'setosa', expected 'virginica'"):
        load(Settings(dir=str(directory)))


def test_an_onnx_file_that_is_none_is_refused(copy):
    directory = copy("numeric")
    (directory / "model.onnx").write_bytes(b"no model")
    rewrite(directory)

    with pytest.raises(KanaryaError, match="cannot load it"):
        load(Settings(dir=str(directory)))


def test_a_graph_with_other_inputs_or_outputs_is_refused(copy):
    directory = copy("mixed")
    document = json.loads((directory / "kanarya.json").read_bytes())
    document["inputs"][0]["name"] = "other"
    document["example"]["inputs"]["other"] = document["example"]["inputs"].pop("sepal_length")
    document["outputs"][0]["datatype"] = "INT64"
    document["reference"]["features"] = {}
    rewrite(directory, **{name: document[name] for name in ("inputs", "example", "outputs", "reference")})

    with pytest.raises(KanaryaError) as refused:
        load(Settings(dir=str(directory)))

    assert "the graph has inputs" in str(refused.value)
    assert "the graph's output label is tensor(string), expected INT64" in str(refused.value)


def test_a_skops_file_with_a_type_that_is_not_on_our_list_is_refused_by_name(copy):
    directory = copy("skops")
    path = directory / "model.skops"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content["schema.json"])
    schema.update({"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": "os.system"})
    content["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    rewrite(directory)

    with pytest.raises(KanaryaError, match=r"holds the type os.system, which is not on Kanarya's list"):
        load(Settings(dir=str(directory)))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_a_skops_file_that_is_none_is_refused(copy, content):
    directory = copy("skops")
    (directory / "model.skops").write_bytes(content)
    rewrite(directory)

    with pytest.raises(KanaryaError, match="skops cannot load it"):
        load(Settings(dir=str(directory)))


def test_a_skops_model_of_other_classes_is_refused(copy):
    directory = copy("skops")
    targets = [
        {
            "kind": "categorical",
            "name": "species",
            "probabilities": "probabilities",
            "classes": ["setosa", "virginica", "versicolor"],
        }
    ]
    rewrite(directory, targets=targets)

    with pytest.raises(KanaryaError, match="has classes"):
        loaders.load(read(directory), threads=1)


@pytest.mark.parametrize("source", ["https://host/model", "file:///x", "mlflow-artifacts:/1"])
def test_a_place_that_cannot_be_read_is_named(source):
    with pytest.raises(KanaryaError), local(source) as directory:
        read(directory)


def test_check_answers_without_serving(artifact, capsys):
    assert main(["check", str(artifact("numeric"))]) == 0

    assert "gives the right answers to its 4 example rows" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["numeric", "skops"])
def test_every_byte_of_every_file_counts(copy, kind):
    """Whichever byte is another, the artifact is not the one that the registry has, and is refused before it is loaded."""
    directory = copy(kind)
    known = read(directory).digest
    accepted = []
    for path in directory.iterdir():
        whole = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            # All of a contract, a graph and a page; of a pipeline's hundred thousand bytes, one in a hundred.
            for position in range(0, len(whole), 1 if len(whole) < 10_000 else 101):
                file.seek(position)
                file.write(bytes([whole[position] ^ (1 << position % 8)]))
                accepted += [] if _is_refused(directory, known) else [(path.name, position)]
                file.seek(position)
                file.write(whole[position : position + 1])

    assert accepted == []
    assert read(directory, digest=known).digest == known


def test_every_byte_of_the_other_files_is_vouched_for_by_the_contract_alone(copy):
    directory = copy("numeric")
    for name in ("model.onnx", "README.md"):
        whole = (directory / name).read_bytes()
        for position in range(len(whole)):
            (directory / name).write_bytes(whole[:position] + whole[position + 1 :])
            assert _is_refused(directory, None), (name, position)
        (directory / name).write_bytes(whole)


def _is_refused(directory, digest):
    try:
        read(directory, digest=digest)
    except KanaryaError:
        return True
    return False
