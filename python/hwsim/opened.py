"""Which devices are open in this process, by name, and who opened them."""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType, FrameType
from typing import Any
from weakref import ref

from hwsim.errors import DeviceInUse

# Held while a device is opened, so that whoever finds its name in use finds the device here. Never
# while anything waits, or a method of the user's is called. Reentrant for the sake of signal
# handlers and finalizers.
lock = threading.RLock()

# By name. Opening is to cost next to nothing: those that are gone are swept out when they may be
# half of all, for a dictionary that does so at once costs twice as much as opening itself.
_devices: dict[str, ref[Any]] = {}
_sweep_at = [64]  # devices

# Who opened a device: where in which code, and the name of the thread. In words when asked.
Caller = tuple[CodeType | None, int, str]


def add(device: Any) -> None:
    """Remembers a device that has just been opened; the lock is held."""
    # Not device.name, which asks for all of its settings.
    _devices[device._name()] = ref(device)
    if len(_devices) > _sweep_at[0]:
        for name in [name for name, device in _devices.items() if device() is None]:
            del _devices[name]
        _sweep_at[0] = max(64, 2 * len(_devices))


def find(name: str) -> Any | None:
    """Returns the device that was opened last by this name, open or not; None: it is gone."""
    with lock:
        found = _devices.get(name)
    return found and found()


def everything() -> list[Any]:
    """Returns all devices that are open."""
    with lock:
        devices = [reference() for reference in _devices.values()]
    return [device for device in devices if device is not None and device.is_open]


def caller() -> Caller:
    """Says who calls hwsim now."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("hwsim."):
        frame = frame.f_back
    thread = threading.current_thread().name
    return (frame.f_code, frame.f_lasti, thread) if frame is not None else (None, 0, thread)


def described(caller: Caller) -> str:
    """Puts in words who it was."""
    code, instruction, thread = caller
    if code is None:
        return f"in the thread {thread}"
    lines = (line for start, end, line in code.co_lines() if start <= instruction < end)
    line = next(lines, None) or code.co_firstlineno
    return f"at {code.co_filename}:{line}, in the thread {thread}"


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
    lock, _devices = threading.RLock(), {}


os.register_at_fork(after_in_child=_forget)
