"""Python functions that behave as a faulty native call may, where no C is needed for it."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import threading
import time

_lock = threading.Lock()
_process = os.getpid()
_number = itertools.count()
_used: list[object] = []
_inside: list[int] = []
_cache: dict[int, object] = {}


def swallows(seconds: float) -> None:
    """Drops KeyboardInterrupt and waits on."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(left)


def translates(seconds: float) -> None:
    """Ends at once, with an error of its own in place of KeyboardInterrupt."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        raise RuntimeError("query interrupted") from None


def breaks(seconds: float) -> None:
    """Does not work any more once it was interrupted."""
    if _used:
        raise RuntimeError("still in the call that was interrupted")
    _used.append(None)
    time.sleep(seconds)
    _used.clear()


def works_once(seconds: float) -> None:
    """Never works a second time, interrupted or not: that is not Ctrl-C's fault."""
    if _used:
        raise RuntimeError("was called before")
    _used.append(None)
    time.sleep(seconds)


def stays_locked(seconds: float) -> None:
    """Keeps its lock when it is interrupted."""
    _lock.acquire()
    time.sleep(seconds)
    _lock.release()


def crashes(seconds: float) -> None:
    """Crashes when it is interrupted."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        ctypes.string_at(0)


def refuses_in_child() -> None:
    """Raises in a child: it says that it cannot be used there."""
    if os.getpid() != _process:
        raise OSError("open it again after fork")


def crashes_in_child() -> None:
    """Uses in a child what is only there in the parent."""
    if os.getpid() != _process:
        ctypes.string_at(0)


def is_alone() -> bool:
    """Gives something else while another thread of this process is in it, and only then."""
    process = os.getpid()
    alone = process not in _inside
    _inside.append(process)
    time.sleep(0.005)
    _inside.remove(process)
    return alone


def leaks_seldom() -> None:
    """Leaks an object every tenth time."""
    if next(_number) % 10 == 0:
        _used.append(object())


def fills_cache() -> None:
    """Keeps seven objects, and never more."""
    _cache[len(_cache) % 7] = object()


def fills_slowly(seconds: float = 0.0) -> None:
    """Keeps a thousand objects, and never more."""
    time.sleep(seconds)
    if len(_used) < 1000:
        _used.append(object())


def starts_thread() -> None:
    """Starts a thread that ends by itself, a little later."""
    threading.Thread(target=time.sleep, args=(0.002,)).start()


def counts(seconds: float) -> int:
    """Not wrong at all: its data tells how often it was called, in a child as in its parent."""
    time.sleep(seconds)
    return next(_number)
