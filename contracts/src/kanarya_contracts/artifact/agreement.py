"""Whether the parts of the document fit together. Called by `contract` when one is made; pure.

Each function returns the problems of one kind, at the field they are about.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kanarya_contracts.artifact.answers import CategoricalTarget, NumericTarget, Target, Tensor
from kanarya_contracts.artifact.parts import CategoricalHistogram, Histogram
from kanarya_contracts.datatypes import FLOATS, INTEGER_RANGE, Datatype
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import Problem, problem, repeated

if TYPE_CHECKING:
    from kanarya_contracts.artifact.contract import ArtifactContract

_WORDS = INTEGER_RANGE.keys() | {Datatype.BYTES}
_NUMBERS = INTEGER_RANGE.keys() | FLOATS
_TARGETS = {"classification": CategoricalTarget, "regression": NumericTarget, "transformation": None}


def names(contract: "ArtifactContract") -> list[Problem]:
    """Every name once, and none that nobody has."""
    columns = [column.name for column in contract.inputs]
    targets = [target.name for target in contract.targets]
    wrong = repeated("inputs", columns) + repeated("targets", targets)
    wrong += repeated("outputs", [tensor.name for tensor in contract.outputs])
    wrong += _strangers(columns, contract.reference.features, "reference", "features")
    wrong += _strangers(targets, contract.reference.predictions, "reference", "predictions")
    for target in contract.targets:
        wrong += _prediction_problems(target, contract.reference.predictions.get(target.name))
    return wrong


def paths(contract: "ArtifactContract") -> list[Problem]:
    """Files lie inside the artifact, and the model's is among them."""
    wrong = []
    if contract.runtime.file not in contract.files:
        wrong.append(problem(f"got {contract.runtime.file!r}, expected one of files", "runtime", "file"))
    for path in contract.files:
        if not _stays_inside(path) or path == CONTRACT_FILE:
            wrong.append(problem(f"got {path!r}, expected relative paths inside the artifact", "files"))
    return wrong


def answers(contract: "ArtifactContract") -> list[Problem]:
    """Targets are those of the task; every output is one target's, of the form that it has there."""
    kind = _TARGETS[contract.task]
    if kind is None and contract.targets:
        return [problem(f"got {len(contract.targets)}, expected none for task {contract.task}", "targets")]
    if kind is None:
        return []
    if not contract.targets:
        return [problem(f"got none, expected one or more for task {contract.task}", "targets")]
    wrong = []
    for index, target in enumerate(contract.targets):
        if not isinstance(target, kind):
            wrong.append(problem(f"got {target.kind!r} for task {contract.task}", "targets", index, "kind"))
    tensors = {tensor.name: tensor for tensor in contract.outputs}
    used = [name for target in contract.targets for name in target.outputs]
    wrong += _strangers(list(tensors), used, "targets") + repeated("targets", used)
    if not wrong:
        wrong = [problem(f"got {name!r}, which is no target's", "outputs") for name in tensors if name not in used]
    return wrong or [one for target in contract.targets for one in _form_problems(target, tensors)]


def example(contract: "ArtifactContract") -> list[Problem]:
    """The example has every input and output, for as many rows, and labels that are classes."""
    shown, wrong = contract.example, []
    for field, got, wanted in (
        ("inputs", shown.inputs, [column.name for column in contract.inputs]),
        ("outputs", shown.outputs, [tensor.name for tensor in contract.outputs]),
    ):
        if sorted(got) != sorted(wanted):
            wrong.append(problem(f"got {sorted(got)}, expected {sorted(wanted)}", "example", field))
    if wrong:
        return wrong
    if not shown.rows:
        return [problem("got no row, expected one or more", "example", "inputs")]
    for name, values in shown.inputs.items():
        if len(values) != shown.rows:
            wrong.append(problem(f"got {len(values)} values for {shown.rows} rows", "example", "inputs", name))
    for tensor in contract.outputs:
        wrong += _row_problems(tensor, shown.outputs[tensor.name], shown.rows)
    for target in contract.targets:
        if isinstance(target, CategoricalTarget) and target.label in shown.outputs and not wrong:
            wrong += _strangers(target.classes, map(str, shown.flat(target.label)), "example", "outputs", target.label)
    return wrong


def _prediction_problems(target: Target, histogram: Histogram | None) -> list[Problem]:
    place = ("reference", "predictions", target.name)
    if histogram is None:
        return []
    if histogram.kind != target.kind:
        return [problem(f"got {histogram.kind!r}, expected {target.kind!r} as the target is", *place, "kind")]
    if isinstance(target, CategoricalTarget) and isinstance(histogram, CategoricalHistogram):
        return _strangers(target.classes, histogram.counts, *place)
    return []


def _form_problems(target: Target, tensors: dict[str, Tensor]) -> list[Problem]:
    match target:
        case CategoricalTarget():
            wrong = _wrong_form(tensors[target.label], 1, _WORDS)
            if target.probabilities is not None:
                wrong += _wrong_form(tensors[target.probabilities], len(target.classes), FLOATS)
            return wrong
        case NumericTarget():
            return _wrong_form(tensors[target.value], 1, _NUMBERS)


def _wrong_form(tensor: Tensor, width: int, datatypes: Iterable[Datatype]) -> list[Problem]:
    wrong = []
    if tensor.width != width:
        wrong.append(problem(f"{tensor.name} has {tensor.width} elements a row, expected {width}", "outputs"))
    if tensor.datatype not in datatypes:
        wrong.append(problem(f"{tensor.name} is {tensor.datatype}, expected one of {', '.join(sorted(datatypes))}", "outputs"))
    return wrong


def _row_problems(tensor: Tensor, rows: Sequence[object], count: int) -> list[Problem]:
    place = ("example", "outputs", tensor.name)
    if len(rows) != count:
        return [problem(f"got {len(rows)} rows, expected {count}", *place)]
    wrong = []
    for row, values in enumerate(rows):
        if isinstance(values, tuple) != (len(tensor.shape) == 2):
            expected = f"a list of {tensor.width}" if len(tensor.shape) == 2 else "one element"
            wrong.append(problem(f"got {values!r}, expected {expected}", *place, row))
        elif isinstance(values, tuple) and len(values) != tensor.width:
            wrong.append(problem(f"got {len(values)} elements, expected {tensor.width}", *place, row))
    return wrong


def _stays_inside(path: str) -> bool:
    return "\\" not in path and "\0" not in path and all(part not in {"", ".", ".."} for part in path.split("/"))


def _strangers(known: Sequence[str], words: Iterable[str], *path: str) -> list[Problem]:
    unknown = sorted(set(words) - set(known))
    return [problem(f"got {unknown}, expected some of {list(known)}", *path)] if unknown else []
