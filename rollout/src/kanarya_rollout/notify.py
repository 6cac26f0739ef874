"""Sends messages to receivers over HTTP, in threads of their own. Composed by `operator`; a Listener of the controller's.

A pass puts its messages into bounded queues and goes on: a receiver that fails, hangs or is not there delays nobody and
changes no verdict. Each receiver has a queue and a thread; messages arrive in order, each tried several times, and what was
tried often enough or finds the queue full is given up. That is counted, and said in the log once, until it works again. What
waits when the process ends is tried once more; a crash loses it. Conditions carry the truth.
"""

import logging
import queue
import random
import threading
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import urlsplit

import httpx

from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.clock import Clock, SystemClock
from kanarya_rollout.decide import Decision
from kanarya_rollout.message import Form, Message, messages

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between two attempts, each by chance up to a half longer, so that receivers are not met in step."""

CAPACITY = 1000
"""Messages that wait for one receiver."""

TIMEOUT_SECONDS = 5.0
"""For each part of an attempt: connecting, sending, the answer's first line."""

_AGAIN = frozenset({408, 425, 429})
"""Client errors after which another attempt makes sense, as after any 5xx."""

Outcome = Literal["sent", "failed", "dropped"]
"""What became of a message: taken with a 2xx, given up, or never tried because too many waited."""

_LOG = logging.getLogger(__name__)


class Channel:
    """One receiver."""

    def __init__(
        self,
        name: str,
        url: str,
        form: Form,
        *,
        count: Callable[[str, Outcome], None],
        pauses: Sequence[float] = PAUSES,
        capacity: int = CAPACITY,
        timeout: float = TIMEOUT_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        """`name`: for log and metric; the address is a secret, of which only the host is ever shown. `count`: hears of each
        message once. HTTPS_PROXY and NO_PROXY are heeded; redirects are not."""
        self.name = name
        self._url = url
        self._form = form
        self._count = count
        self._pauses = tuple(pauses)
        self._clock = clock or SystemClock()
        self._http = httpx.Client(timeout=timeout, follow_redirects=False)
        self._waiting: queue.Queue[Message | None] = queue.Queue(maxsize=capacity)
        self._closing = threading.Event()
        self._well = True
        self._thread = threading.Thread(target=self._run, name=f"notify-{name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Send it as soon as those before it are sent. Does not wait, raises nothing."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self._gave_up("dropped", f"{self._waiting.maxsize} messages wait already")

    def close(self, patience: float) -> None:
        """Try what waits once more, for at most `patience` seconds."""
        self._closing.set()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return  # the thread ends with the process
        self._thread.join(patience)

    def _run(self) -> None:
        with self._http:
            while (message := self._waiting.get()) is not None:
                try:
                    self._deliver(message)
                except Exception:  # noqa: BLE001 (the thread's end would be seen by nobody)
                    _LOG.exception("a message to %s was not sent", self.name)
                    self._count(self.name, "failed")

    def _deliver(self, message: Message) -> None:
        """Until it is taken, or given up."""
        for pause in (*self._pauses, None):
            wrong, again = self._attempt(message)
            if wrong is None:
                self._took()
                return
            if not again or pause is None or self._closing.wait(pause * (1 + random.random() / 2)):  # noqa: S311 (no secret)
                break
        self._gave_up("failed", str(wrong))

    def _attempt(self, message: Message) -> tuple[str | None, bool]:
        """What went wrong, None if nothing did, and whether another attempt makes sense."""
        post = self._form.post(message, self._clock.now())
        try:
            # The answer's body is not read: it says nothing that matters here, and may have no end.
            with self._http.stream("POST", self._url, content=post.body, headers=dict(post.headers)) as answer:
                code = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__, True  # its text may have the address in it
        if 200 <= code < 300:
            return None, False
        return f"answered {code}", code >= 500 or code in _AGAIN

    def _took(self) -> None:
        self._count(self.name, "sent")
        if not self._well:
            self._well = True
            _LOG.info("%s takes messages again", self.name)

    def _gave_up(self, outcome: Outcome, wrong: str) -> None:
        self._count(self.name, outcome)
        if self._well:
            self._well = False
            host = urlsplit(self._url).hostname
            _LOG.warning("%s at %s does not take messages (%s); nothing that is decided depends on it", self.name, host, wrong)


class Notifications:
    """Tells every receiver what a decision wants told, once its status stands."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = tuple(channels)

    def decided(self, rollout: ModelRollout, decision: Decision, *, wrote: bool) -> None:
        """As Listener says."""
        if not wrote or not decision.events or not self._channels:
            return
        for message in messages(rollout, decision):
            for channel in self._channels:
                channel.put(message)

    def close(self, patience: float = 5.0) -> None:
        """Let go of every receiver, `patience` seconds each at most."""
        for channel in self._channels:
            channel.close(patience)
