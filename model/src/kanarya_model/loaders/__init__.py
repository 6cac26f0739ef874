"""Bytes into a predictor: one file per kind of model. Called by `server` with a verified artifact.

A library is imported when an artifact needs it and not before, so that an ONNX model starts without scikit-learn installed.
"""

from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem
from kanarya_model.artifact import Artifact
from kanarya_model.core.model import Predictor


def load(artifact: Artifact, *, threads: int) -> Predictor:
    """The artifact's model, loaded. `threads`: for one inference. Raises InvalidInput with every reason against it."""
    contract = artifact.contract
    if contract.runtime.format == "onnx":
        from kanarya_model.loaders import onnx  # noqa: PLC0415

        predictor, wrong = onnx.load(artifact.model, contract, threads=threads)
    else:
        try:
            from kanarya_model.loaders import skops  # noqa: PLC0415
        except ImportError as error:
            message = f'{contract.runtime.file}: needs scikit-learn ({error}); install "kanarya-model[sklearn]"'
            raise KanaryaError(message) from None
        predictor, wrong = skops.load(artifact.model, contract)
    if predictor is None or wrong:
        raise InvalidInput(contract.runtime.file, [Problem(path=(), message=message) for message in wrong])
    return predictor
