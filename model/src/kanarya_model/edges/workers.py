"""Threads for what the event loop cannot wait for, and who may wait for one. Made by `server`, shared by all that is served.

First come, first served. What is not done has two reasons: too much waits already (`Overloaded`), or nobody waits any more
(`ClientLeft`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar

from kanarya_contracts.problems import KanaryaError

_T = TypeVar("_T")

Gone = Callable[[], bool]
"""Whether the client has left, so that nobody would read an answer. For any thread."""


def never_gone() -> bool:
    """Of a client whose leaving nobody notices."""
    return False


class Overloaded(KanaryaError):
    """Nobody's mistake: more was asked at once than this server takes on. Asking again a little later is right."""

    retry_seconds = 1


class ClientLeft(Exception):
    """The client closed the connection before its request was complete, or before its turn came."""


class Workers:
    """The threads. At most `waiting` requests wait for one or have theirs; one more is refused at once."""

    def __init__(self, *, threads: int, waiting: int, work: str = "predictions") -> None:
        """`work`: what they do, for people."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=work)
        self._work = work
        self._free = asyncio.Semaphore(threads)
        self._most = waiting
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A request's place, from now on until it has its answer. Raises Overloaded."""
        if self._waiting >= self._most:
            raise Overloaded(f"{self._most} {self._work} wait already, expected at most that")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def thread(self) -> AsyncIterator[Callable[[Callable[[], Any]], Awaitable[Any]]]:
        """A thread, once one is free: a function that runs another there."""
        async with self._free:
            yield partial(asyncio.get_running_loop().run_in_executor, self._pool)

    async def run(self, work: Callable[[], _T], gone: Gone) -> _T:
        """What `work` returns or raises, in a place and a thread of its own. Raises Overloaded or ClientLeft."""
        with self.place():
            async with self.thread() as run:
                if gone():
                    raise ClientLeft
                done: _T = await run(work)
                return done

    def close(self) -> None:
        """End the threads when their work is done."""
        self._pool.shutdown()
