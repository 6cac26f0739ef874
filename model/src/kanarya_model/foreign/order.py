"""What a person asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kanarya_contracts.artifact import Task


@dataclass(frozen=True, kw_only=True)
class Order:
    """A model that wants a contract."""

    file: Path
    """The model: `.onnx`, `.skops`, LightGBM's `.txt`, XGBoost's `.json` or `.ubj`."""
    rows: Path
    """CSV with a header: rows like those it was trained on. Columns that the model does not take are left out."""
    model: str
    """The registered model's name."""
    targets: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """What is predicted → its classes in the order of the probabilities, where the file does not tell. A column of that name in
    the rows is the truth, and the model is measured by it."""
    task: Task | None = None
    """Where the file leaves it open."""
    error_bounds: Mapping[str, float] = field(default_factory=dict)
    """Of a regression: target → the error that counts as much as any larger one. Default: the spread of the rows' truth, or of
    the answers."""
    like: Path | None = None
    """An artifact whose bins and bounds are taken over, so that both versions are measured alike."""
