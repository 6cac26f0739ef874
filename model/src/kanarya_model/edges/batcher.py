"""Requests for one model, merged into one prediction where they come together. Made by `served`.

    ThreadBatcher   in front of the threads: a batch is taken when a thread is there for it, and not before. While one runs the
                    next gathers, so who asks an idle server waits for nobody, and the busier it is the more go together. To
                    wait for more with a thread free was tried and gained nothing (docs/explanation/serving-speed.md)
    LoopBatcher     for predictions so short that no thread is worth it: what one turn of the event loop has read, the next
                    predicts

What goes together, `core.batching` says; whose turn it is, `workers`. Answers come in the order of the requests; one that fails
takes nobody with it, and who has left before the batch goes is not in it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from kanarya_model.core.batching import Predict, answers, fitting
from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction
from kanarya_model.edges.workers import ClientLeft, Gone, Workers

Went = Callable[[Sequence[float]], None]
"""Told of each batch: the seconds that every request of it has waited."""


@dataclass(eq=False, slots=True)
class _Asked:
    """A request that waits."""

    rows: Rows
    gone: Gone
    since: float
    answer: asyncio.Future[Prediction]


class Batcher(ABC):
    """A queue in front of a model. A batch has at most `most_rows` rows, or one request. All of it is on the event loop."""

    def __init__(self, predict: Predict, *, most_rows: int, went: Went) -> None:
        self._predict = predict
        self._most_rows = most_rows
        self._went = went
        self._waiting: deque[_Asked] = deque()
        self._turn_is_due = False
        """Whether a turn will come that has not taken its batch yet."""

    async def predict(self, rows: Rows, gone: Gone) -> Prediction:
        """The answer that the model gives to these rows alone. Raises what it raises, or ClientLeft."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(rows, gone, perf_counter(), answer))
        self._ask_for_a_turn()
        prediction: Prediction = await answer
        return prediction

    def _ask_for_a_turn(self) -> None:
        if self._waiting and not self._turn_is_due:
            self._turn_is_due = True
            self._ask()

    @abstractmethod
    def _ask(self) -> None:
        """See to it that somebody takes a batch, works on it, and tells everybody."""

    def _take(self) -> list[_Asked]:
        """The first that wait and are still there. The rest will have a turn of its own."""
        here = []
        for one in self._waiting:
            if one.answer.done() or one.gone():
                _settle(one.answer, ClientLeft())
            else:
                here.append(one)
        together = fitting((one.rows.count for one in here), self._most_rows)
        self._waiting = deque(here[together:])
        self._turn_is_due = False
        self._ask_for_a_turn()
        return here[:together]

    def _work(self, batch: Sequence[_Asked]) -> tuple[float, list[Prediction | Exception]]:
        """When it began, and everybody's answer."""
        began = perf_counter()
        return began, answers(self._predict, [one.rows for one in batch])

    def _tell(self, batch: Sequence[_Asked], began: float, outcome: Iterable[Prediction | Exception]) -> None:
        for one, answer in zip(batch, outcome, strict=True):
            _settle(one.answer, answer)
        self._went([began - one.since for one in batch])


class ThreadBatcher(Batcher):
    """Predicts in a thread of `workers`."""

    def __init__(self, predict: Predict, workers: Workers, *, most_rows: int, went: Went) -> None:
        super().__init__(predict, most_rows=most_rows, went=went)
        self._workers = workers
        self._turns: set[asyncio.Task[None]] = set()

    async def predict(self, rows: Rows, gone: Gone) -> Prediction:
        """As every batcher; raises Overloaded too."""
        with self._workers.place():
            return await super().predict(rows, gone)

    def _ask(self) -> None:
        turn = asyncio.get_running_loop().create_task(self._turn())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def _turn(self) -> None:
        async with self._workers.thread() as run:
            if batch := self._take():
                began, outcome = await run(partial(self._work, batch))
                self._tell(batch, began, outcome)


class LoopBatcher(Batcher):
    """Predicts on the event loop."""

    def _ask(self) -> None:
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        if batch := self._take():
            self._tell(batch, *self._work(batch))


def _settle(future: asyncio.Future[Prediction], answer: Prediction | Exception) -> None:
    if future.done():  # whoever asked was cancelled meanwhile
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
