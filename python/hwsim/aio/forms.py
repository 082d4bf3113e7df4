"""What the asynchronous forms have that the blocking ones have not: iteration, ``async with``."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from hwsim.errors import DeviceClosed
from hwsim.events import Event
from hwsim.stream import Block

Function = TypeVar("Function", bound=Callable[..., Coroutine[Any, Any, Any]])


def coroutine_function(function: Function) -> Function:
    """Lets others see what ``async def`` would show: mocks and web frameworks look for it.

    Before Python 3.12 only ``asyncio.iscoroutinefunction()`` can see it.
    """
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function


def blocking_of(form: Any) -> Any:
    """Returns the blocking form of a device; anything else as it is."""
    return getattr(form, "blocking", form)


class Opened:
    """What may be used in an ``async with`` statement, which closes or stops it."""

    __slots__ = ()
    blocking: Any

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.blocking._end()

    def __repr__(self) -> str:
        return repr(self.blocking).replace("<hwsim.", "<hwsim.aio.", 1)


class Blocks(Opened):
    """What yields blocks of samples."""

    __slots__ = ()

    def read(self) -> Coroutine[Any, Any, Block]:
        """Reads the next one, which is empty at the end."""
        raise NotImplementedError

    async def __aiter__(self) -> AsyncIterator[Block]:
        while len(block := await self.read()):
            yield block


class Events(Opened):
    """What yields events."""

    __slots__ = ()

    def read(self) -> Coroutine[Any, Any, list[Event]]:
        """Reads at least one."""
        raise NotImplementedError

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            return (await self.read())[0]
        except DeviceClosed:
            if self.blocking.is_open:
                raise
            raise StopAsyncIteration from None


def on_loop(callback: Callable[[Event], object]) -> Callable[[Event], object]:
    """Returns a function for any thread that has the callback called on the thread of this loop."""
    if not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    loop = asyncio.get_running_loop()

    def call(event: Event) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback, event)

    return call
