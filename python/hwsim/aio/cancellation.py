"""Cancellations that come too late for an operation."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

# Of each task: how often it had been cancelled then, and the arguments of the error.
_late: WeakKeyDictionary[asyncio.Task[Any], tuple[int, tuple[Any, ...]]] = WeakKeyDictionary()


def later(error: asyncio.CancelledError) -> None:
    """Cancels the current task in its next await, if that is still wanted then.

    It was cancelled while it waited for an operation that has had its effect already. To raise
    CancelledError would say that it has not; to keep silent would lose the cancellation. Where
    somebody takes it back meanwhile, such as ``asyncio.timeout`` at the end of its block, it is not
    wanted any more.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        _late[task] = task.cancelling(), error.args
        task.get_loop().call_soon(_cancel_again, task)


def check() -> bool:
    """Raises what is late for the current task; otherwise says whether there is more."""
    task = asyncio.current_task()
    wanted = None if task is None else _late.pop(task, None)
    if task is not None and wanted is not None and task.cancelling() >= wanted[0]:
        raise asyncio.CancelledError(*wanted[1])
    return bool(_late)


def _cancel_again(task: asyncio.Task[Any]) -> None:
    wanted = _late.pop(task, None)
    if wanted is not None and not task.done() and task.cancelling() >= wanted[0]:
        task.uncancel()  # it has been counted
        task.cancel(*wanted[1])
