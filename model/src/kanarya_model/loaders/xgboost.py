"""XGBoost from the JSON or UBJSON that `Booster.save_model` writes. Needs the extra `xgboost`.

Both are data: trees, no code. XGBoost reads them in C++ and may end the process at what is neither; what the contract's digest
vouches for was loaded when the contract was written.
"""

import json
from typing import Any

import numpy as np
import xgboost

from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction, Predictor
from kanarya_model.core.values import LARGEST_FP32
from kanarya_model.loaders import boosted

NUMBERS = Datatype.FP32
"""What it computes with."""
_PROBABILITIES = frozenset({"binary:logistic", "multi:softprob"})
_UBJSON = (b"{L", b"{l", b"{i", b"{U", b"{I")


def load(content: bytes, contract: ArtifactContract, *, threads: int) -> tuple[Predictor | None, list[str]]:
    """A predictor, or what is wrong."""
    try:
        booster = read(content, threads=threads)
    except (ValueError, xgboost.core.XGBoostError) as error:
        return None, [f"XGBoost {xgboost.__version__} cannot load it: {str(error).splitlines()[0]}"]
    columns = [column.name for column in contract.inputs]
    names = names_of(booster)
    wrong = boosted.problems(
        contract,
        names=columns if booster.feature_names is None and len(names) == len(columns) else names,
        scores=scores(booster),
        probabilities=gives_probabilities(booster),
        datatype=NUMBERS,
    )
    return (None, wrong) if wrong else (_Booster(booster, contract), [])


def read(content: bytes, *, threads: int) -> Any:
    """The booster. Raises ValueError, or XGBoost's own error."""
    if not content.startswith(_UBJSON):
        json.loads(content)
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    booster.set_param({"nthread": threads, "verbosity": 0})
    if _objective(booster) == "multi:softmax":
        booster.set_param({"objective": "multi:softprob"})  # the same trees, asked for shares and not for the largest's number
    return booster


def names_of(booster: Any) -> list[str]:
    """Its columns' names; of a model that was trained without any, numbers."""
    return list(booster.feature_names or (str(number) for number in range(booster.num_features())))


def gives_probabilities(booster: Any) -> bool:
    """Whether its objective is one of classification."""
    return _objective(booster) in _PROBABILITIES


def scores(booster: Any) -> int:
    """How many a row has."""
    shape = _learner(booster)["learner_model_param"]
    return max(int(shape["num_class"]), int(shape["num_target"]), 1)


def _objective(booster: Any) -> str:
    return str(_learner(booster)["objective"]["name"])


def _learner(booster: Any) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(booster.save_config())["learner"]
    return learner


class _Booster:
    largest = LARGEST_FP32
    quick = False

    def __init__(self, booster: Any, contract: ArtifactContract) -> None:
        self._predict = booster.inplace_predict
        self._answers = boosted.Answers(contract)

    def predict(self, rows: Rows) -> Prediction:
        return self._answers.of(self._predict(np.asarray(rows.matrix, np.float32), validate_features=False))
