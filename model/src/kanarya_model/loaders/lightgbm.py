"""LightGBM from the text that `Booster.save_model` writes. Needs the extra `lightgbm`.

The text is data: trees, no code. LightGBM reads it in C++ and ends the process at some that is cut short, so its end is looked
for first; what stands between is vouched for by the contract's digest.
"""

from typing import Any

import lightgbm
import numpy as np

from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction, Predictor
from kanarya_model.core.values import LARGEST_FP64
from kanarya_model.loaders import boosted

NUMBERS = Datatype.FP64
"""What it computes with."""
_PROBABILITIES = frozenset({"binary", "multiclass", "multiclassova", "cross_entropy"})
_UNNAMED = "Column_"


def load(content: bytes, contract: ArtifactContract, *, threads: int) -> tuple[Predictor | None, list[str]]:
    """A predictor, or what is wrong."""
    try:
        booster = read(content)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        return None, [f"LightGBM {lightgbm.__version__} cannot load it: {error}"]
    columns = [column.name for column in contract.inputs]
    wrong = boosted.problems(
        contract,
        names=_as_written(columns, names_of(booster)),
        scores=booster.num_model_per_iteration(),
        probabilities=gives_probabilities(content),
        datatype=NUMBERS,
    )
    return (None, wrong) if wrong else (_Booster(booster, contract, threads), [])


def read(content: bytes) -> Any:
    """The booster. Raises ValueError, or LightGBM's own error."""
    text = content.decode()
    if not text.startswith("tree\n") or "\nend of trees\n" not in text:
        raise ValueError("it is not, or not all of, the text that LightGBM's save_model writes")
    if "pandas_categorical:" in text and "pandas_categorical:null" not in text and "pandas_categorical:[]" not in text:
        raise ValueError("it was trained on columns of pandas' categories, expected numbers alone")
    return lightgbm.Booster(model_str=text)


def names_of(booster: Any) -> list[str]:
    """Its columns' names; of a model that was trained without any, its numbers."""
    return [str(name) for name in booster.feature_name()]


def written(name: str) -> str:
    """A column's name as LightGBM writes it."""
    return name.replace(" ", "_")


def unnamed(names: list[str]) -> bool:
    """Whether these are LightGBM's own numbers."""
    return all(name == f"{_UNNAMED}{index}" for index, name in enumerate(names))


def gives_probabilities(content: bytes) -> bool:
    """Whether its objective, the first word of the line that says so, is one of classification."""
    lines = (line for line in content.decode().splitlines() if line.startswith("objective="))
    return next(lines, "").removeprefix("objective=").partition(" ")[0] in _PROBABILITIES


def _as_written(columns: list[str], names: list[str]) -> list[str]:
    """The model's names as the contract has them, where they are the same but for what LightGBM does to a name."""
    same = [written(name) for name in columns] == names
    return columns if len(names) == len(columns) and (unnamed(names) or same) else names


class _Booster:
    largest = LARGEST_FP64
    quick = False

    def __init__(self, booster: Any, contract: ArtifactContract, threads: int) -> None:
        self._predict = booster.predict
        self._answers = boosted.Answers(contract)
        self._threads = threads

    def predict(self, rows: Rows) -> Prediction:
        return self._answers.of(self._predict(np.asarray(rows.matrix, np.float64), num_threads=self._threads))
