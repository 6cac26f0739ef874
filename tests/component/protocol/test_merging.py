"""Requests that wait for a thread together: whatever comes in whatever order, each gets the answer that it gets alone."""

import asyncio
import json
import time
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kanarya_model.core.inputs import Rows
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import ModelFault
from kanarya_model.edges.batcher import LoopBatcher, ThreadBatcher
from kanarya_model.edges.workers import ClientLeft, Workers

BAD = 13.0
MOST_ROWS = 6
ROWS = ([5.1, 3.5, 1.4, 0.2], [5.1, 3.5, None, 0.2], [6.3, 3.3, 6.0, 2.5])


@dataclass(frozen=True)
class Asked:
    """A request: its rows, turns of the event loop until it comes, and until its client leaves or its task is cancelled."""

    values: tuple[float, ...]
    after: int
    leaves: int | None
    cancelled: int | None


turns = st.integers(0, 8)
requests = st.builds(
    Asked,
    values=st.lists(st.sampled_from([0.5, 1.0, 1 / 3, BAD]), min_size=1, max_size=8).map(tuple),
    after=turns,
    leaves=st.none() | turns,
    cancelled=st.none() | st.none() | turns,
)


def predict(rows):
    time.sleep(0)  # let the event loop on, so that more come while this runs
    if BAD in rows.matrix:
        raise ModelFault(f"cannot answer {rows.matrix[:, 0].tolist()}")
    return Prediction(outputs={"label": rows.matrix[:, 0].astype(object), "probabilities": rows.matrix / 7})


def told(answer):
    if isinstance(answer, BaseException):
        return repr(answer)
    return {name: array.tolist() for name, array in answer.outputs.items()}


class Clients:
    """Sends requests at their turns, and writes down what each was told, in the order in which they were."""

    def __init__(self, workers):
        self.batches = []
        self.answered = []
        self.asked = []
        options = {"most_rows": MOST_ROWS, "went": lambda waits: self.batches.append(len(waits))}
        self.batcher = ThreadBatcher(predict, workers, **options) if workers else LoopBatcher(predict, **options)

    async def all(self, requests):
        async with asyncio.TaskGroup() as group:
            for number, one in enumerate(requests):
                group.create_task(self.one(number, one))

    async def one(self, number, request):
        await sleep(request.after)
        left = asyncio.Event()
        task = asyncio.create_task(self.batcher.predict(rows(request), left.is_set))
        self.asked.append(number)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.end(request.leaves, left.set))
            group.create_task(self.end(request.cancelled, task.cancel))
            try:
                answer = told(await asyncio.shield(task))
            except (ModelFault, ClientLeft, asyncio.CancelledError) as error:
                answer = told(error)
            self.answered.append((number, answer))

    async def end(self, after, how):
        if after is not None:
            await sleep(after)
            how()


async def sleep(turns):
    for _ in range(turns):
        await asyncio.sleep(0)


def rows(request):
    return Rows(count=len(request.values), matrix=np.array(request.values).reshape(-1, 1))


def alone(request):
    try:
        return told(predict(rows(request)))
    except ModelFault as error:
        return told(error)


@given(st.lists(requests, min_size=1, max_size=12), st.booleans())
def test_any_interleaving_of_requests_failures_and_clients_that_leave_gives_each_the_answer_that_it_gets_alone(
    requests, in_a_thread
):
    async def run():
        with closing(Workers(threads=1, waiting=len(requests))) as workers:
            clients = Clients(workers if in_a_thread else None)
            await clients.all(requests)
            return clients

    clients = asyncio.run(run())

    answers = dict(clients.answered)
    assert sorted(answers) == list(range(len(requests)))
    for number, one in enumerate(requests):
        left = ["ClientLeft()"] * (one.leaves is not None) + ["CancelledError()"] * (one.cancelled is not None)
        assert answers[number] in [alone(one), *left]
    stayed = [number for number, one in enumerate(requests) if one.cancelled is None and answers[number] != "ClientLeft()"]
    assert [number for number, _ in clients.answered if number in stayed] == [n for n in clients.asked if n in stayed]
    assert len(stayed) <= sum(clients.batches) <= len(requests)


def test_what_comes_in_one_turn_of_the_event_loop_is_one_prediction_and_only_the_wrong_one_is_refused(client):
    asked = client("numeric", batch_rows=100)
    bodies = [
        json.dumps({"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": row}]}).encode() for row in ROWS
    ]
    alone = [client("numeric").infer(body) for body in bodies]

    answers = asked.together(*[("POST", "/v2/models/iris/infer", body) for body in bodies], until=lambda: None)

    assert [answer.status for answer in answers] == [answer.status for answer in alone] == [200, 400, 200]
    assert [answer.json()["outputs"][0] for answer in answers[::2]] == [answer.json()["outputs"][0] for answer in alone[::2]]
    assert asked.metric("kanarya_model_batch_requests_sum") == {'{model="iris",version="2"}': 2}
    assert asked.metric("kanarya_model_batch_requests_count") == {'{model="iris",version="2"}': 1}
    assert asked.metric("kanarya_model_queue_seconds_count") == {'{model="iris",version="2"}': 0}
