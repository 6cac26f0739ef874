"""What a model's file says about itself: columns, outputs, classes, task. Called by `writing`; one function a format.

Libraries are imported where their format is read, as the loaders have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanarya_contracts.artifact import Format, Task
from kanarya_contracts.datatypes import FLOATS, Datatype
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem
from kanarya_model.loaders import EXTRAS

FORMATS: Mapping[str, Format] = {
    ".onnx": "onnx",
    ".skops": "skops",
    ".txt": "lightgbm",
    ".json": "xgboost",
    ".ubj": "xgboost",
}
"""How a model's file is named → what it is."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A tensor that the model answers."""

    name: str
    datatype: Datatype
    width: int | None
    """Elements a row; None where the shape is [rows] alone."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A model's file."""

    format: Format
    content: bytes
    columns: Mapping[str, Datatype | None] | None
    """Column → what the model takes, None for whatever the rows hold; None where the file names no columns."""
    width: int | None
    """How many columns it takes, where it is known."""
    task: Task | None
    """None where it is left open."""
    outputs: tuple[Output, ...] = ()
    """Of a graph; of another format, they follow from the task."""
    classes: tuple[tuple[str, ...], ...] = ()
    """Of each target, where the file tells."""
    probabilities: bool = True
    """Whether a classifier gives them."""
    numbers: Datatype = Datatype.FP64
    """What it computes with."""
    scores: int = 1
    """A row's, of a booster."""


def describe(path: Path) -> Description:
    """Read a model's file. Raises InvalidInput, or KanaryaError where a library is missing."""
    kind = FORMATS.get(path.suffix)
    if kind is None:
        raise _invalid(path, f"is none of {', '.join(FORMATS)}, by which a model's format is known")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}") from None
    try:
        return _READERS[kind](content)
    except ImportError as error:
        library, extra = EXTRAS[kind]
        raise KanaryaError(f'{path}: needs {library} ({error}); install "kanarya-model[{extra}]"') from None
    except Exception as error:  # noqa: BLE001 (every library raises its own at what it cannot read)
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise _invalid(path, f"cannot be read as {kind}: {text[0]}") from None


def _invalid(path: Path, message: str) -> InvalidInput:
    return InvalidInput(str(path), [Problem(path=(), message=message)])


def _onnx(content: bytes) -> Description:
    from kanarya_model.loaders import onnx  # noqa: PLC0415

    session = onnx.open_session(content, threads=1)
    columns, width = _graph_columns(session.get_inputs(), onnx.TYPES)
    places = session.get_modelmeta().custom_metadata_map  # of labels, in a graph of our training: for the server alone
    outputs = tuple(_graph_output(node, onnx.TYPES) for node in session.get_outputs() if node.name not in places)
    return Description(format="onnx", content=content, columns=columns, width=width, task=_graph_task(outputs), outputs=outputs)


def _graph_columns(
    nodes: list[Any], types: Mapping[str, tuple[Datatype, Any]]
) -> tuple[Mapping[str, Datatype | None] | None, int | None]:
    unknown = [f"{node.name} ({node.type})" for node in nodes if node.type not in types]
    if unknown:
        raise ValueError(f"it has inputs of types that are not read here: {', '.join(unknown)}")
    first = nodes[0]
    if len(nodes) == 1 and len(first.shape) == 2 and first.shape[1] != 1 and types[first.type][0] in FLOATS:
        return None, first.shape[1] if isinstance(first.shape[1], int) else None
    # A float takes any number, so the column may be FP64, and a client may send what it likes.
    datatypes = {node.name: types[node.type][0] for node in nodes}
    return {name: Datatype.FP64 if one in FLOATS else one for name, one in datatypes.items()}, len(nodes)


def _graph_output(node: Any, types: Mapping[str, tuple[Datatype, Any]]) -> Output:
    if node.type not in types:
        advice = "; of scikit-learn's converters, export with options={'zipmap': False}" if "map" in node.type else ""
        raise ValueError(f"its output {node.name} is {node.type}, expected a tensor{advice}")
    if len(node.shape) > 2:
        raise ValueError(f"its output {node.name} has shape {node.shape}, expected [rows] or [rows, n]")
    width = node.shape[1] if len(node.shape) == 2 else None
    if width is not None and not isinstance(width, int):
        raise ValueError(f"its output {node.name} has shape {node.shape}: how many elements a row is not said")
    return Output(name=node.name, datatype=types[node.type][0], width=width)


def _graph_task(outputs: tuple[Output, ...]) -> Task | None:
    labels = [one for one in outputs if one.datatype not in FLOATS]
    if labels:
        return "classification"
    return "regression" if all(one.width in (None, 1) for one in outputs) else None


def _skops(content: bytes) -> Description:
    from kanarya_model.loaders import skops  # noqa: PLC0415

    estimator, refused = skops.read(content)
    if refused:
        raise ValueError(f"it {'; it '.join(refused)}")
    names = getattr(estimator, "feature_names_in_", None)
    has = {name for name in ("classes_", "predict", "predict_proba", "transform") if hasattr(estimator, name)}
    task: Task = "classification" if "classes_" in has else "regression" if "predict" in has else "transformation"
    return Description(
        format="skops",
        content=content,
        columns=None if names is None else dict.fromkeys(map(str, names)),
        width=getattr(estimator, "n_features_in_", None),
        task=task,
        classes=tuple(skops.classes_of(estimator)) if "classes_" in has else (),
        probabilities="predict_proba" in has,
    )


def _lightgbm(content: bytes) -> Description:
    from kanarya_model.loaders import lightgbm  # noqa: PLC0415

    booster = lightgbm.read(content)
    names = lightgbm.names_of(booster)
    return Description(
        format="lightgbm",
        content=content,
        columns=None if lightgbm.unnamed(names) else dict.fromkeys(names, Datatype.FP64),
        width=len(names),
        task="classification" if lightgbm.gives_probabilities(content) else "regression",
        numbers=lightgbm.NUMBERS,
        scores=booster.num_model_per_iteration(),
    )


def _xgboost(content: bytes) -> Description:
    from kanarya_model.loaders import xgboost  # noqa: PLC0415

    booster = xgboost.read(content, threads=1)
    named = booster.feature_names is not None
    return Description(
        format="xgboost",
        content=content,
        columns=dict.fromkeys(xgboost.names_of(booster), Datatype.FP64) if named else None,
        width=booster.num_features(),
        task="classification" if xgboost.gives_probabilities(booster) else "regression",
        numbers=xgboost.NUMBERS,
        scores=xgboost.scores(booster),
    )


_READERS = {"onnx": _onnx, "skops": _skops, "lightgbm": _lightgbm, "xgboost": _xgboost}
