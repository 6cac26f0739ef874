"""Labels that came back: which predictions were right. Called by edges; keeps nothing, `metrics` counts.

    {"model_version": "2", "predictions": ["setosa", "virginica"], "labels": ["setosa", "versicolor"]}
    {"model_version": "2", "predictions": ["setosa"], "labels": ["setosa"], "ids": ["4f1c"]}

The client says which version predicted what and what was true; so any replica, of any version, can count it. A prediction of
the version that is served here must be one of its classes. A label need not be: a class this version has never heard of is a
true label that it got wrong. Predictions and labels are strings or integers and are compared as text ("1" is 1). With `ids`,
one a row, it says which requests they were: that is for `pairs`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kanarya_model.core.refusal import Reason, Refusal, listed, quoted, shown

VERSION_PATTERN = re.compile(r"[0-9a-zA-Z._-]{1,64}")
"""What a version may look like."""

_LONGEST = 256
_MEMBERS = ("model_version", "predictions", "labels")
_IDS = "ids"

Labelled = tuple[str, str, str]
"""Request's id, prediction that somebody got, label."""


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """One report."""

    version: str
    """The version that predicted."""
    right: int
    wrong: int


def read_feedback(document: object, *, version: str, classes: tuple[str, ...], most_rows: int) -> Feedback:
    """Compare predictions and labels. `version` and `classes` are those served here. Raises Refusal."""
    members = _members(document)
    named = members["model_version"]
    if not isinstance(named, str) or not VERSION_PATTERN.fullmatch(named):
        message = f"model_version: got {shown(named)}, expected 1 to 64 letters, digits and . _ - in a string"
        raise Refusal(Reason.VERSION, message)
    predictions = _texts(members["predictions"], "predictions", most_rows)
    labels = _texts(members["labels"], "labels", most_rows)
    if len(predictions) != len(labels):
        message = f"labels: got {len(labels)} for {len(predictions)} predictions, expected one for each"
        raise Refusal(Reason.SHAPE, message)
    if named == version:
        _check_classes(predictions, classes)
    _check_ids(members.get(_IDS), len(labels))
    right = sum(prediction == label for prediction, label in zip(predictions, labels, strict=True))
    return Feedback(version=named, right=right, wrong=len(labels) - right)


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


def _texts(value: object, name: str, most: int) -> list[str]:
    if not isinstance(value, list) or not value:
        raise Refusal(Reason.FIELD, f"{name}: got {shown(value)}, expected a list of at least one string or integer")
    if len(value) > most:
        raise Refusal(Reason.LIMIT, f"{name}: got {len(value)} rows, expected at most {most} in a request")
    for index, item in enumerate(value):
        if type(item) not in (str, int) or len(str(item)) > _LONGEST:
            message = f"{name}[{index}]: got {shown(item)}, expected a string or an integer of at most {_LONGEST} characters"
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


def _check_classes(predictions: list[str], classes: tuple[str, ...]) -> None:
    for index, prediction in enumerate(predictions):
        if prediction not in classes:
            message = (
                f"predictions[{index}]: got {quoted(prediction)}, expected one of this version's classes {listed(classes)}"
            )
            raise Refusal(Reason.VALUE, message)
