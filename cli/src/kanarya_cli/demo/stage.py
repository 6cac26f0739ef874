"""Where the demo is seen: lines for everyone, and below them a live picture for a terminal. Used by `story`."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text


class Stage:
    """Lines stay; the picture is drawn over itself and is gone at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._chapters = 0
        self._live = Live(Text(), console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        """Draw while the block runs; leave the terminal as it was, whatever happens."""
        if self._live is None:
            yield self
            return
        with self._live:
            yield self

    def chapter(self, title: str) -> None:
        """A numbered heading."""
        self._chapters += 1
        self.show(Text())
        self.console.print(f"\n[bold]{self._chapters}. {title}[/]", highlight=False)

    def say(self, line: RenderableType) -> None:
        """A line, or something larger, that stays."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def show(self, picture: RenderableType) -> None:
        """The live picture; nothing without a terminal."""
        if self._live is not None:
            self._live.update(picture)
