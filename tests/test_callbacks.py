"""Callbacks: from a native thread into Python, every event, in order, one at a time.

What a callback raises is in test_callbacks_exceptions.py, what it may do in
test_callbacks_reentrancy.py, who keeps it alive in test_callbacks_lifetime.py; signals, exit and
fork() are in test_callbacks_processes.py. What the events say is in test_events.py; callbacks on
the calling thread are in test_progress.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from callbacks import MANUAL, TICKS, Flush, HeldUp, Received, trigger, values
from conftest import LIMIT, OpenDevice, in_thread, needs_gil, parallelize
from hwsim import Event

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_callback_gets_every_event_in_order(open_device: OpenDevice) -> None:
    device, received = open_device(TICKS), Received()
    subscription = device.on_event(received)
    for n in range(100):
        device.trigger(n)
        device.advance(1)
    found = received.take(200)
    assert [e.sequence for e in found] == list(range(200))
    assert [e.time_s for e in found] == [(n + 1) // 2 for n in range(200)]
    assert values(found[::2]) == list(range(100))
    assert {type(e) for e in found} == {Event}
    assert subscription.status == (0, 200, 0)
    assert subscription.callback is received


def test_callbacks_run_one_at_a_time_on_one_thread(open_device: OpenDevice) -> None:
    """The same one for all devices of the process, and none of the program's own."""
    running, threads = threading.Lock(), set()

    def act(event: Event) -> None:
        assert running.acquire(blocking=False)
        threads.add(threading.get_ident())
        running.release()

    callbacks = [Received(act) for _ in range(4)]
    for received in callbacks:
        open_device("latency=0s&timer=100us").on_event(received)
    for received in callbacks:
        received.take(50)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_thread_keeps_its_python_state(open_device: OpenDevice) -> None:
    """What is local to the thread is still there at the next call: it attaches to Python once."""
    local, variable = threading.local(), contextvars.ContextVar("variable", default="nobody's")
    variable.set("the main thread's")
    seen: list[tuple[threading.Thread, int, str]] = []

    def act(event: Event) -> None:
        local.count = getattr(local, "count", 0) + 1
        thread = threading.current_thread()
        assert thread.ident == threading.get_ident() and thread.is_alive()
        assert thread is not threading.main_thread() and thread in threading.enumerate()
        seen.append((thread, local.count, variable.get()))
        variable.set("its own")

    received, device = Received(act), open_device()
    device.on_event(received)
    for _ in range(3):
        device.trigger()
        received.take()
        gc.collect()
    threads, counts, context = zip(*seen, strict=True)
    assert threads[0] is threads[1] is threads[2]
    assert counts == (1, 2, 3)
    assert context == ("nobody's", "its own", "its own")
    assert variable.get() == "the main thread's"


@needs_gil
def test_gil_is_taken_once_for_a_batch(open_device: OpenDevice, held_up: HeldUp) -> None:
    """Another thread asks for it all the time, and would get in between.

    The callback is a builtin: no bytecode runs that would give it up by itself.
    """
    seen: list[Any] = []  # events, and None from the other thread
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            seen.append(None)

    device, interval = open_device(TICKS), sys.getswitchinterval()
    device.on_event(seen.append, kinds=["timer"])
    gc.collect()
    gc.disable()  # finalisers are bytecode
    sys.setswitchinterval(1e-6)
    try:
        with held_up():
            device.advance(200)
            disturber = in_thread(disturb)
        received = Received()
        with device.on_event(received, kinds=["trigger"]):
            device.trigger()
            received.take()
    finally:
        sys.setswitchinterval(interval)
        gc.enable()
        stop.set()
    disturber.result(LIMIT)
    first = next(i for i, event in enumerate(seen) if event)
    assert first > 0, "it asked for it before"
    batch = seen[first : first + 200]
    assert [event and event.sequence for event in batch] == list(range(200))


def test_subscription_that_never_catches_up_does_not_keep_others_waiting(
    open_device: OpenDevice,
) -> None:
    open_device("latency=0s&timer=1us").on_event(lambda event: None, queue=2**16)
    received = Received()
    open_device("latency=0s&timer=1ms").on_event(received)
    received.take(20)


class Appender:
    """Can be called itself, and has a method that can."""

    def __init__(self, found: list[Event]) -> None:
        self.found = found

    def append(self, event: Event) -> None:
        self.found.append(event)

    __call__ = append


CALLABLES: dict[str, Callable[[list[Event]], Callable[[Event], object]]] = {
    "builtin": lambda found: found.append,
    "lambda": lambda found: lambda event: found.append(event),
    "partial": lambda found: functools.partial(found.insert, 10**9),
    "bound-method": lambda found: Appender(found).append,
    "object": Appender,
    "class": lambda found: type("Made", (), {"__init__": lambda self, e: found.append(e)}),
    "cached": lambda found: functools.lru_cache(lambda event: found.append(event)),
    "generator": lambda found: started(collect(found)).send,
}


def collect(found: list[Event]) -> Generator[None, Event, None]:
    while True:
        found.append((yield))


def started(generator: Any) -> Any:
    next(generator)
    return generator


@pytest.mark.parametrize("kind", CALLABLES)
def test_whatever_can_be_called_is_a_callback(
    kind: str, open_device: OpenDevice, flush: Flush
) -> None:
    """The subscription keeps it alive; what it returns does not matter."""
    found: list[Event] = []
    device = open_device()
    subscription = device.on_event(CALLABLES[kind](found))
    for n in range(3):
        gc.collect()
        device.trigger(n)
    flush()
    assert values(found) == [0, 1, 2]
    assert callable(subscription.callback)


def test_coroutine_gets_events_through_call_soon_threadsafe(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&timer=1ms")

    async def main() -> list[Event]:
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Event]()
        with device.on_event(lambda event: loop.call_soon_threadsafe(events.put_nowait, event)):
            return [await asyncio.wait_for(events.get(), LIMIT) for _ in range(20)]

    found = asyncio.run(main())
    assert [e.sequence for e in found] == list(range(20))


@pytest.mark.parametrize("clock", ["real", "10x", "virtual", "manual"])
def test_ticks_reach_a_callback_on_every_clock(clock: str, open_device: OpenDevice) -> None:
    """Where time does not pass by itself, the operations that move it deliver them."""
    device, received = open_device(f"latency=2ms&clock={clock}&timer=1ms"), Received()
    device.on_event(received, kinds=["timer"])
    if clock == "virtual":
        for _ in range(3):
            device.read_register(0x40)
    if clock == "manual":
        device.advance(0.006)
    found = received.take(6)
    first = round(found[0].value)
    assert values(found) == list(range(first, first + 6))
    assert [e.time_s for e in found] == [round(e.value) / 1000 for e in found]


def test_slow_callback_sees_exactly_what_it_lost(open_device: OpenDevice, held_up: HeldUp) -> None:
    device, received = open_device(MANUAL), Received()
    subscription = device.on_event(received, queue=5)
    device.trigger(0)
    first = received.take()
    for batch in (3, 12, 5, 100):
        with held_up():
            for _ in range(batch):
                device.trigger(-1)
            assert subscription.status.queued == min(batch, 5)
        first += received.take(min(batch, 5))
    assert [e.lost for e in first if e.lost] == [7, 95]
    expected = 0
    for event in first:
        assert event.sequence == expected + event.lost
        expected = event.sequence + 1
    assert expected == 121 == len(first) + subscription.status.lost


def test_busy_callback_sees_exactly_what_it_lost(open_device: OpenDevice) -> None:
    """Whatever other threads do: each event is received, in order, or counted as lost."""
    device = open_device("latency=0s&timeout=inf&timer=20us")
    received = Received(lambda event: sum(range(100)))
    subscription = device.on_event(received, queue=3)
    parallelize(lambda i: trigger(device, 500), 3)
    device.timer = 0
    device.trigger(-1)
    found: list[Event] = []
    while not found or found[-1].value != -1:
        found += received.take()
    expected, before = 0, 0.0
    for event in found:
        assert event.sequence == expected + event.lost
        assert event.time_s >= before
        expected, before = event.sequence + 1, event.time_s
    status = subscription.status
    assert (status.queued, status.delivered) == (0, len(found))
    assert len(found) + status.lost == expected >= 1501


def test_slow_callback_that_holds_back_loses_nothing(open_device: OpenDevice) -> None:
    device, received = open_device("latency=0s&timeout=inf"), Received()
    subscription = device.on_event(received, kinds=["trigger"], queue=2, overflow="wait")
    parallelize(lambda i: trigger(device, 200), 3)
    found = received.take(600)
    assert [(e.sequence, e.lost) for e in found] == [(n, 0) for n in range(600)]
    assert subscription.status == (0, 600, 0)
