"""A configuration's text becomes settings, or every problem in it with its line."""

from pathlib import Path

import pytest
import yaml

from kanarya_contracts.problems import InvalidInput
from kanarya_training_job import load_settings
from kanarya_training_job.configuration import parse_settings
from kanarya_training_job.settings import Settings

EXAMPLES = Path(__file__).parents[3] / "examples"
MINIMAL = "model: iris\ndata: {source: iris.csv}\ntarget: species\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_settings(text, source="job.yaml", directory=Path())
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("iris*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid_and_finds_its_data(path: Path) -> None:
    assert Path(load_settings(path).data.source).is_file()


def test_the_examples_hold_out_the_same_rows() -> None:
    first, second = (load_settings(EXAMPLES / name) for name in ("iris-baseline.yaml", "iris.yaml"))
    same = ("seed", "data", "target", "features", "quality", "cleaning", "split")
    assert all(getattr(first, name) == getattr(second, name) for name in same)


def test_three_lines_are_enough() -> None:
    settings = parse_settings(MINIMAL, source="job.yaml", directory=Path("/somewhere"))
    assert settings.data.source == "/somewhere/iris.csv"
    assert settings.split.fraction == 0.25
    assert settings.registry.alias == "challenger"
    assert len({candidate.family for candidate in settings.candidates}) == 3


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    text = """\
model: Iris
seed: -1
data:
  source: ftp://somewhere/iris.csv
  encoding: utf-99
  sheet: 2
features:
  sepal_length: {minimum: 3, maximum: 1}
  colour: {kind: categorical, minimum: 0}
cleaning: {infinite: missing}
split: {test: 0.3, evaluation: held-out.csv}
search:
  folds: 1
  candidates:
    - family: perceptron
    - family: svc
      grid: {depth: [1]}
    - family: gaussian-nb
      grid: {var_smoothing: [1e-9]}
"""
    found = problems_of(text)
    assert [problem.split(":")[0] for problem in found] == [
        "target",
        *(f"line {line}" for line in (1, 2, 4, 5, 6, 8, 9, 10, 11, 13, 15, 16, 19)),
    ]
    everything = "\n".join(found)
    for part in (
        "target: is missing and required",
        "line 1: model: got 'Iris'",
        "expected a path, s3://… or https://…",
        "an encoding that Python knows",
        "line 6: data.sheet: is not a known field",
        "minimum 3 is above maximum 1",
        "minimum and maximum are for numeric columns",
        "set missing to drop or impute",
        "has both test and evaluation",
        "line 16: search.candidates[1]: grid has depth, expected some of C, class_weight, degree, gamma, kernel for svc",
        "line 19: search.candidates[2].grid.var_smoothing[0]: got the text '1e-9', which YAML does not read as a number",
    ):
        assert part in everything


def test_a_key_given_twice_is_a_problem_because_yaml_would_keep_the_last() -> None:
    assert problems_of(MINIMAL + "seed: 1\nseed: 2\n") == ["line 5: seed: is given twice, first in line 4; keep one"]


def test_a_key_given_twice_is_reported_beside_other_problems() -> None:
    found = problems_of("model: iris\ntarget: species\ntarget: colour\n")
    assert found == ["data: is missing and required", "line 3: target: is given twice, first in line 2; keep one"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model: [iris\n", "is not YAML"),
        ("model: !!python/object:os.system {}\n", "is not YAML"),
        ("model: 2026-13-45\n", "is not YAML: month must be in 1..12"),
        ("model: &model [*model]\n", "is nested too deeply, or inside itself"),
        ("", "is empty"),
        ("- iris\n", "is not a mapping"),
    ],
)
def test_what_is_no_mapping_of_keys_is_one_problem(text: str, problem: str) -> None:
    (found,) = problems_of(text)
    assert problem in found


def test_a_target_among_the_features_is_refused() -> None:
    (found,) = problems_of(MINIMAL + "features: {species: {kind: categorical}}\n")
    assert "the model would be given the answer" in found


def test_a_grid_without_a_value_is_refused() -> None:
    (found,) = problems_of(MINIMAL + "search: {candidates: [{family: svc, grid: {C: []}}]}\n")
    assert "grid has no value for C" in found


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.yaml: 1 problem\n  cannot be read: No such file"):
        load_settings(tmp_path / "absent.yaml")


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes("model: größe".encode("latin-1"))
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        load_settings(path)


def test_every_field_is_documented() -> None:
    schema = Settings.model_json_schema()
    sections = {"data", "quality", "cleaning", "split", "search", "conversion", "comparison", "registry"}  # their class says it
    silent = [
        f"{name}.{field}"
        for name, part in {**schema["$defs"], "Settings": schema}.items()
        for field, described in part["properties"].items()
        if "description" not in described and field not in sections | {"family"}
    ]
    assert silent == []


def test_what_is_written_out_reads_back_as_the_same_settings() -> None:
    settings = load_settings(EXAMPLES / "iris.yaml")
    text = yaml.safe_dump(settings.model_dump(mode="json"))
    assert parse_settings(text, source="again.yaml", directory=Path("/elsewhere")) == settings
