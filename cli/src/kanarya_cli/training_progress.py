"""A training's events as lines and a bar. Used by `kanarya train` and the demo."""

from collections.abc import Callable

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kanarya_training_job import Event


class TrainingProgress:
    """Steps become lines that stay; whatever counts (the search) becomes a bar in the live picture."""

    def __init__(self, *, say: Callable[[str], None], show: Callable[[RenderableType], None]) -> None:
        self._say, self._show = say, show
        self._bar = Progress(TextColumn("   {task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        self._tasks: dict[str, TaskID] = {}

    def report(self, event: Event) -> None:
        """Show one event."""
        if event.total is None:
            self._say(f"[dim]{event.step:<9}[/] {event.message}")
            return
        if event.step not in self._tasks:
            self._tasks[event.step] = self._bar.add_task(event.step, total=event.total)
        self._bar.update(self._tasks[event.step], completed=event.done or 0, total=event.total, description=event.message)
        self._show(self._bar)
