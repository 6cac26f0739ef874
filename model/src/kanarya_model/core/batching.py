"""Requests that wait are predicted together: which of them, and whose answer is whose. Called by `batcher`.

Nothing here knows a thread, an event loop or a clock.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction

Predict = Callable[[Rows], Prediction]


def fitting(counts: Iterable[int], most_rows: int) -> int:
    """How many of the requests with so many rows go together: the first ones that have `most_rows` in all, at least one."""
    return max(1, sum(rows <= most_rows for rows in accumulate(counts)))


def answers(predict: Predict, parts: Sequence[Rows]) -> list[Prediction | Exception]:
    """What `predict` returns or raises for each of the parts, in their order, as if it had been asked for each alone.

    They are predicted at once. Where that fails, each half is asked by itself, and so on, until whoever is guilty stands alone:
    one among n costs about 2 log₂ n predictions more, and nobody else notices.
    """
    try:
        whole = predict(together(parts))
    except Exception as error:  # noqa: BLE001 (it is handed to whom it belongs to, and that may be nobody in this half)
        if len(parts) == 1:
            return [error]
        half = len(parts) // 2
        return answers(predict, parts[:half]) + answers(predict, parts[half:])
    ends = accumulate((part.count for part in parts), initial=0)
    return [whole.part(start, end) for start, end in pairwise(ends)]


def together(parts: Sequence[Rows]) -> Rows:
    """All their rows. Numbers are FP32 or FP64, so mixing them changes none; parts of one contract have the same columns."""
    if len(parts) == 1:
        return parts[0]
    count = sum(part.count for part in parts)
    if parts[0].matrix is not None:
        return Rows(count=count, matrix=np.concatenate([part.matrix for part in parts]))
    return Rows(count=count, columns=tuple(map(np.concatenate, zip(*(part.columns for part in parts), strict=True))))
