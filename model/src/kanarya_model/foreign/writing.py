"""The artifact of a model from elsewhere, written and then loaded as the server loads it. Called by `kanarya contract`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import ValidationError

from kanarya_contracts import artifact, problems
from kanarya_contracts.artifact import ArtifactContract, Column, FileDigest, Runtime, Target, Task, Tensor, digest
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem
from kanarya_model import loaders
from kanarya_model.artifact import Artifact, read
from kanarya_model.core.inputs import Inputs
from kanarya_model.core.model import Model, Prediction
from kanarya_model.core.refusal import ModelFault, Refusal
from kanarya_model.foreign import answers, description, table
from kanarya_model.foreign.description import Description
from kanarya_model.foreign.order import Order
from kanarya_model.foreign.table import Table

EXAMPLE_TOLERANCE = 1e-3
"""Between machines, as the training job allows it."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """An artifact that this server serves."""

    directory: Path
    contract: ArtifactContract
    digest: str


def write(order: Order, into: Path) -> Written:
    """Make the artifact in a new directory. Raises KanaryaError with everything that is wrong; then there is no directory."""
    if into.exists():
        raise KanaryaError(f"{into} is there already, expected a directory to be made")
    about, rows = description.describe(order.file), table.read(order.rows)
    contract = _contract(order, about, rows)
    try:
        into.mkdir(parents=True)
        (into / contract.runtime.file).write_bytes(about.content)
        (into / CONTRACT_FILE).write_bytes(contract.dumps())
    except OSError as error:
        raise KanaryaError(f"cannot write {error.filename or into}: {error.strerror}") from None
    try:
        found = read(into)
        _check(found)
    except KanaryaError:
        shutil.rmtree(into)
        raise
    return Written(directory=into, contract=contract, digest=found.digest)


def _check(found: Artifact) -> None:
    """Load it and ask it its own example, as the server does before it listens."""
    predictor, contract = loaders.load(found, threads=1), found.contract
    model = Model(
        contract=contract,
        predictor=predictor,
        name=contract.model,
        version="",
        digest=found.digest,
        most_rows=contract.example.rows,
    )
    wrong = model.example_problems()
    if wrong:
        raise InvalidInput("example", [Problem(path=(), message=message) for message in wrong])


def _contract(order: Order, about: Description, rows: Table) -> ArtifactContract:
    like = None if order.like is None else read(order.like).contract
    columns = _columns(order, about, rows)
    task = _task(order, about)
    try:
        targets, tensors = answers.targets(order, about, task)
    except ValueError as error:
        raise _wrong(order.file, [str(error)]) from None
    file = f"model{order.file.suffix}"
    runtime = Runtime(
        format=about.format, file=file, reason=None if about.format == "onnx" else f"it was made elsewhere, as {about.format}"
    )
    # Not validated: what the example must say, the model will tell.
    draft: ArtifactContract = cast("Any", ArtifactContract).model_construct(
        model=order.model, task=task, inputs=columns, outputs=tensors, targets=targets, runtime=runtime
    )
    said, tensors = _answered(order, about, draft, rows)
    wrong = answers.improbable(targets, said)
    if wrong:
        raise _wrong(order.file, wrong)
    return _whole(order, about, rows, draft.model_copy(update={"outputs": tensors}), said, like)


def _whole(
    order: Order, about: Description, rows: Table, draft: ArtifactContract, said: Prediction, like: ArtifactContract | None
) -> ArtifactContract:
    """The draft with everything that rows and answers show."""
    targets = tuple(answers.bounded(one, order, like, _truth(one, rows, said)) for one in draft.targets)
    chosen = answers.chosen(targets, said, rows.rows)
    shown = {column.name: table.values(rows, column) for column in draft.inputs}
    document = {
        "model": order.model,
        "task": draft.task,
        "inputs": [column.model_dump() for column in draft.inputs],
        "outputs": [tensor.model_dump() for tensor in draft.outputs],
        "targets": [target.model_dump() for target in targets],
        "runtime": draft.runtime.model_dump(),
        "reference": {
            "rows": rows.rows,
            "features": {
                column.name: answers.histogram(shown[column.name], words=column.kind == "categorical")
                for column in draft.inputs
            },
            "predictions": {target.name: answers.predicted(target, said, like) for target in targets},
        },
        "example": {
            "inputs": {name: [values[row] for row in chosen] for name, values in shown.items()},
            "outputs": answers.shown(draft.outputs, said, chosen),
            "tolerance": EXAMPLE_TOLERANCE,
        },
        "metrics": answers.metrics(targets, said, rows),
        "data": artifact.Data(source=rows.name, sha256=rows.sha256, rows=rows.rows),
        "files": {draft.runtime.file: FileDigest(sha256=digest(about.content), size=len(about.content))},
    }
    try:
        return ArtifactContract.model_validate(document)
    except ValidationError as error:
        raise problems.from_validation(f"contract of {order.file}", error) from None


def _columns(order: Order, about: Description, rows: Table) -> tuple[Column, ...]:
    """The inputs, in the model's order."""
    named: Mapping[str, Datatype | None] | None = about.columns
    if named is None:
        datatype = Datatype.FP64 if about.format != "skops" else None
        named = {name: datatype for name in rows.columns if name not in order.targets}
    if about.format == "lightgbm":
        spelled = {name.replace(" ", "_"): name for name in rows.columns}
        named = {spelled.get(name, name): datatype for name, datatype in named.items()}
    absent = [name for name in named if name not in rows.columns]
    if absent:
        raise _wrong(
            order.rows, [f"has no column {', '.join(absent)}, which the model takes; it has {', '.join(rows.columns)}"]
        )
    if about.width is not None and len(named) != about.width:
        got = f"has {len(named)} columns beside the targets ({', '.join(named)}), and the model takes {about.width}"
        raise _wrong(order.rows, [f"{got}; name what is no input with --target, or leave it out"])
    wrong, columns = [], []
    for name, datatype in named.items():
        try:
            columns.append(table.described(rows, name, datatype))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise _wrong(order.rows, wrong)
    return tuple(columns)


def _task(order: Order, about: Description) -> Task:
    if order.task is None and about.task is None:
        shown = ", ".join(one.name for one in about.outputs)
        message = f"its outputs ({shown}) leave open what it does: give --task classification, regression or transformation"
        raise _wrong(order.file, [message])
    if order.task and about.task and order.task != about.task and about.format != "onnx":
        raise _wrong(order.file, [f"is a model for {about.task}, and --task says {order.task}"])
    chosen = order.task or about.task
    assert chosen is not None  # noqa: S101 (looked at above)
    return chosen


def _answered(order: Order, about: Description, draft: ArtifactContract, rows: Table) -> tuple[Prediction, tuple[Tensor, ...]]:
    """The model's answers to every row, by the loader that will serve it; and its outputs: a transformer's are known then."""
    unknown = not draft.outputs
    if unknown:
        # scikit-learn says how many columns come out once it has made them.
        one = Tensor(name="features", datatype=about.numbers, shape=(-1, 1))
        draft = draft.model_copy(update={"outputs": (one,)})
    predictor = loaders.load(Artifact(contract=draft, digest="", model=about.content), threads=1)
    try:
        given = Inputs(draft, largest=predictor.largest, most_rows=rows.rows).rows(table.tensors(rows, draft.inputs))
        said = predictor.predict(given)
    except (Refusal, ModelFault) as error:
        raise _wrong(order.rows, [str(error)]) from None
    except Exception as error:  # whatever the model's library raises
        raise _wrong(order.file, [f"does not answer the rows: {type(error).__name__}: {error}"]) from error
    if unknown:
        array = said.output("features").reshape(rows.rows, -1)
        said = Prediction(outputs={"features": array})
        draft = draft.model_copy(update={"outputs": (one.model_copy(update={"shape": (-1, array.shape[1])}),)})
    return said, draft.outputs


def _truth(target: Target, rows: Table, said: Prediction) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """A number's true values where the rows have them, or the model's."""
    if target.name in rows.columns and target.kind == "numeric":
        truth = [value for value in rows.numbers(target.name) or () if value is not None]
        if truth:
            return np.array(truth, np.float64)
    return np.asarray(said.output(target.outputs[0]).ravel(), np.float64) if target.kind == "numeric" else np.empty(0)


def _wrong(path: Path, messages: list[str]) -> InvalidInput:
    return InvalidInput(str(path), [Problem(path=(), message=message) for message in messages])
