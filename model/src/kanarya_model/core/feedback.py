"""Labels that came back: which predictions were right, or how far off. Called by edges; keeps nothing, `metrics` counts.

    {"model_version": "2", "predictions": ["setosa", "virginica"], "labels": ["setosa", "versicolor"]}
    {"model_version": "2", "predictions": ["setosa"], "labels": ["setosa"], "ids": ["4f1c"]}
    {"model_version": "2", "predictions": [11.5], "labels": [12.25]}
    {"model_version": "2", "predictions": {"colour": ["red"], "size": ["L"]}, "labels": {"colour": ["red"], "size": ["M"]}}

The client says which version predicted what and what was true; so any replica, of any version, can count it. A prediction of
the version that is served here must be one of its classes. A label need not be: a class this version has never heard of is a
true label that it got wrong. Classes are strings or integers and are compared as text ("1" is 1); a row is right if every
target of it is. Numbers are not right or wrong: a row's score is its error as a share of the contract's bound, at most 1, the
mean over the targets. With `ids`, one a row, the client says which requests they were: that is for `pairs`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kanarya_contracts.artifact import CategoricalTarget, NumericTarget, Target
from kanarya_model.core.refusal import Reason, Refusal, listed, quoted, shown

VERSION_PATTERN = re.compile(r"[0-9a-zA-Z._-]{1,64}")
"""What a version may look like."""

_LONGEST = 256
_MEMBERS = ("model_version", "predictions", "labels")
_IDS = "ids"

Labelled = tuple[str, str, str]
"""Request's id, prediction that somebody got, label."""

_Column = list[str] | list[float]


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """One report."""

    version: str
    """The version that predicted."""
    rows: int
    right: int = 0
    wrong: int = 0
    scores: tuple[float, ...] = ()
    """Of regressions, one a row, from 0 (no error) to 1."""


def read_feedback(document: object, *, version: str, targets: Sequence[Target], most_rows: int) -> Feedback:
    """Compare predictions and labels. `version` and `targets` are those served here. Raises Refusal."""
    if not targets:
        raise Refusal(
            Reason.FIELD, "feedback: this model transforms its input and predicts nothing that could be right or wrong"
        )
    members = _members(document)
    named = members["model_version"]
    if not isinstance(named, str) or not VERSION_PATTERN.fullmatch(named):
        message = f"model_version: got {shown(named)}, expected 1 to 64 letters, digits and . _ - in a string"
        raise Refusal(Reason.VERSION, message)
    predictions = _columns(members["predictions"], "predictions", targets, most_rows)
    labels = _columns(members["labels"], "labels", targets, most_rows)
    rows = len(next(iter(predictions.values())))
    for where, column in [*predictions.items(), *labels.items()]:
        if len(column) != rows:
            raise Refusal(Reason.SHAPE, f"{where}: got {len(column)} for {rows} predictions, expected one for each")
    pairs = list(zip(targets, predictions.items(), labels.values(), strict=True))
    if named == version:
        for target, (where, column), _ in pairs:
            if isinstance(target, CategoricalTarget):
                _check_classes(column, where, target.classes)
    _check_ids(members.get(_IDS), rows)
    if isinstance(targets[0], NumericTarget):
        shares = [_shares(predicted, true, target) for target, (_, predicted), true in pairs]
        return Feedback(version=named, rows=rows, scores=tuple(np.mean(shares, axis=0).tolist()))
    equal = [[a == b for a, b in zip(predicted, true, strict=True)] for _, (_, predicted), true in pairs]
    right = sum(all(row) for row in zip(*equal, strict=True))
    return Feedback(version=named, rows=rows, right=right, wrong=rows - right)


def labelled(document: Mapping[str, object]) -> list[Labelled]:
    """The rows of a report that `read_feedback` has read, with their requests' ids; none of a report without ids."""
    columns = [document.get(name) for name in (_IDS, "predictions", "labels")]
    lists = [column for column in columns if isinstance(column, list)]
    return list(zip(*(map(str, column) for column in lists), strict=True)) if len(lists) == len(columns) else []


def _members(document: object) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise Refusal(Reason.BODY, f"got {shown(document)}, expected an object with {', '.join(_MEMBERS)}")
    for name in document:
        if name not in (*_MEMBERS, _IDS):
            raise Refusal(Reason.FIELD, f"got the member {quoted(name)}, expected {', '.join(_MEMBERS)} and perhaps {_IDS}")
    for name in _MEMBERS:
        if name not in document:
            raise Refusal(Reason.FIELD, f"{name}: is missing and required")
    return document


def _columns(value: object, name: str, targets: Sequence[Target], most: int) -> dict[str, _Column]:
    """Place in the document → elements, a target each, in the order of the targets."""
    if len(targets) == 1:
        return {name: _elements(value, name, targets[0], most)}
    names = tuple(target.name for target in targets)
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        got = shown(value) if not isinstance(value, dict) else listed(tuple(map(str, value)))
        raise Refusal(Reason.FIELD, f"{name}: got {got}, expected an object with a list for each of {listed(names)}")
    return {f"{name}.{target.name}": _elements(value[target.name], f"{name}.{target.name}", target, most) for target in targets}


def _elements(value: object, where: str, target: Target, most: int) -> _Column:
    kind = "string or integer" if isinstance(target, CategoricalTarget) else "number"
    if not isinstance(value, list) or not value:
        raise Refusal(Reason.FIELD, f"{where}: got {shown(value)}, expected a list of at least one {kind}")
    if len(value) > most:
        raise Refusal(Reason.LIMIT, f"{where}: got {len(value)} rows, expected at most {most} in a request")
    return _texts(value, where) if isinstance(target, CategoricalTarget) else _numbers(value, where)


def _texts(value: list[object], where: str) -> list[str]:
    for index, item in enumerate(value):
        if type(item) not in (str, int) or len(str(item)) > _LONGEST:
            message = f"{where}[{index}]: got {shown(item)}, expected a string or an integer of at most {_LONGEST} characters"
            raise Refusal(Reason.VALUE, message)
    return [str(item) for item in value]


def _check_ids(ids: object, rows: int) -> None:
    if ids is None:
        return
    if not isinstance(ids, list) or len(ids) != rows:
        raise Refusal(Reason.FIELD, f"ids: got {shown(ids)}, expected a list of one for each of {rows} predictions")
    for index, one in enumerate(ids):
        if type(one) is not str:
            raise Refusal(Reason.VALUE, f"ids[{index}]: got {shown(one)}, expected the request's id, a string")


def _numbers(value: list[object], where: str) -> list[float]:
    numbers = []
    for index, item in enumerate(value):
        if type(item) is not float and type(item) is not int:
            raise Refusal(Reason.VALUE, f"{where}[{index}]: got {shown(item)}, expected a number")
        numbers.append(float(item))
    return numbers


def _check_classes(predictions: _Column, where: str, classes: tuple[str, ...]) -> None:
    for index, prediction in enumerate(predictions):
        if prediction not in classes:
            got = quoted(str(prediction))
            message = f"{where}[{index}]: got {got}, expected one of this version's classes {listed(classes)}"
            raise Refusal(Reason.VALUE, message)


def _shares(predicted: _Column, true: _Column, target: Target) -> list[float]:
    """Errors as shares of the bound, at most 1."""
    assert isinstance(target, NumericTarget)  # noqa: S101 (a model's targets are of one kind)
    errors = np.abs(np.array(predicted, np.float64) - np.array(true, np.float64))
    shares: list[float] = np.minimum(errors / target.error_bound, 1.0).tolist()
    return shares
