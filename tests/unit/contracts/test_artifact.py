import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.artifact import ArtifactContract, FileDigest, digest, parse
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import InvalidInput
from kanarya_contracts.testing import FILES, changed, contract, contract_document, file_digests, without

finite = st.floats(allow_nan=False, allow_infinity=False)
FORBIDDEN = "got a difference that forbids onnx, expected equal labels and numbers within tolerance"
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def said(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(json.dumps(document).encode())
    return [str(problem) for problem in caught.value.problems]


@st.composite
def contracts(draw: st.DrawFn) -> ArtifactContract:
    low, high = sorted([draw(finite), draw(finite)])
    categories = tuple(sorted(draw(st.sets(words, min_size=1, max_size=4))))
    number, word = draw(st.lists(words.filter(bool), min_size=2, max_size=2, unique=True))
    classes = tuple(sorted(draw(st.sets(words, min_size=2, max_size=3))))
    rows = draw(st.integers(1, 3))
    column = st.lists(st.none() | finite | st.integers() | words, min_size=rows, max_size=rows)
    probabilities = st.lists(finite, min_size=len(classes), max_size=len(classes))
    return contract(
        inputs=[
            {"kind": "numeric", "name": number, "minimum": low, "maximum": high, "nullable": draw(st.booleans())},
            {"kind": "categorical", "name": word, "categories": categories, "unknown": "accept"},
        ],
        outputs=_outputs(len(classes)),
        targets=[{"kind": "categorical", "name": "species", "probabilities": "probabilities", "classes": classes}],
        reference={
            "rows": draw(st.integers(1)),
            "features": {
                number: {"kind": "numeric", "edges": sorted({low, high}), "counts": [1] * (len({low, high}) + 1)},
                word: {"kind": "categorical", "counts": dict.fromkeys(categories, 3), "missing": 1},
            },
            "predictions": {"species": {"kind": "categorical", "counts": dict.fromkeys(classes, 5)}},
        },
        example={
            "inputs": {number: draw(column), word: draw(column)},
            "outputs": {
                "label": draw(st.lists(st.sampled_from(classes), min_size=rows, max_size=rows)),
                "probabilities": draw(st.lists(probabilities, min_size=rows, max_size=rows)),
            },
        },
        metrics=draw(
            st.dictionaries(words, st.fixed_dictionaries({"value": finite, "spread": st.none() | finite}), max_size=3)
        ),
    )


@settings(max_examples=50)
@given(contracts())
def test_a_contract_is_read_back_as_it_was_written_and_written_again_byte_for_byte(written: ArtifactContract) -> None:
    content = written.dumps()
    assert parse(content) == written
    assert parse(content).dumps() == content


def test_the_file_is_indented_utf8_with_a_newline_at_its_end() -> None:
    content = contract(targets=_species("gül", "lale"), reference=_reference("gül"), example=_example("gül", "lale")).dumps()
    assert content.endswith(b"}\n")
    assert '  "gül"' in content.decode("utf-8")


def _reference(label: str) -> dict[str, object]:
    return {"rows": 1, "features": {}, "predictions": {"species": {"kind": "categorical", "counts": {label: 1}}}}


def _species(*classes: str) -> list[dict[str, object]]:
    return [{"kind": "categorical", "name": "species", "probabilities": "probabilities", "classes": classes}]


def _outputs(width: int) -> list[dict[str, object]]:
    return [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, width]},
    ]


def _example(*labels: str | int) -> dict[str, object]:
    document: dict[str, Any] = contract_document()["example"]
    return document | {"outputs": document["outputs"] | {"label": labels}}


def test_the_digest_of_an_artifact_is_the_sha256_of_its_contract() -> None:
    assert digest(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("inputs[0].minimum", 9, "inputs[0].minimum: got 9, expected at most maximum, 6.9"),
        ("inputs[0].datatype", "BYTES", "inputs[0].datatype: got 'BYTES', expected a datatype of numbers"),
        ("inputs[0].kind", "text", "inputs[0].kind: got 'text', expected 'numeric' or 'categorical'"),
        ("inputs[0].minimun", 1, "inputs[0].minimun: is not a known field"),
        ("inputs[0].minimum", "1.0", "inputs[0].minimum: got '1.0', expected a number"),
        ("inputs[0].minimum", math.nan, "inputs[0].minimum: got nan, expected a finite number"),
        ("inputs[1].categories", [], "inputs[1].categories: got a list of 0, expected 1 or more items"),
        ("inputs[1].categories", ["a", "a"], "inputs[1].categories: got ['a'] more than once, expected every name once"),
        ("schemaVersion", "v2", "schemaVersion: got 'v2', expected 'kanarya.dev/artifact/v1'"),
        ("schema_version", "v2", "schema_version: is not a known field"),
        ("runtime.file", "pickle.pkl", "runtime.file: got 'pickle.pkl', expected one of files"),
        ("runtime.format", "pickle", "runtime.format: got 'pickle', expected 'onnx', 'skops', 'lightgbm' or 'xgboost'"),
        (
            "runtime.format",
            "skops",
            "runtime.reason: is missing with format skops, expected a reason for every other format and none for onnx",
        ),
        (
            "runtime.reason",
            "slow",
            "runtime.reason: got 'slow' with format onnx, expected a reason for every other format and none for onnx",
        ),
        ("runtime.parity.labelsDifferent", 1, f"runtime.parity: {FORBIDDEN}"),
        ("runtime.parity.largestDifference", 0.5, f"runtime.parity: {FORBIDDEN}"),
        ("reference.rows", 0, "reference.rows: got 0, expected 1 or more"),
        (
            "reference.features.petal_length.counts",
            [1],
            "reference.features.petal_length.counts: got 1 for 2 edges, expected one more than edges",
        ),
        (
            "reference.features.petal_length.counts[0]",
            -1,
            "reference.features.petal_length.counts[0]: got -1, expected 0 or more",
        ),
        (
            "reference.features.petal_length.edges",
            [4.5, 2.5],
            "reference.features.petal_length.edges: got edges that do not ascend, expected each above the one before",
        ),
        (
            "reference.features.sepal",
            {"kind": "categorical", "counts": {}},
            "reference.features: got ['sepal'], expected some of ['petal_length', 'garden']",
        ),
        (
            "reference.predictions.species.counts.rose",
            1,
            "reference.predictions.species: got ['rose'], expected some of ['setosa', 'virginica']",
        ),
        ("example.outputs.label[0]", "rose", "example.outputs.label: got ['rose'], expected some of ['setosa', 'virginica']"),
        (
            "example.inputs.garden[0]",
            ["x"],
            "example.inputs.garden[0]: got a list of 1, expected a number or a whole number or text or true or false",
        ),
        ("example.inputs.garden", ["north"], "example.inputs.garden: got 1 values for 2 rows"),
        ("example.outputs.probabilities", [[0.9, 0.1]], "example.outputs.probabilities: got 1 rows, expected 2"),
        ("example.outputs.probabilities[1]", [1.0], "example.outputs.probabilities[1]: got 1 elements, expected 2"),
        ("example.outputs.probabilities[1]", 1.0, "example.outputs.probabilities[1]: got 1.0, expected a list of 2"),
        ("example.outputs.label[1]", [0.5], "example.outputs.label[1]: got (0.5,), expected one element"),
        (
            "outputs[0].datatype",
            "FP32",
            "outputs: label is FP32, expected one of BYTES, INT16, INT32, INT64, INT8, UINT16, UINT32, UINT64, UINT8",
        ),
        ("outputs[1].shape", [-1, 3], "outputs: probabilities has 3 elements a row, expected 2"),
        ("outputs[1].shape", [2, 2], "outputs[1].shape: got [2, 2], expected [-1] or [-1, n]"),
        ("outputs[1].name", "p", "targets: got ['probabilities'], expected some of ['label', 'p']"),
        ("targets", [], "targets: got none, expected one or more for task classification"),
        ("targets[0].classes", ["a", "a"], "targets[0].classes: got ['a'] more than once, expected every name once"),
        ("task", "regression", "targets[0].kind: got 'categorical' for task regression"),
        ("task", "transformation", "targets: got 1, expected none for task transformation"),
        ("example.tolerance", 0, "example.tolerance: got 0, expected more than 0"),
        ("files.MLmodel.sha256", "abc", "files.MLmodel.sha256: got 'abc', expected text that matches ^sha256:[0-9a-f]{64}$"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused_at_the_field(path: str, value: object, expected: str) -> None:
    assert said(changed(contract_document(), path, value)) == [expected]


def test_a_skops_artifact_keeps_the_difference_that_forbade_onnx() -> None:
    parity = {"rows": 30, "labelsDifferent": 2, "largestDifference": 0.5, "tolerance": 1e-5}
    runtime = {"format": "skops", "file": "model.onnx", "reason": "2 of 30 labels differ", "parity": parity}
    content = json.dumps(changed(contract_document(), "runtime", runtime)).encode()
    assert parse(content).runtime.parity is not None


def test_an_example_with_other_columns_is_refused_with_those_there_are() -> None:
    assert said(without(contract_document(), "example.inputs.garden")) == [
        "example.inputs: got ['petal_length'], expected ['garden', 'petal_length']"
    ]


def test_an_example_without_a_row_proves_nothing_and_is_refused() -> None:
    empty = {"inputs": {"petal_length": [], "garden": []}, "outputs": {"label": [], "probabilities": []}}
    assert said(changed(contract_document(), "example", empty)) == ["example.inputs: got no row, expected one or more"]


def test_two_inputs_of_one_name_are_refused() -> None:
    document = contract_document()
    assert "inputs: got ['petal_length'] more than once, expected every name once" in said(
        changed(document, "inputs", [*document["inputs"], document["inputs"][0]])
    )


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "a//b", "./x", "", "a\\..\\x", "x\0y", "..", CONTRACT_FILE]
)
def test_a_file_that_is_not_a_plain_path_inside_the_artifact_is_refused(path: str) -> None:
    document = contract_document()
    files = document["files"] | {path: document["files"]["MLmodel"]}
    assert said(changed(document, "files", files)) == [f"files: got {path!r}, expected relative paths inside the artifact"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused_as_that(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"kanarya\.json: 1 problem\n  is not JSON: "):
        parse(content)


def test_every_problem_of_a_contract_is_reported_at_once() -> None:
    wrong = changed(without(contract_document(), "training.family"), "data.rows", 1.5)
    assert said(changed(wrong, "inputs[1].kind", "x")) == [
        "inputs[1].kind: got 'x', expected 'numeric' or 'categorical'",
        "data.rows: got 1.5, expected a whole number",
        "training.family: is missing and required",
    ]


def test_the_files_that_are_listed_and_no_others_are_right() -> None:
    assert contract().file_problems(file_digests(FILES)) == []


def test_missing_extra_altered_and_cut_files_are_each_named() -> None:
    listed = {"a": b"1", "b": b"2", "c": b"333", "model.onnx": b"4"}
    there = file_digests({"b": b"x", "c": b"33", "model.onnx": b"4", "evil.pkl": b"5"})
    problems = contract(files=listed).file_problems(there)
    assert problems == [
        "a: is missing",
        "evil.pkl: is not in kanarya.json",
        f"b: has digest {digest(b'x')[:19]}…, expected {digest(b'2')[:19]}…",
        "c: has 2 bytes, expected 3",
    ]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["model.onnx", "a", "b/c"]), st.binary(max_size=3)))
def test_files_pass_exactly_if_paths_and_bytes_are_those_of_the_contract(found: dict[str, bytes]) -> None:
    listed = {"model.onnx": b"m", "a": b"1"}
    assert (contract(files=listed).file_problems(file_digests(found)) == []) == (found == listed)


def test_a_file_of_the_same_size_and_another_digest_is_altered() -> None:
    want = contract().files["MLmodel"]
    found = {**contract().files, "MLmodel": FileDigest(sha256=digest(b"other"), size=want.size)}
    assert len(contract().file_problems(found)) == 1


LABELS = ["setosa", "virginica"]
RIGHT = [0.9, 0.1, 0.2, 0.8]


def test_the_expected_answers_reproduce_the_example() -> None:
    assert contract().example_problems({"label": LABELS, "probabilities": RIGHT}) == []


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"label": LABELS}, ["probabilities: is not among the answers"]),
        ({"label": ["setosa"], "probabilities": RIGHT}, ["label: has 1 elements, expected 2"]),
        ({"label": ["setosa"] * 2, "probabilities": RIGHT}, ["row 1: label is 'setosa', expected 'virginica'"]),
        ({"label": LABELS, "probabilities": RIGHT[:3]}, ["probabilities: has 3 elements, expected 4"]),
        ({"label": LABELS, "probabilities": ["a"] * 4}, ["probabilities: has elements that are no numbers"]),
        ({"label": LABELS, "probabilities": [0.9, 0.1, math.nan, 0.8]}, ["row 1: probabilities is nan, expected 0.2"]),
        ({"label": LABELS, "probabilities": [math.inf, 0.1, 0.2, 0.8]}, ["row 0: probabilities is inf, expected 0.9"]),
        (
            {"label": LABELS, "probabilities": [0.89, 0.11, 0.2, 0.8]},
            ["row 0: probabilities is off by 0.01, at most 0.0001 is allowed"],
        ),
    ],
)
def test_other_answers_to_the_example_are_named_by_row(answers: dict[str, Any], expected: list[str]) -> None:
    assert contract().example_problems(answers) == expected


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 2e-4))
def test_a_probability_may_be_off_by_the_tolerance_and_no_more(off: float) -> None:
    problems = contract().example_problems({"label": LABELS, "probabilities": [0.9, 0.1, 0.2 + off, 0.8]})
    assert (problems == []) == (abs(0.2 + off - 0.2) <= 1e-4)


def test_labels_that_are_numbers_are_equal_to_the_words_they_are_on_the_wire() -> None:
    numbered = contract(targets=_species("0", "1"), reference=_reference("0"), example=_example(0, 1))
    assert numbered.example_problems({"label": ["0", "1"], "probabilities": RIGHT}) == []


def prices(*expected: float) -> ArtifactContract:
    """A contract for two numbers, of which the second stands in another unit."""
    rows = len(expected)
    return contract(
        task="regression",
        outputs=[{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("price.value", "rent.value")],
        targets=[{"kind": "numeric", "name": name, "value": f"{name}.value", "error_bound": 5.0} for name in ("price", "rent")],
        reference={"rows": 9, "features": {}, "predictions": {"rent": {"kind": "numeric", "edges": [1.0], "counts": [2, 7]}}},
        example={
            "inputs": {"petal_length": [1.0] * rows, "garden": ["north"] * rows},
            "outputs": {"price.value": expected, "rent.value": [1.0] * rows},
        },
    )


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 1e9), st.floats(-2e-4, 2e-4))
def test_a_number_may_be_off_by_a_share_of_the_largest_one_expected(largest: float, off: float) -> None:
    answers = {"price.value": [largest * (1 + off), -largest / 3], "rent.value": [1.0, 1.0]}
    wrong = prices(largest, -largest / 3).example_problems(answers)
    assert (wrong == []) == (abs(largest * (1 + off) - largest) <= 1e-4 * largest)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("targets[0].errorBound", 0, "targets[0].errorBound: got 0, expected more than 0"),
        ("targets[1].value", "price.value", "targets: got ['price.value'] more than once, expected every name once"),
        ("outputs[0].shape", [-1, 2], "outputs: price.value has 2 elements a row, expected 1"),
        (
            "reference.predictions.rent",
            {"kind": "categorical", "counts": {"1": 3}},
            "reference.predictions.rent.kind: got 'categorical', expected 'numeric' as the target is",
        ),
    ],
)
def test_a_contract_of_numbers_that_contradicts_itself_is_refused_at_the_field(path: str, value: object, expected: str) -> None:
    document = json.loads(prices(3.0).dumps())
    assert expected in said(changed(document, path, value))
