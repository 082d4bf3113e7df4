"""What the tests of callbacks have in common: a callback that keeps its events, and the fixtures.

conftest.py makes it a plugin, so that its fixtures need no import.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import hwsim
from conftest import LIMIT, OpenDevice
from hwsim import Event

MANUAL = "latency=0s&clock=manual&timeout=inf"
TICKS = MANUAL + "&timer=1s"
VIRTUAL = "latency=1ms&clock=virtual"
HeldUp = Callable[[], contextlib.AbstractContextManager[None]]
Flush = Callable[[], None]


class Received:
    """A callback that does something with each event, and keeps it."""

    def __init__(self, act: Callable[[Event], object] | None = None) -> None:
        self.act = act
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def __call__(self, event: Event) -> None:
        try:
            if self.act:
                self.act(event)
        finally:
            self._events.put(event)

    def take(self, count: int = 1) -> list[Event]:
        """The next events; waits for them."""
        return [self._events.get(timeout=LIMIT) for _ in range(count)]

    def rest(self) -> list[Event]:
        """Those that have come."""
        return self.take(self._events.qsize())


@pytest.fixture
def flush(open_device: OpenDevice) -> Callable[[], None]:
    """Returns when all callbacks that are due now have been called.

    They are called one after the other, for all devices, in the order in which they are due.
    """

    def flush() -> None:
        received, device = Received(), open_device()
        with device.on_event(received):
            device.trigger()
            received.take()

    return flush


@pytest.fixture
def held_up(open_device: OpenDevice) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A ``with`` statement in which no other callback runs: the thread is in one that waits."""

    @contextlib.contextmanager
    def held_up() -> Iterator[None]:
        entered, released = threading.Event(), threading.Event()

        def block(event: Event) -> None:
            entered.set()
            released.wait(LIMIT)

        device = open_device()
        with device.on_event(block):
            device.trigger()
            assert entered.wait(LIMIT)
            try:
                yield
            finally:
                released.set()

    return held_up


@pytest.fixture
def nothing_is_left(flush: Flush) -> Iterator[None]:
    """No exception of a callback waits for the calls of another test."""
    yield
    flush()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> queue.SimpleQueue[Any]:
    """What sys.unraisablehook gets."""
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
    monkeypatch.setattr(sys, "unraisablehook", reports.put)
    return reports


def raise_at(error: BaseException, *at: float) -> Received:
    """A callback that raises it at these values."""

    def fail_here(event: Event) -> None:
        if event.value in at:
            error.__traceback__ = None
            raise error

    return Received(fail_here)


def functions(error: BaseException) -> list[str]:
    """The names of the functions in its traceback, outermost first."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def trigger(device: hwsim.Device, count: int) -> None:
    for _ in range(count):
        device.trigger()


def values(events: list[Event]) -> list[float]:
    return [event.value for event in events]
