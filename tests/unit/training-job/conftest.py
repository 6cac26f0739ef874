"""Rows and settings that the tests of this folder start from."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from kanarya_training_job.features import Column, Rows
from kanarya_training_job.settings import Settings
from kanarya_training_job.source import Table

IRIS = Path(__file__).parents[3] / "data" / "iris.csv"


@pytest.fixture(autouse=True)
def _no_process_for_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANARYA_CODE_REVISION", "0123456")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """As in the search: on few rows, more threads only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def iris() -> Path:
    """The real rows."""
    return IRIS


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Settings of the smallest search, with what a test wants to be otherwise."""

    def make(**changes: Any) -> Settings:
        document: dict[str, Any] = {
            "model": "iris",
            "data": {"source": str(IRIS)},
            "target": "species",
            "search": {"folds": 3, "candidates": [{"family": "decision-tree", "grid": {"max_depth": [3]}}]},
        }
        return Settings.model_validate(document | changes)

    return make


@pytest.fixture
def make_table() -> Callable[..., Table]:
    """Columns as a CSV's rows would come."""

    def make(**columns: list[object]) -> Table:
        return Table(frame=pd.DataFrame(columns), sha256=f"sha256:{'0' * 64}", source="rows.csv", first_line=2)

    return make


@pytest.fixture
def make_rows() -> Callable[..., Rows]:
    """Checked rows: float lists are numbers, others words; the target is `y`."""

    def make(y: list[object], **columns: list[Any]) -> Rows:
        frame = pd.DataFrame(columns | {"y": y})
        numeric = pd.api.types.is_numeric_dtype
        kinds = tuple(Column(name=name, kind="numeric" if numeric(frame[name]) else "categorical") for name in columns)
        return Rows(frame=frame, columns=kinds, targets=("y",))

    return make
