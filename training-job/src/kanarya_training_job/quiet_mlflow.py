"""MLflow, imported once and made quiet: no telemetry, no progress bars, no warnings on a user's terminal, answers in seconds.

The only module that imports MLflow. `package` writes its file format with it, `registry` and `register` talk to its server.
It reads these variables when it is imported or used, from the environment alone; what a person has set stays.
"""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from kanarya_training_job.features import Labels

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds of silence, not of the whole transfer; its default is 120
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # its default is 7, with growing pauses: minutes
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
        # Else a server with S3 behind it sends us to the bucket, whose address may lead nowhere from here: minutes of retries.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    }
)
"""Variable → what we set where nothing is set."""

for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own type hints, at import
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException, RestException
    from mlflow.models import infer_signature

logging.getLogger("mlflow").setLevel(logging.ERROR)

__all__ = ["MlflowClient", "MlflowException", "RestException", "mlflow", "save_sklearn"]


def save_sklearn(
    estimator: Any,
    directory: Path,
    *,
    example: pd.DataFrame,
    labels: Labels | pd.DataFrame,
    trusted_types: Sequence[str],
    requirements: Sequence[str],
) -> None:
    """Write MLflow's scikit-learn flavour into a new directory: `MLmodel`, `model.skops` and what to install."""
    mlflow.sklearn.save_model(
        estimator,
        str(directory),
        serialization_format="skops",
        signature=infer_signature(example, labels),
        pip_requirements=list(requirements),
        skops_trusted_types=list(trusted_types),
    )
