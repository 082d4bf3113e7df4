"""Opening a device whose operations are awaited."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any

from hwsim import _native, opening
from hwsim.aio.calls import Device
from hwsim.cancel import CancelToken
from hwsim.errors import DeviceInUse, DeviceTimeout
from hwsim.models.lookup import Source
from hwsim.opening import IfOpen


class Opening:
    """A device that is being opened: to be awaited, or used in an ``async with`` statement."""

    def __init__(self, opened: Coroutine[Any, Any, Device]) -> None:
        self._opened = opened

    def __await__(self) -> Generator[Any, Any, Device]:
        return self._opened.__await__()

    async def __aenter__(self) -> Device:
        self._device = await self._opened
        return self._device

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._device.close()


def open(
    uri: str,
    *,
    model: Source | None = None,
    if_open: IfOpen = "error",
    wait: float = 0.0,
    cancel: CancelToken | None = None,
) -> Opening:
    """Opens the device that a resource string names, for asyncio.

    ``async with hwsim.aio.open(uri) as device`` closes it at the end; ``device = await
    hwsim.aio.open(uri)`` does not. Arguments and errors are those of :func:`hwsim.open`; with
    ``wait`` other tasks go on meanwhile.
    """
    return Opening(_open(uri, model, if_open, opening.seconds("wait", wait), cancel))


async def _open(
    uri: str, model: Source | None, if_open: IfOpen, wait: float, cancel: CancelToken | None
) -> Device:
    until = time.monotonic() + wait
    while True:
        try:
            return Device(opening.open(uri, model=model, if_open=if_open, cancel=cancel))
        except DeviceInUse as error:
            in_use = error
        try:
            left = max(0.0, until - time.monotonic())
            await _native.operation(_native.wait_free, in_use.device, left, cancel)
        except DeviceTimeout:
            raise in_use from None
