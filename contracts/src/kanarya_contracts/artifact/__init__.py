"""`kanarya.json`: what a model version says about itself, and what everyone holds it to.

Written by `training-job` (package), and by `model` (foreign) for a model that was made elsewhere; checked by `rollout` before a
version gets traffic and by `model` before it loads a file. An artifact is a directory: the model's file, whatever else is
there (MLflow's model and a model card, where training wrote it) and this file, which lists every other one with its digest.
The artifact's own digest is the SHA-256 of this file's bytes.

Pure: paths and digests come in as values; reading them is the caller's. What is wrong with a document is said at the
field it is wrong in, all of it at once.

    contract  the document, `parse` and `digest`        parts, answers  what it is made of        places  labels in model.onnx
"""

from kanarya_contracts.artifact.answers import CategoricalTarget, Example, NumericTarget, Target, Task, Tensor
from kanarya_contracts.artifact.contract import SCHEMA_VERSION, ArtifactContract, digest, parse
from kanarya_contracts.artifact.parts import (
    CategoricalColumn,
    CategoricalHistogram,
    Column,
    Count,
    Data,
    Digest,
    FileDigest,
    Format,
    Histogram,
    Metric,
    Name,
    NumericColumn,
    NumericHistogram,
    Parity,
    Personal,
    Reference,
    Runtime,
    Training,
)
from kanarya_contracts.artifact.places import PLACE, say_place, says_place

__all__ = [
    "PLACE",
    "SCHEMA_VERSION",
    "ArtifactContract",
    "CategoricalColumn",
    "CategoricalHistogram",
    "CategoricalTarget",
    "Column",
    "Count",
    "Data",
    "Digest",
    "Example",
    "FileDigest",
    "Format",
    "Histogram",
    "Metric",
    "Name",
    "NumericColumn",
    "NumericHistogram",
    "NumericTarget",
    "Parity",
    "Personal",
    "Reference",
    "Runtime",
    "Target",
    "Task",
    "Tensor",
    "Training",
    "digest",
    "parse",
    "say_place",
    "says_place",
]
