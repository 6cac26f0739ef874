"""Bytes into a predictor: one file per kind of model. Called by `server` with a verified artifact.

A library is imported when an artifact needs it and not before, so that an ONNX model starts without scikit-learn installed.
"""

from kanarya_contracts.artifact import ArtifactContract, Format
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem
from kanarya_model.artifact import Artifact
from kanarya_model.core.model import Predictor

EXTRAS: dict[Format, tuple[str, str]] = {
    "skops": ("scikit-learn", "sklearn"),
    "lightgbm": ("LightGBM", "lightgbm"),
    "xgboost": ("XGBoost", "xgboost"),
}
"""Format → the library that it needs, and our extra that brings it."""


def load(artifact: Artifact, *, threads: int) -> Predictor:
    """The artifact's model, loaded. `threads`: for one inference. Raises InvalidInput with every reason against it."""
    runtime = artifact.contract.runtime
    try:
        predictor, wrong = _load(artifact.model, artifact.contract, threads)
    except ImportError as error:
        library, extra = EXTRAS.get(runtime.format, ("ONNX Runtime", ""))
        raise KanaryaError(f'{runtime.file}: needs {library} ({error}); install "kanarya-model[{extra}]"') from None
    if predictor is None or wrong:
        raise InvalidInput(runtime.file, [Problem(path=(), message=message) for message in wrong])
    return predictor


def _load(content: bytes, contract: ArtifactContract, threads: int) -> tuple[Predictor | None, list[str]]:
    match contract.runtime.format:
        case "onnx":
            from kanarya_model.loaders import onnx  # noqa: PLC0415

            return onnx.load(content, contract, threads=threads)
        case "skops":
            from kanarya_model.loaders import skops  # noqa: PLC0415

            return skops.load(content, contract)
        case "lightgbm":
            from kanarya_model.loaders import lightgbm  # noqa: PLC0415

            return lightgbm.load(content, contract, threads=threads)
        case "xgboost":
            from kanarya_model.loaders import xgboost  # noqa: PLC0415

            return xgboost.load(content, contract, threads=threads)
