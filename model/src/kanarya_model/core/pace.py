"""How many rows a model predicts in a given time: what the event loop may do itself. Called by `server`, before it listens."""

from collections.abc import Callable
from time import perf_counter

from kanarya_model.core.batching import together
from kanarya_model.core.model import Model

_ROWS = 256
_RUNS = 5


def rows_within(seconds: float, model: Model, clock: Callable[[], float] = perf_counter) -> int:
    """By the quickest of a few predictions of its example's rows, some hundred: what else the machine did is in the others."""
    example = model.example_rows()
    rows = together([example] * -(-_ROWS // example.count))
    taken = []
    for _ in range(_RUNS):
        began = clock()
        model.predict(rows)
        taken.append(clock() - began)
    return int(seconds / max(min(taken), 1e-9) * rows.count)
