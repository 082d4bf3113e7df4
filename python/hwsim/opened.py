"""Which devices are open in this process, by name, and who opened them."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from hwsim.errors import DeviceInUse

# Held while a device is opened, so that whoever finds its name in use finds the device here. Never
# while anything waits, or a method of the user's is called. Reentrant for the sake of signal
# handlers and finalizers.
lock = threading.RLock()
_devices: WeakValueDictionary[str, Any] = WeakValueDictionary()


def add(device: Any) -> None:
    """Remembers a device that has just been opened; the lock is held."""
    # Not device.name, which asks for all of its settings: opening is to cost next to nothing.
    _devices[device._name()] = device


def find(name: str) -> Any | None:
    """Returns the device that was opened last by this name, open or not; None: it is gone."""
    with lock:
        return _devices.get(name)


def everything() -> list[Any]:
    """Returns all devices that are open."""
    with lock:
        devices = [reference() for reference in _devices.valuerefs()]
    return [device for device in devices if device is not None and device.is_open]


class Caller(NamedTuple):
    """Who called hwsim: kept with each device, and put in words when somebody asks."""

    file: str | None
    line: int
    thread: str

    def __str__(self) -> str:
        place = f"at {self.file}:{self.line}, " if self.file else ""
        return f"{place}in the thread {self.thread}"


def caller() -> Caller:
    """Says who calls hwsim now."""
    thread = threading.current_thread().name
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith("hwsim."):
            return Caller(frame.f_code.co_filename, frame.f_lineno, thread)
        frame = frame.f_back
    return Caller(None, 0, thread)


def in_use(error: DeviceInUse, uri: str) -> DeviceInUse:
    """Returns the error for a name in use, with who opened it and what can be done."""
    name, existing = error.device, find(error.device)
    said = f"'{name}' is in use: it is already open in this process"
    if existing is not None and existing.is_open:
        said += f", opened {existing.opener}"
        if existing.uri != uri:
            said += f" as {existing.uri}"
    said += (
        "; close it first (hwsim.close_all() closes every device), or say what to do: "
        'hwsim.open(..., if_open="reuse" or "replace", wait=SECONDS)'
    )
    return DeviceInUse(said, name, error.operation)


def _forget() -> None:
    """In a forked child: the devices are the parent's, and the lock may be another thread's."""
    global lock, _devices
    lock, _devices = threading.RLock(), WeakValueDictionary()


os.register_at_fork(after_in_child=_forget)
