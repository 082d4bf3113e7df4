"""Opening a device whose name may be in use, and closing all of them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Literal, cast, get_args

from hwsim import _native, opened
from hwsim.arguments import choice
from hwsim.cancel import CancelToken
from hwsim.device import Device
from hwsim.errors import DeviceInUse, DeviceTimeout, OperationCancelled
from hwsim.models import Model
from hwsim.models.lookup import Source, load

IfOpen = Literal["error", "reuse", "replace"]


def open(
    uri: str,
    *,
    model: Source | None = None,
    if_open: IfOpen = "error",
    wait: float = 0.0,
    cancel: CancelToken | None = None,
) -> Device:
    """Opens the device that a resource string names; see :class:`Device`.

    Args:
        uri: Such as ``hwsim://daq0?latency=2ms``.
        model: What kind of device it is; see :class:`Device`.
        if_open: When a device of this name is open in this process: ``"error"`` raises
            DeviceInUse, which says who opened it. ``"reuse"`` returns that device, if it was opened
            with the same resource string and model. ``"replace"`` closes it, whoever uses it, and
            opens a new one: the same cell of a notebook can be run again.
        wait: How many seconds to wait, in real time, until the name is no longer in use;
            ``math.inf``: forever. Blocks; the GIL is released, and Ctrl-C ends the wait.
        cancel: A token that ends the wait.

    Raises:
        InvalidArgument: Something in the resource string is wrong; the error says what.
        DeviceInUse: The name is in use, also after the wait.
        OperationCancelled: By the token.

    **Thread safety:** may be called in any thread. When several replace a device at once, each
    gets one of its own, and all but the last of them are closed again.
    """
    if if_open == "error" and cancel is None and type(wait) is float and wait == 0.0:
        return Device(uri, model)  # the usual way: at no cost
    patience = seconds("wait", wait)
    choice("if_open", if_open, get_args(IfOpen))
    until = time.monotonic() + patience
    if cancel is not None and cancel.cancelled:
        raise OperationCancelled("the operation was cancelled", operation="open")
    in_use: DeviceInUse | None = None
    existing: Device | None = None
    closed: Device | None = None
    try:
        while True:
            try:
                return Device(uri, model)
            except DeviceInUse as error:
                in_use = error
            existing = cast("Device | None", opened.find(in_use.device))
            if existing is not None and if_open == "replace" and existing.is_open:
                existing.close()
            if existing is not None and not existing.is_open and existing is not closed:
                closed = existing  # it has just been closed, so the name is no longer in use
                continue
            if existing is not None and if_open == "reuse" and _is_same(existing, uri, model):
                return existing
            try:
                _native.wait_free(in_use.device, max(0.0, until - time.monotonic()), cancel)
            except DeviceTimeout:
                raise in_use from None
    finally:  # an error keeps its frames, and they would keep the device open, and the error
        in_use = existing = closed = None


def _is_same(existing: Device, uri: str, model: Source | None) -> bool:
    if existing.uri != uri or (model is not None and existing.map is not load(model)):
        return False
    return not isinstance(model, Model) or existing.model in (None, model)


def close_all() -> list[str]:
    """Closes every device that is open in this process; returns their names.

    It calls the ``close()`` of each, also when that of another raises: the last exception reaches
    the caller, with the others as its context.
    """
    with ExitStack() as stack:
        devices = opened.everything()
        for device in devices:
            stack.callback(device.close)
    return sorted(device.name for device in devices)


def seconds(name: str, value: float) -> float:
    """Returns the value as a float, checked: from 0 to math.inf."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}") from None
    if not number >= 0:
        raise ValueError(f"{name} must be from 0 to math.inf seconds, got {value!r}")
    return number
