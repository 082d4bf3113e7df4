"""The progress bar of all commands that take long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Report(Protocol):
    """Moves the bar; it can be given to an operation of a device as its ``progress``."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """Shows so much done, and a note to the right."""


@contextmanager
def bar(
    console: Console, title: str, *, total: int | None = None, stopped: str | None = None
) -> Iterator[Report]:
    """Shows a bar on a terminal, otherwise nothing.

    It stays on the screen, also where an error or Ctrl-C stopped it.

    Args:
        console: Where to.
        title: To its left.
        total: What is full, if that is known before the first report.
        stopped: What becomes of the title when an exception leaves the block; None: it stays.
    """
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )
    task = progress.add_task(title, total=total, note="")
    with progress:
        try:
            yield lambda done, total, note="": progress.update(
                task, completed=done, total=total, note=note
            )
        except BaseException:
            progress.update(task, description=stopped)
            raise
