"""Blocking calls on the thread of a loop, which asyncio's debug mode is to show."""

from __future__ import annotations

import sys
import warnings
from asyncio import AbstractEventLoop
from functools import reduce
from types import FrameType

from hwsim import aio


def warn(loop: AbstractEventLoop) -> None:
    """Warns of the call that is about to wait on the thread of this loop, in debug mode."""
    if not loop.get_debug():
        return
    name, level = "", 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "hwsim":
        name, level, frame = frame.f_code.co_qualname, level + 1, frame.f_back
    warnings.warn(_text(name), RuntimeWarning, stacklevel=level)


def _text(name: str) -> str:
    try:
        reduce(getattr, name.split("."), aio)
    except AttributeError:  # a call in C has no frame
        return "a call of hwsim blocks the event loop; await the one of the same name in hwsim.aio"
    return f"{name}() blocks the event loop; await hwsim.aio.{name}()"
