import datetime
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kanarya_contracts.problems import InvalidInput, KanaryaError, Path, Problem, agreed, from_validation, problem, validated


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Fish(BaseModel):
    kind: Literal["fish"]
    depth: float = Field(gt=0, lt=100)


class Zoo(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    animals: list[Annotated[Cat | Fish, Field(discriminator="kind")]] = []
    numbers: dict[str, float | str] = {}
    name: str = Field(default="zoo", min_length=2, max_length=6, pattern="^z")
    open: bool = True
    ratio: float = 1.0
    size: Literal["small", "large"] = "small"
    keepers: tuple[str, ...] = ("me",)
    friends: list[str] = Field(default=[], max_length=1)
    since: datetime.datetime | None = None
    price: Annotated[int, Field(multiple_of=5)] = 5

    @model_validator(mode="after")
    def _big_enough(self) -> "Zoo":
        return agreed(
            self, [problem("got no animal, expected some", "animals")] if self.size == "large" and not self.animals else []
        )


def said(document: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        validated(Zoo, document, source="zoo.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"nmae": "zoo"}, "nmae: is not a known field"),
        ({"animals": [{"kind": "cat"}]}, "animals[0].lives: is missing and required"),
        ({"animals": [{"kind": "cat", "lives": 0}]}, "animals[0].lives: got 0, expected 1 or more"),
        ({"animals": [{"kind": "cat", "lives": 10}]}, "animals[0].lives: got 10, expected 9 or less"),
        ({"animals": [{"kind": "fish", "depth": 0}]}, "animals[0].depth: got 0, expected more than 0"),
        ({"animals": [{"kind": "fish", "depth": 100}]}, "animals[0].depth: got 100, expected less than 100"),
        ({"animals": [{"kind": "dog"}]}, "animals[0].kind: got 'dog', expected 'cat' or 'fish'"),
        ({"animals": [{"lives": 3}]}, "animals[0].kind: is missing and required"),
        ({"animals": [3]}, "animals[0]: got 3, expected a mapping"),
        ({"animals": {}}, "animals: got a mapping, expected a list"),
        ({"numbers": {"a": [1]}}, "numbers.a: got a list of 1, expected a number or text"),
        ({"numbers": []}, "numbers: got a list of 0, expected a mapping"),
        ({"name": 8}, "name: got 8, expected text"),
        ({"name": "z"}, "name: got 'z', expected text of 2 or more characters"),
        ({"name": "zzzzzzz"}, "name: got 'zzzzzzz', expected text of 6 or fewer characters"),
        ({"name": "oz"}, "name: got 'oz', expected text that matches ^z"),
        ({"open": "yes"}, "open: got 'yes', expected true or false"),
        ({"ratio": "1"}, "ratio: got '1', expected a number"),
        ({"ratio": float("nan")}, "ratio: got nan, expected a finite number"),
        ({"size": "tiny"}, "size: got 'tiny', expected 'small' or 'large'"),
        ({"size": None}, "size: got null, expected 'small' or 'large'"),
        ({"size": "large"}, "animals: got no animal, expected some"),
        ({"keepers": "me"}, "keepers: got 'me', expected a list"),
        ({"friends": ["a", "b"]}, "friends: got a list of 2, expected 1 or fewer items"),
        ({"since": "noon"}, "since: got 'noon', expected a time such as 2026-01-31T12:00:00Z"),
        ({"price": 3}, "price: got 3: Input should be a multiple of 5"),
        ({"name": "y" * 500}, "name: got '" + "y" * 78 + "…, expected text of 6 or fewer characters"),
        (None, "got null, expected a mapping"),
        ([], "got a list of 0, expected a mapping"),
        ({("a", "b"): 1}, "cannot be written as JSON: keys must be str, int, float, bool or None, not tuple"),
    ],
)
def test_a_problem_says_where_it_is_what_it_got_and_what_was_expected(document: object, expected: str) -> None:
    assert said(document) == [expected]


def test_all_problems_are_reported_at_once_each_on_its_own_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        validated(Zoo, {"name": 8, "animals": [{"kind": "cat", "lives": 0}, {"kind": "dog"}]}, source="zoo.yaml")
    assert str(caught.value).splitlines() == [
        "zoo.yaml: 3 problems",
        "  animals[0].lives: got 0, expected 1 or more",
        "  animals[1].kind: got 'dog', expected 'cat' or 'fish'",
        "  name: got 8, expected text",
    ]


@pytest.mark.parametrize(("value", "shown"), [("5", "'5'"), (5.5, "5.5"), (True, "true"), (None, "null")])
def test_what_a_cluster_would_refuse_is_not_taken_for_a_whole_number(value: object, shown: str) -> None:
    assert said({"price": value}) == [f"price: got {shown}, expected a whole number"]


def test_a_refused_item_does_not_make_its_list_too_short_as_well() -> None:
    class Box(BaseModel):
        items: tuple[int, ...] = Field(min_length=1)

    with pytest.raises(InvalidInput) as caught:
        validated(Box, {"items": ["x"]}, source="box")
    assert [problem.path for problem in caught.value.problems] == [("items", 0)]


def test_a_missing_key_is_given_the_line_of_what_encloses_it() -> None:
    lines: dict[Path, int] = {(): 1, ("animals",): 2, ("animals", 0): 3}
    with pytest.raises(InvalidInput) as caught:
        validated(Zoo, {"animals": [{"kind": "cat"}]}, source="zoo.yaml", line_of=lines.get)
    assert str(caught.value.problems[0]) == "line 3: animals[0].lives: is missing and required"


def test_times_and_numbers_that_yaml_has_read_are_taken() -> None:
    document = {"since": datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC), "ratio": 2}
    zoo = validated(Zoo, document, source="zoo.yaml")
    assert (zoo.since, zoo.ratio) == (document["since"], 2.0)


def test_findings_of_a_model_that_was_read_elsewhere_become_problems_too() -> None:
    document = {"animals": [{"kind": "cat", "lives": Decimal(0)}]}
    with pytest.raises(ValidationError) as caught:
        Zoo.model_validate(document)
    assert from_validation("zoo", caught.value, document=document).problems == (
        Problem(path=("animals", 0, "lives"), message="got Decimal('0'), expected 1 or more"),
    )


def test_invalid_input_is_something_a_person_can_act_on() -> None:
    error = InvalidInput("zoo.yaml", [Problem(path=("a", 1, "b"), message="got 1, expected 2", line=7)])
    assert isinstance(error, KanaryaError)
    assert str(error) == "zoo.yaml: 1 problem\n  line 7: a[1].b: got 1, expected 2"
