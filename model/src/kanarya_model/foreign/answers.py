"""Outputs and targets of a model from elsewhere, and what rows and its answers to them show. Called by `writing`; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import (
    ArtifactContract,
    CategoricalHistogram,
    CategoricalTarget,
    Histogram,
    Metric,
    NumericHistogram,
    NumericTarget,
    Target,
    Task,
    Tensor,
)
from kanarya_contracts.datatypes import FLOATS, Datatype
from kanarya_model.core.model import Prediction
from kanarya_model.foreign.description import Description, Output
from kanarya_model.foreign.order import Order
from kanarya_model.foreign.table import Table

BINS = 10
"""Of a numeric histogram, with equal counts where values allow, as the training job makes them."""

EXAMPLE_ROWS = 5
"""At least; one more where there are more classes than that among the answers."""

_ONE = "target"
"""What a target is called where nobody names it."""


def targets(order: Order, about: Description, task: Task) -> tuple[tuple[Target, ...], tuple[Tensor, ...]]:
    """What is predicted, and the tensors that say it. Raises ValueError that says what has to be told."""
    if task == "transformation":
        return (), tuple(_tensor(one) for one in about.outputs)
    names = list(order.targets) or [_ONE]
    if about.format == "onnx":
        return _of_graph(order, about, task, names)
    return _by_name(order, about, task, names)


def _by_name(order: Order, about: Description, task: Task, names: list[str]) -> tuple[tuple[Target, ...], tuple[Tensor, ...]]:
    """Of a library, whose outputs are named as training names them."""
    made: list[Target] = []
    tensors: list[Tensor] = []
    known = about.classes or ((),) * len(names)
    if len(known) != len(names):
        raise ValueError(
            f"it has {len(known)} targets, and {len(names)} are named ({', '.join(names)}): give --target for each"
        )
    for name, classes in zip(names, known, strict=True):
        start = f"{name}." if len(names) > 1 else ""
        if task == "regression":
            made.append(NumericTarget(name=name, value=f"{start}value", error_bound=1.0))
            tensors.append(Tensor(name=f"{start}value", datatype=about.numbers, shape=(-1,)))
            continue
        chosen = classes or order.targets.get(name) or tuple(map(str, range(max(2, about.scores))))
        label, shares = f"{start}label", f"{start}probabilities" if about.probabilities else None
        made.append(CategoricalTarget(name=name, classes=chosen, label=label, probabilities=shares))
        tensors.append(Tensor(name=label, datatype=_label_datatype(chosen), shape=(-1,)))
        if shares is not None:
            tensors.append(Tensor(name=shares, datatype=about.numbers, shape=(-1, len(chosen))))
    return tuple(made), tuple(tensors)


def _of_graph(order: Order, about: Description, task: Task, names: list[str]) -> tuple[tuple[Target, ...], tuple[Tensor, ...]]:
    """Of a graph, whose outputs keep their names. A label and its probabilities follow each other in it."""
    shown = ", ".join(f"{one.name} {one.datatype} {_shape(one)}" for one in about.outputs)
    if task == "regression":
        if len(about.outputs) != len(names) or any(one.width not in (None, 1) for one in about.outputs):
            raise ValueError(f"it answers {shown}, expected one number a row for each of {', '.join(names)}")
        numbers = zip(names, about.outputs, strict=True)
        made = tuple(NumericTarget(name=name, value=one.name, error_bound=1.0) for name, one in numbers)
        return made, tuple(_tensor(one) for one in about.outputs)
    labels = [one for one in about.outputs if one.datatype not in FLOATS]
    shares = [one for one in about.outputs if one.datatype in FLOATS]
    if len(shares) != len(names) or len(labels) not in (0, len(names)):
        raise ValueError(
            f"it answers {shown}, expected a label and probabilities, or probabilities, for each of {', '.join(names)}"
        )
    tensors: list[Tensor] = []
    found: list[Target] = []
    for index, (name, share) in enumerate(zip(names, shares, strict=True)):
        classes = order.targets.get(name)
        if labels and labels[index].datatype is Datatype.BYTES and classes is None:
            raise ValueError(
                f"its labels are words, and no file says the order of {share.name}: give --target {name}=FIRST,SECOND,…"
            )
        chosen = classes or tuple(map(str, range(share.width or 1)))
        if share.width != len(chosen):
            raise ValueError(f"its output {share.name} is {_shape(share)}, expected one for each of {', '.join(chosen)}")
        # Words are the classes of a graph that numbers them, so its own label says less than its probabilities.
        own = labels and labels[index].datatype in (Datatype.BYTES, _label_datatype(chosen))
        label = _tensor(labels[index]) if own else _derived(name, names, chosen, [one.name for one in about.outputs])
        tensors += [label, _tensor(share)]
        found.append(CategoricalTarget(name=name, classes=chosen, label=label.name, probabilities=share.name))
    return tuple(found), tuple(tensors)


def _derived(name: str, names: Sequence[str], classes: Sequence[str], taken: Sequence[str]) -> Tensor:
    """A label that the graph does not have and the server makes of the probabilities."""
    called = "label" if len(names) == 1 and "label" not in taken else f"{name}.label"
    return Tensor(name=called, datatype=_label_datatype(classes), shape=(-1,))


def _label_datatype(classes: Sequence[str]) -> Datatype:
    return Datatype.INT64 if all(one.removeprefix("-").isdecimal() for one in classes) else Datatype.BYTES


def _tensor(one: Output) -> Tensor:
    return Tensor(name=one.name, datatype=one.datatype, shape=(-1,) if one.width is None else (-1, one.width))


def _shape(one: Output) -> str:
    return "[rows]" if one.width is None else f"[rows, {one.width}]"


# --- what the rows show ----------------------------------------------------------------------------------------------


def improbable(made: Sequence[Target], said: Prediction) -> list[str]:
    """Outputs that are taken for probabilities and are none."""
    wrong = []
    for target in made:
        if isinstance(target, CategoricalTarget) and target.probabilities is not None:
            shares = said.output(target.probabilities)
            off = np.flatnonzero((np.abs(shares.sum(axis=1) - 1) > 1e-3) | (shares < -1e-6).any(axis=1))
            if off.size:
                row = int(off[0])
                shown = ", ".join(f"{share:.4g}" for share in shares[row])
                message = f"{target.probabilities} of row {row} is {shown}, expected probabilities whose sum is 1"
                wrong.append(f"{message}: end the model with a softmax")
    return wrong


def bounded(target: Target, order: Order, like: ArtifactContract | None, values: NDArray[Any]) -> Target:
    """A number with its bound: as ordered, as the other version's, or the spread of `values`."""
    if not isinstance(target, NumericTarget):
        return target
    former = next((one.error_bound for one in like.targets if one.name == target.name), None) if like else None  # type: ignore[union-attr]
    low, high = np.quantile(values, [0.05, 0.95])
    spread = float(f"{float(high - low) or float(np.ptp(values)) or 1.0:.2g}")
    return target.model_copy(update={"error_bound": order.error_bounds.get(target.name) or former or spread})


def histogram(values: Sequence[object], *, words: bool, edges: Sequence[float] | None = None) -> Histogram:
    """What some values look like. None and NaN are missing. `edges`: in these bins; otherwise in ten of equal counts."""
    present = [value for value in values if value is not None and value == value]  # noqa: PLR0124 (NaN is not)
    missing = len(values) - len(present)
    if words:
        texts = [str(value) for value in present]
        return CategoricalHistogram(counts={word: texts.count(word) for word in sorted(set(texts))}, missing=missing)
    numbers = np.array(present, np.float64)
    inner = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])) if edges is None else np.array(edges)
    counts = np.bincount(np.searchsorted(inner, numbers, side="right"), minlength=len(inner) + 1)
    return NumericHistogram(edges=tuple(inner.tolist()), counts=tuple(counts.tolist()), missing=missing)


def predicted(target: Target, said: Prediction, like: ArtifactContract | None) -> Histogram:
    """A target's answers, in the other version's bins where there is one."""
    former = like.reference.predictions.get(target.name) if like else None
    answers = said.output(target.outputs[0]).ravel()
    if isinstance(target, CategoricalTarget):
        return histogram(answers.tolist(), words=True)
    edges = former.edges if isinstance(former, NumericHistogram) else _between(answers.astype(np.float64))
    return histogram(answers.tolist(), words=False, edges=edges)


def _between(numbers: NDArray[np.float64]) -> Sequence[float]:
    """Edges between answers and never on one, as the training job makes them: a last bit must not choose the bin."""
    distinct = np.unique(numbers)
    places = np.searchsorted(distinct, np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])).clip(1, None)
    places = places[places < len(distinct)]
    edges: list[float] = np.unique((distinct[places - 1] + distinct[places]) / 2).tolist()
    return edges


def chosen(made: Sequence[Target], said: Prediction, rows: int) -> list[int]:
    """Rows for the example: the first of every label of every target, then the first of the others; ascending."""
    first: dict[int, None] = {}
    for target in made:
        if isinstance(target, CategoricalTarget):
            labels = said.output(target.label).ravel().tolist()
            first |= dict.fromkeys({label: row for row, label in reversed(list(enumerate(labels)))}.values())
    others = [row for row in range(rows) if row not in first]
    return sorted([*first, *others[: max(0, EXAMPLE_ROWS - len(first))]])


def shown(tensors: Sequence[Tensor], said: Prediction, rows: Sequence[int]) -> dict[str, list[object]]:
    """The outputs of some rows, as an example has them."""
    return {tensor.name: said.output(tensor.name)[list(rows)].tolist() for tensor in tensors}


def metrics(made: Sequence[Target], said: Prediction, table: Table) -> Mapping[str, Metric]:
    """How the model does on the rows, for every target whose truth is a column of theirs."""
    found = {}
    for target in made:
        end = f".{target.name}" if len(made) > 1 else ""
        answers = said.output(target.outputs[0]).ravel().tolist()
        if target.name not in table.columns:
            continue
        if isinstance(target, CategoricalTarget):
            right = [str(a) == b for a, b in zip(answers, table.columns[target.name], strict=True)]
            found[f"rows-accuracy{end}"] = Metric(value=float(np.mean(right)))
            continue
        truth = table.numbers(target.name)
        if truth is not None and None not in truth:
            found[f"rows-mae{end}"] = Metric(value=float(np.abs(np.array(answers) - np.array(truth, np.float64)).mean()))
    return found
