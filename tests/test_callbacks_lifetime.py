"""Who keeps a device, its subscriptions and their callbacks alive, and that nothing leaks."""

from __future__ import annotations

import contextlib
import functools
import gc
import queue
import sys
import threading
import weakref
from typing import Any

import pytest

import hwsim
from callbacks import TICKS, Flush, HeldUp, Received, raise_at, values
from calls import IMAGE
from conftest import LIMIT, OpenDevice, run_script
from hwsim import Event

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.mark.parametrize("running", [False, True])
def test_device_without_a_reference_is_closed_and_gone(
    running: bool, open_device: OpenDevice, name: str, held_up: HeldUp, flush: Flush
) -> None:
    """So are its subscriptions, even while their callback is about to run."""
    received = Received()
    with held_up() if running else contextlib.nullcontext():
        device = hwsim.open(f"hwsim://{name}?{TICKS}")
        gone: list[weakref.ref[Any]] = [
            weakref.ref(device),
            weakref.ref(device.on_event(received)),
        ]
        device.advance(3)
        if not running:
            received.take(3)
        del device
        gc.collect()
        assert [reference() for reference in gone] == [None, None]
    flush()
    assert received.rest() == []
    hwsim.open(f"hwsim://{name}").close()


def test_callback_that_refers_to_its_device_is_collected_with_it(
    open_device: OpenDevice, name: str, flush: Flush
) -> None:
    class Controller:
        def __init__(self) -> None:
            self.device = hwsim.open(f"hwsim://{name}?{TICKS}")
            self.subscription = self.device.on_event(self.on_event, on_error=self.on_error)
            self.seen: list[Event] = []

        def on_event(self, event: Event) -> None:
            self.seen.append(event)

        def on_error(self, error: BaseException) -> None:
            pass

    controller = Controller()
    controller.device.advance(2)
    flush()
    assert values(controller.seen) == [1, 2]
    gone: list[weakref.ref[Any]] = [
        weakref.ref(o) for o in (controller, controller.device, controller.subscription)
    ]
    del controller
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
    flush()
    hwsim.open(f"hwsim://{name}").close()


def test_cycle_can_go_while_its_callback_runs(name: str, flush: Flush) -> None:
    """The thread keeps what it is using, and lets go of it afterwards."""
    entered, released, seen = threading.Event(), threading.Event(), list[bool]()

    def make() -> weakref.ref[hwsim.Device]:
        device = hwsim.open(f"hwsim://{name}-cycle?{TICKS}")

        def act(event: Event) -> None:
            entered.set()
            assert released.wait(LIMIT)
            seen.append(device.is_open)

        device.on_event(act)
        device.advance(5)
        return weakref.ref(device)

    gone = make()
    assert entered.wait(LIMIT)
    gc.collect()
    assert gone() is not None, "the callback that runs refers to it"
    released.set()
    flush()
    gc.collect()
    assert gone() is None
    assert seen and all(seen)


def test_dropped_subscription_goes_on(open_device: OpenDevice) -> None:
    """The device keeps it and its callback."""
    device, found = open_device(TICKS), queue.SimpleQueue[float]()
    device.on_event(lambda event: found.put(event.value))
    gc.collect()
    device.advance(2)
    assert [found.get(timeout=LIMIT) for _ in range(2)] == [1, 2]


def test_subscription_outlives_its_device_object(open_device: OpenDevice, name: str) -> None:
    """The device stays open for it."""
    received = Received()
    subscription = hwsim.open(f"hwsim://{name}?latency=0s&timer=1ms").on_event(received)
    gc.collect()
    received.take(3)
    received.rest()
    received.take(3)
    assert subscription.is_open
    del subscription
    gc.collect()
    hwsim.open(f"hwsim://{name}").close()


@pytest.mark.parametrize("how", ["close", "close-device", "close-while-it-runs", "close-in-itself"])
def test_callback_is_let_go_with_its_subscription(how: str, name: str, flush: Flush) -> None:
    entered, released = threading.Event(), threading.Event()
    device = hwsim.open(f"hwsim://{name}-kept?{TICKS}")
    made: list[hwsim.Subscription] = []

    def act(event: Event) -> None:
        entered.set()
        if how == "close-while-it-runs":
            assert released.wait(LIMIT)
        if how == "close-in-itself":
            made[0].close()

    received, handler = Received(act), functools.partial(str)
    alive: list[weakref.ref[Any]] = [weakref.ref(received), weakref.ref(handler)]
    made.append(device.on_event(received, on_error=handler))
    device.advance(1)
    assert entered.wait(LIMIT)
    if how == "close-device":
        device.close()
    elif how != "close-in-itself":
        made[0].close()
    released.set()
    flush()
    del received, handler, act
    made.clear()
    if how == "close-device":
        del device
    gc.collect()
    assert [reference() for reference in alive] == [None, None]


def test_references_are_balanced(open_device: OpenDevice, flush: Flush) -> None:
    """Those to everything that passes through native code."""
    device, received, failing = open_device(TICKS), Received(), raise_at(error := LookupError(), 1)
    handled: list[BaseException] = []
    handler = handled.append

    def progress(done: int, total: int) -> None:
        pass

    def cycles(count: int) -> list[int]:
        for _ in range(count):
            with device.on_event(received), device.on_event(failing, on_error=handler):
                device.timer = 1
                device.advance(1)
                received.take()
                failing.take()
            device.program_firmware(IMAGE, progress=progress)
        flush()
        handled.clear()
        error.__traceback__ = None
        gc.collect()
        passed: list[object] = [received, failing, error, handler, progress, device, Event]
        return [sys.getrefcount(o) for o in passed]

    before = cycles(3)
    after = cycles(30)
    assert all(b < a + 10 for a, b in zip(before, after, strict=True)), (before, after)


LEAKS = """
    import gc, itertools, os, queue, sys
    import hwsim

    called, errors, numbers = queue.SimpleQueue(), queue.SimpleQueue(), itertools.count()
    callback = called.put
    kept = hwsim.open("hwsim://kept?latency=0s&timeout=inf")
    sys.unraisablehook = lambda report: None

    def cycles(count):
        for n in range(count):
            cycle(n)
        gc.collect()

    def resident():
        try:
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        except OSError:
            return 0

    cycles(500)
    objects, memory = len(gc.get_objects()), resident()
    cycles(2000)
    growth = len(gc.get_objects()) - objects, (resident() - memory) / 1e6
    assert growth[0] < 200 and growth[1] < 4, growth
"""
CYCLES = {
    "device": """
        with hwsim.open("hwsim://leak?latency=0s&timeout=inf") as device:
            subscription = device.on_event(callback)
            device.trigger(1)
            called.get(timeout=50)
    """,
    "subscription": """
        subscription = kept.on_event(callback, queue=1000)
        kept.trigger(1)
        called.get(timeout=50)
        subscription.close()
    """,
    "dropped": """
        device = hwsim.open(f"hwsim://leak{next(numbers)}?latency=0s")
        device.on_event(lambda event: called.put(event.lost))
        device.trigger(1)
        del device
        while not called.empty():
            called.get()
    """,
    "cycle": """
        device = hwsim.open(f"hwsim://leak{next(numbers)}?latency=0s")
        device.on_event(lambda event, device=device: device)
        device.trigger(1)
        del device
        if n % 100 == 0:
            gc.collect()
    """,
    "exceptions": """
        def fail(event):
            raise LookupError(event)

        policy = ("raise", errors.put, "unraisable")[n % 3]
        with kept.on_event(fail, on_error=policy), kept.on_event(callback):
            kept.trigger(1)
            called.get(timeout=50)  # then `fail` has raised before it
            try:
                kept.read_register(0x40)
            except LookupError as error:
                errors.put(error)
        assert errors.qsize() == (policy != "unraisable")
        while not errors.empty():
            errors.get()
    """,
    "iterator": """
        with kept.events(queue=1000) as events:
            kept.trigger(1)
            next(events)
        kept.events(queue=1000)
    """,
}


@pytest.mark.parametrize("cycle", CYCLES)
def test_nothing_leaks(cycle: str) -> None:
    """Neither objects nor memory, over thousands of cycles."""
    run_script(LEAKS, setup="def cycle(n):" + CYCLES[cycle]).check()
