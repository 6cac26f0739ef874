"""Versions of a regression, registered in a real MLflow and measured alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kanarya_training_job as job
from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract, NumericHistogram, NumericTarget

Make = Callable[..., job.Settings]


def rows(scale: float) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"area": chance.uniform(20, 200, 120).round(1)})
    return frame.assign(price=(scale * (frame["area"] + chance.normal(0, 5, 120))).round(2))


def predicted(outcome: job.Outcome) -> tuple[ArtifactContract, NumericTarget, NumericHistogram]:
    contract = artifact.parse((outcome.artifact_dir / "kanarya.json").read_bytes())
    (target,), histogram = contract.targets, contract.reference.predictions["price"]
    assert isinstance(target, NumericTarget)
    assert isinstance(histogram, NumericHistogram)
    return contract, target, histogram


@pytest.fixture
def train(settings: Make, mlflow_uri: str, tmp_path: Path) -> Callable[..., job.Outcome]:
    """Train `price` on rows of that scale, by that family."""

    def run(scale: float, family: str, alias: str) -> job.Outcome:
        source = tmp_path / "rows.csv"
        rows(scale).to_csv(source, index=False)
        search: dict[str, Any] = {"folds": 3, "candidates": [{"family": family, "grid": {}}]}
        chosen = settings(data={"source": str(source)}, task="regression", target="price", metrics=None, search=search)
        return job.train(chosen, registry_uri=mlflow_uri, work_dir=tmp_path / "work", alias=alias)

    return run


def test_a_challenger_has_the_champions_bins_and_bound_and_is_compared_by_its_error(train: Callable[..., job.Outcome]) -> None:
    champion = train(1.0, "decision-tree", "champion")
    challenger = train(1.5, "ridge", "challenger")

    _, own, first = predicted(champion)
    contract, target, bins = predicted(challenger)
    assert (bins.edges, target.error_bound) == (first.edges, own.error_bound)
    assert len(first.counts) == 10
    assert bins.counts != first.counts
    assert sum(bins.counts) == len(rows(1.0)) - contract.reference.rows
    assert challenger.comparison.metric == "rmse"
    assert (challenger.comparison.verdict, challenger.comparison.only_candidate_right) == ("better", None)


def test_a_worse_regression_is_refused_in_the_unit_of_its_target(train: Callable[..., job.Outcome]) -> None:
    train(1.0, "ridge", "champion")

    with pytest.raises(job.ComparisonRefused, match=r"rmse \d+\.\d+ on 36 held-out rows is worse than version 1's"):
        train(1.0, "decision-tree", "challenger")
