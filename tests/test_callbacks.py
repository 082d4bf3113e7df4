"""Callbacks: from a native thread into Python and back.

None of it may hang, crash or lose an exception: what could take the process with it runs in one of
its own; signals, exit and fork() are in test_callbacks_processes.py. What the events say, and what
a full queue does, is in test_events.py; callbacks on the calling thread are in test_progress.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import queue
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

import hwsim
from calls import BLOCKING, IMAGE, LONG
from conftest import LIMIT, OpenDevice, in_thread, needs_gil, parallelize, run_script
from hwsim import Event
from hwsim.errors import DeviceClosed, DeviceTimeout, OperationCancelled

MANUAL = "latency=0s&clock=manual&timeout=inf"
TICKS = MANUAL + "&timer=1s"
VIRTUAL = "latency=1ms&clock=virtual"


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


HeldUp = Callable[[], contextlib.AbstractContextManager[None]]
Flush = Callable[[], None]


@pytest.fixture(autouse=True)
def _nothing_is_left(flush: Flush) -> Iterator[None]:
    """No exception of a callback waits for the calls of another test."""
    yield
    flush()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> queue.SimpleQueue[Any]:
    """What sys.unraisablehook gets."""
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
    monkeypatch.setattr(sys, "unraisablehook", reports.put)
    return reports


def functions(error: BaseException) -> list[str]:
    """The names of the functions in its traceback, outermost first."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def trigger(device: hwsim.Device, count: int) -> None:
    for _ in range(count):
        device.trigger()


def values(events: list[Event]) -> list[float]:
    return [event.value for event in events]


# --------------------------------------------------------------------------------------- delivery


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
    """For all devices of the process; it is none of the program's own."""
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
    """What is local to the thread is still there the next time: it attaches once."""
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
    """Another thread is after it all the time, and would come in between.

    The callback is a builtin: no bytecode runs that would give it up by itself.
    """
    seen: list[Any] = []  # events, and None of the other thread
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
    assert first > 0, "it was after it before"
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
    """Something whose method, or that itself, is called."""

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
    """Where the time does not go on by itself, with the operations that move it."""
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
    """Whatever the threads do meanwhile: received and lost make up all, in order."""
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


# ------------------------------------------------------------------------------------- exceptions

RAISED: list[BaseException] = [
    LookupError("mine"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(),
    DeviceClosed("mine"),
]
raised = pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)


def raise_at(error: BaseException, *at: float) -> Received:
    """A callback that raises it at these values."""

    def fail_here(event: Event) -> None:
        if event.value in at:
            error.__traceback__ = None
            raise error

    return Received(fail_here)


@raised
def test_exception_goes_to_unraisablehook(
    error: BaseException, open_device: OpenDevice, unraisable: queue.SimpleQueue[Any]
) -> None:
    """Each of them, with its traceback; the subscription goes on."""
    device, received = open_device(MANUAL), raise_at(error, 0, 1, 3)
    subscription = device.on_event(received)
    for n in range(5):
        device.trigger(n)
    assert values(received.take(5)) == [0, 1, 2, 3, 4]
    for _ in range(3):
        report = unraisable.get(timeout=LIMIT)
        assert report.exc_value is error and report.exc_type is type(error)
        assert functions(error) == ["__call__", "fail_here"]
        assert report.object is received
    assert unraisable.empty()
    assert subscription.is_open and subscription.on_error == "unraisable"


@raised
def test_exception_goes_to_a_callable(
    error: BaseException, open_device: OpenDevice, unraisable: queue.SimpleQueue[Any]
) -> None:
    device, received = open_device(MANUAL), raise_at(error, 0, 2)
    handled: list[tuple[BaseException, list[str], int]] = []
    device.on_event(
        received, on_error=lambda e: handled.append((e, functions(e), threading.get_ident()))
    )
    for n in range(4):
        device.trigger(n)
    assert values(received.take(4)) == [0, 1, 2, 3]
    assert [e for e, _, _ in handled] == [error] * 2
    assert [names for _, names, _ in handled] == [["__call__", "fail_here"]] * 2
    assert {ident for *_, ident in handled}.isdisjoint({threading.get_ident()})
    assert unraisable.empty()


@raised
def test_exception_of_the_callable_goes_to_unraisablehook(
    error: BaseException, open_device: OpenDevice, unraisable: queue.SimpleQueue[Any]
) -> None:
    device, received = open_device(MANUAL), raise_at(ValueError("the callback's"), 0, 1)

    def fail_too(cause: BaseException) -> None:
        raise error

    device.on_event(received, on_error=fail_too)
    for n in range(3):
        device.trigger(n)
    received.take(3)
    for _ in range(2):
        assert unraisable.get(timeout=LIMIT).exc_value is error
    assert unraisable.empty()


@raised
def test_exception_of_the_hook_does_no_harm(
    error: BaseException,
    open_device: OpenDevice,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    flush: Flush,
) -> None:
    def hook(report: object) -> None:
        raise error

    monkeypatch.setattr(sys, "unraisablehook", hook)
    device, received = open_device(MANUAL), raise_at(ValueError("the callback's"), 0)
    device.on_event(received)
    for n in range(3):
        device.trigger(n)
    assert values(received.take(3)) == [0, 1, 2]
    flush()
    assert "Exception ignored in sys.unraisablehook" in capfd.readouterr().err


@pytest.fixture
def defer(open_device: OpenDevice) -> Callable[..., Received]:
    """Lets a callback raise for ticks, with ``on_error="raise"``; it is done at the return."""

    def defer(error: BaseException, *at: float) -> Received:
        received = raise_at(error, *at)
        device = open_device(TICKS)
        device.on_event(received, on_error="raise")
        device.advance(max(at) + 1)
        received.take(int(max(at)) + 1)
        return received

    return defer


Defer = Callable[..., Received]


@pytest.mark.parametrize("call", [*BLOCKING, *LONG])
def test_exception_is_raised_by_the_next_call_that_can_block(
    call: str, open_device: OpenDevice, defer: Defer
) -> None:
    """Of any device. It does nothing else, and the one after it is as if nothing had been."""
    device, mine = open_device(VIRTUAL), LookupError("mine")
    defer(mine, 1)
    with pytest.raises(LookupError) as caught:
        {**BLOCKING, **LONG}[call](device)
    assert caught.value is mine
    assert mine.__context__ is None and mine.__cause__ is None
    assert functions(mine)[-1] == "fail_here" and "test_callbacks.py" in str(
        traceback.format_exception(mine)
    )
    assert (device.transactions, device.now) == (0, 0)
    assert device.read_block(0x40, 4).tolist() == [0, 0, 0, 0]
    assert (device.transactions, device.firmware_version) == (1, 0x00010000)


@raised
def test_every_exception_is_raised_as_it_is(
    error: BaseException, open_device: OpenDevice, defer: Defer
) -> None:
    device = open_device()
    defer(error, 1)
    with pytest.raises(type(error)) as caught:
        device.write_register(0x40, 1)
    assert caught.value is error
    assert device[0x40] == 0


def test_exception_is_raised_by_readers_and_leaves_them_their_data(
    open_device: OpenDevice, defer: Defer
) -> None:
    device = open_device("latency=0s&clock=virtual&timer=1s")
    events, stream = device.events(), device.stream(1000)
    for read in (
        events.read,
        lambda: next(events),
        lambda: stream.read(5),
        lambda: next(iter(stream)),
    ):
        defer(LookupError("mine"), 1)
        with pytest.raises(LookupError, match="mine"):
            read()
    assert device.now == 0
    assert next(events).sequence == 0
    assert stream.read(5).first_index == 0


def test_calls_that_cannot_block_do_not_raise_it(open_device: OpenDevice, defer: Defer) -> None:
    """Among them those that clean up."""
    device, other = open_device(MANUAL), open_device()
    events = device.events()
    defer(LookupError("mine"), 1)
    assert (device.now, device.pending, device.transactions, device.is_open) == (0, 0, 0, True)
    device.advance(1)
    device.cancel()
    device.timer = 1
    assert events.status == (0, 0, 0)
    events.close()
    device.close()
    hwsim.CancelToken().cancel()
    gc.collect()
    with pytest.raises(LookupError, match="mine"):
        other.read_register(0x40)


def test_one_call_of_one_thread_raises_it(open_device: OpenDevice, defer: Defer) -> None:
    devices = [open_device() for _ in range(4)]

    def work(i: int) -> int:
        count = 0
        for _ in range(10):
            try:
                devices[i].read_register(0x40)
            except LookupError:
                count += 1
        return count

    for _ in range(20):
        defer(LookupError("mine"), 1)
        assert sum(parallelize(work, 4)) == 1


def test_call_under_way_is_not_disturbed(open_device: OpenDevice, defer: Defer) -> None:
    device = open_device(MANUAL)
    under_way = in_thread(lambda: device.wait_register(0x40, 1, 1))
    device.wait_pending(1)
    defer(LookupError("mine"), 1)
    with pytest.raises(LookupError, match="mine"):
        device.write_register(0x40, 1)
    assert not under_way.done()
    device.write_register(0x40, 1)
    assert under_way.result(LIMIT) == 1


def test_second_exception_meanwhile_is_unraisable(
    open_device: OpenDevice, defer: Defer, unraisable: queue.SimpleQueue[Any]
) -> None:
    device = open_device()
    first, second = LookupError("first"), LookupError("second")
    defer(first, 1)
    defer(second, 1, 3)
    for _ in range(2):
        assert unraisable.get(timeout=LIMIT).exc_value is second
    assert unraisable.empty()
    with pytest.raises(LookupError) as caught:
        device.read_register(0x40)
    assert caught.value is first
    defer(second, 1)
    with pytest.raises(LookupError) as caught:
        device.read_register(0x40)
    assert caught.value is second
    assert unraisable.empty()


def test_callback_may_be_the_one_that_raises_it(open_device: OpenDevice) -> None:
    """Its calls are calls as well."""
    mine = LookupError("mine")
    seen: list[BaseException] = []

    def act(event: Event) -> None:
        if event.value == 1:
            raise mine
        try:
            device.read_register(0x40)
        except LookupError as error:
            seen.append(error)

    device, received = open_device(TICKS), Received(act)
    device.on_event(received, on_error="raise")
    device.advance(3)
    received.take(3)
    assert seen == [mine]


def test_what_cannot_be_called_with_an_event_is_an_exception_as_well(
    open_device: OpenDevice, unraisable: queue.SimpleQueue[Any]
) -> None:
    device = open_device()
    subscription = device.on_event(lambda: None)  # type: ignore[arg-type,misc]
    device.trigger()
    assert unraisable.get(timeout=LIMIT).exc_type is TypeError
    assert subscription.is_open


def test_reported_exceptions_are_not_kept(
    open_device: OpenDevice, flush: Flush, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Exception):
        pass

    alive: list[weakref.ref[Mine]] = []

    def act(event: Event) -> None:
        error = Mine()
        alive.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    monkeypatch.setattr(sys, "unraisablehook", lambda report: None)
    device = open_device(TICKS)
    callbacks = [Received(act) for _ in range(3)]
    device.on_event(callbacks[0])
    device.on_event(callbacks[1], on_error=lambda error: None)
    device.on_event(callbacks[2], on_error="raise")
    device.advance(5)
    for received in callbacks:
        received.take(5)
    with pytest.raises(Mine):
        device.read_register(0x40)
    flush()
    gc.collect()
    assert [reference() for reference in alive] == [None] * 15


# --------------------------------------------------------------------- what a callback may do


def test_callback_closes_its_subscription_and_gets_nothing_more(
    open_device: OpenDevice, held_up: HeldUp, flush: Flush
) -> None:
    """Also not of what is in the same batch."""
    device, received = open_device(TICKS), Received()
    subscription = device.on_event(received)
    received.act = lambda event: subscription.close() if event.value == 3 else None
    with held_up():
        device.advance(10)
    assert values(received.take(3)) == [1, 2, 3]
    device.advance(10)
    flush()
    assert received.rest() == []
    assert not subscription.is_open and subscription.status.queued == 0


def test_another_thread_closes_it_in_the_middle_of_a_batch(
    open_device: OpenDevice, held_up: HeldUp, flush: Flush
) -> None:
    device, at_three, go_on = open_device(TICKS), threading.Event(), threading.Event()

    def act(event: Event) -> None:
        if event.value == 3:
            at_three.set()
            assert go_on.wait(LIMIT)

    received = Received(act)
    subscription = device.on_event(received)
    with held_up():
        device.advance(10)
    assert at_three.wait(LIMIT)
    subscription.close()
    assert not subscription.is_open, "and it has not waited for the callback"
    go_on.set()
    flush()
    assert values(received.rest()) == [1, 2, 3]


def test_no_callback_begins_after_close(open_device: OpenDevice, flush: Flush) -> None:
    """Whenever it comes, also while the thread waits for the GIL."""
    device = open_device("latency=0s&timeout=inf")
    late: list[Event] = []

    def note_if(closed: threading.Event, event: Event) -> None:
        if closed.is_set():
            late.append(event)

    for _ in range(500):
        closed = threading.Event()
        subscription = device.on_event(functools.partial(note_if, closed))
        device.trigger()
        subscription.close()
        closed.set()
    flush()
    assert late == []


def test_callback_closes_its_device(open_device: OpenDevice, held_up: HeldUp, flush: Flush) -> None:
    """What waits on it ends; what had happened before is still delivered."""
    device = open_device(TICKS)
    received = Received(lambda event: device.close())
    subscription = device.on_event(received)
    waiting = in_thread(lambda: device.wait_register(0x40, 1, 1))
    device.wait_pending(1)
    with held_up():
        device.advance(5)
    with pytest.raises(DeviceClosed):
        waiting.result(LIMIT)
    assert values(received.take(5)) == [1, 2, 3, 4, 5]
    assert not device.is_open
    subscription.close()
    flush()
    assert received.rest() == []


def test_callback_reopens_the_same_name(open_device: OpenDevice, name: str) -> None:
    opened: queue.SimpleQueue[hwsim.Device] = queue.SimpleQueue()
    uri = f"hwsim://{name}?{MANUAL}"
    second = Received()

    def reopen(event: Event) -> None:
        first.close()
        device = hwsim.open(uri)
        device.on_event(second)
        opened.put(device)

    first = hwsim.open(uri)
    first.on_event(reopen)
    first.trigger(1)
    with opened.get(timeout=LIMIT) as device:
        assert not first.is_open
        device.trigger(2)
        assert values(second.take()) == [2]


def test_callback_makes_new_subscriptions(open_device: OpenDevice, flush: Flush) -> None:
    """Each event makes one more; each of them gets what comes after it."""
    device = open_device(MANUAL)
    found: list[tuple[int, float]] = []
    made: list[hwsim.Subscription] = []

    def note(which: int, event: Event) -> None:
        found.append((which, event.value))

    def act(event: Event) -> None:
        made.append(device.on_event(functools.partial(note, len(made))))
        made.append(open_device().on_event(len))
        assert device.events(timeout=0).status == (0, 0, 0)

    received = Received(act)
    device.on_event(received)
    for n in range(4):
        device.trigger(n)
        received.take()
    flush()
    assert sorted(found) == [(0, 1), (0, 2), (0, 3), (2, 2), (2, 3), (4, 3)]
    assert len(made) == 8


def test_callbacks_make_and_close_each_other(open_device: OpenDevice) -> None:
    """A chain on the thread itself: each causes the event of the next one."""
    device, done = open_device("latency=0s&timeout=inf"), threading.Event()

    def link(n: int) -> None:
        def act(event: Event) -> None:
            assert event.value == n and event.sequence == 0
            subscription.close()
            if n == 300:
                done.set()
            else:
                link(n + 1)

        subscription = device.on_event(act)
        device.trigger(n)

    link(0)
    assert done.wait(LIMIT)


@pytest.mark.parametrize("overflow", ["drop", "wait"])
@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_callback_uses_its_own_device(
    clock: str, overflow: hwsim.events.Overflow, open_device: OpenDevice
) -> None:
    """All that the device can do; what it causes with that comes to it afterwards."""
    device, errors = open_device(f"latency=10us&clock={clock}&rate=1kHz"), []

    def act(event: Event) -> None:
        if event.kind != "trigger":
            return
        try:
            device[0x40] = round(event.value)
            assert device[0x40] == event.value
            device.read_voltage(0)
            with device.stream(1e6, total=100) as stream:
                assert len(next(iter(stream))) == 100
            device.program_firmware(IMAGE) if device.firmware_version == 0x10000 else None
            with pytest.raises(TimeoutError):
                device.wait_register(0x44, 1, 1, timeout=1e-4)
            with device.events() as events:
                device.update_register(0x40, 1, 0)
                assert events.read(timeout=0)
        except BaseException as error:
            errors.append(error)

    received = Received(act)
    device.on_event(received, overflow=overflow, queue=8, kinds=["trigger", "register", "firmware"])
    device.trigger(1)
    found = received.take(4)
    assert errors == []
    assert [(e.kind, e.value) for e in found] == [
        ("trigger", 1), ("register", 1), ("firmware", 0x00020000), ("register", 0),
    ]  # fmt: skip


def test_callback_that_would_wait_for_itself_times_out(open_device: OpenDevice) -> None:
    """There is room only when it has returned; the operation has had no effect."""
    device = open_device("latency=0s&clock=virtual&timeout=1s")
    results: queue.SimpleQueue[object] = queue.SimpleQueue()

    def act(event: Event) -> None:
        if event.value == 99:
            device.trigger(1)
            try:
                device.trigger(2)
            except DeviceTimeout as error:
                results.put(error)

    received = Received(act)
    subscription = device.on_event(received, queue=1, overflow="wait")
    device.trigger(99)
    assert isinstance(results.get(timeout=LIMIT), DeviceTimeout)
    assert values(received.take(2)) == [99, 1]
    device.trigger(3)
    assert values(received.take()) == [3]
    assert subscription.status == (0, 3, 0)


@pytest.mark.parametrize(
    ("how", "error"),
    [("cancel", OperationCancelled), ("token", OperationCancelled), ("close", DeviceClosed)],
)
def test_callback_that_waits_can_be_ended(
    how: str, error: type[Exception], open_device: OpenDevice
) -> None:
    """As any call; the callbacks of others come after it."""
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    device, token = open_device(MANUAL), hwsim.CancelToken()
    received, other = Received(), open_device()
    device.on_event(
        lambda event: device.wait_register(0x40, 1, 1, cancel=token), on_error=ended.put
    )
    other.on_event(received)
    device.trigger()
    device.wait_pending(1)
    other.trigger(7)
    assert received.rest() == []
    {"cancel": device.cancel, "token": token.cancel, "close": device.close}[how]()
    assert type(ended.get(timeout=LIMIT)) is error
    assert values(received.take()) == [7]


LOCK = """
    import gc, queue, sys, threading
    import hwsim

    lock, entered, results = threading.Lock(), threading.Event(), queue.SimpleQueue()
    device = hwsim.open("hwsim://lock?latency=0s&timeout=inf")
    other = hwsim.open("hwsim://other?latency=0s")

    def callback(event):
        entered.set()
        with lock:
            results.put(event.value)

    subscription = device.on_event(callback)
    with lock:
        device.trigger(1)
        device.trigger(2)
        entered.wait()
        {action}
        assert results.empty()
    assert results.get(timeout=50) == 1
    done = threading.Event()
    other.on_event(lambda event: done.set())
    other.trigger()
    assert done.wait(50)
    print(results.qsize())
"""


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("subscription.close()", 0),
        ("device.close()", 1),
        ("subscription.close(); device.close(); del subscription, device; gc.collect()", 0),
        ("del subscription, device; gc.collect()", 0),
        ("threads = [threading.Thread(target=subscription.close) for _ in range(8)]; "
         "[t.start() for t in threads]; [t.join() for t in threads]", 0),
        ("subscription.close(); subscription = device.on_event(callback)", 0),
        ("subscription.status; repr(subscription); device[0x40]; device.events().close()", 1),
    ],
    ids=["close", "close-device", "both", "drop", "threads", "anew", "look"],
)  # fmt: skip
def test_unsubscribing_with_the_lock_that_the_callback_wants(action: str, more: int) -> None:
    """Never waits for the callback, which therefore runs on; nothing deadlocks."""
    assert run_script(LOCK.format(action=action)).check() == f"{more}\n"


def test_ten_thousand_subscriptions_in_eight_threads() -> None:
    """While events come in between: every one of them is called by, or freed with, its own."""
    output = run_script("""
        import gc, threading
        import hwsim
        from conftest import parallelize

        devices = [hwsim.open(f"hwsim://many{i}?latency=0s&timer=50us") for i in range(3)]
        called = [0] * 8

        def work(i):
            came = threading.Event()

            def callback(event):
                called[i] += 1
                came.set()

            for n in range(1250):
                device = devices[(i + n) % 3]
                subscription = device.on_event(callback, queue=4)
                if n % 4 == 0:
                    device.trigger(n)
                if n % 32 == 0:
                    came.clear()
                    assert came.wait(50)
                subscription.close()
                assert not subscription.is_open

        parallelize(work, 8)
        assert all(called), called
        assert all(len(device._subscriptions) == 0 for device in devices)
        del work
        gc.collect()
        assert not [o for o in gc.get_objects() if isinstance(o, hwsim.Subscription)]
        print("done")
    """).check()
    assert output == "done\n"


def test_many_live_subscriptions_on_many_devices(open_device: OpenDevice) -> None:
    """One thread serves them all."""
    callbacks = [Received() for _ in range(300)]
    devices = [open_device(TICKS) for _ in range(100)]
    for i, received in enumerate(callbacks):
        devices[i % 100].on_event(received)
    for device in devices:
        device.advance(7)
    for received in callbacks:
        assert values(received.take(7)) == [1, 2, 3, 4, 5, 6, 7]
    threads = [t for t in threading.enumerate() if isinstance(t, threading._DummyThread)]
    assert len(threads) <= 1


def test_progress_and_callbacks_at_once(open_device: OpenDevice) -> None:
    """A report may wait for an event; and a callback may run a long operation."""
    device, results = open_device("latency=0s"), queue.SimpleQueue[object]()
    received = Received()
    device.on_event(received, kinds=["trigger"])

    def progress(done: int, total: int) -> None:
        device.trigger(done)
        assert received.take()[0].value == done

    device.calibrate(0, samples=2**18, progress=progress)
    other = open_device()

    def program(event: Event) -> None:
        other.program_firmware(IMAGE, progress=lambda *_: None)
        results.put("programmed")

    device.on_event(program, kinds=["register"], on_error=results.put)
    device[0x40] = 1
    assert results.get(timeout=LIMIT) == "programmed"
    assert other.firmware_version == 0x00020000


# --------------------------------------------------------------------------------- who keeps what


@pytest.mark.parametrize("running", [False, True])
def test_device_without_a_reference_is_closed_and_gone(
    running: bool, open_device: OpenDevice, name: str, held_up: HeldUp, flush: Flush
) -> None:
    """With its subscriptions, also while their callback is about to run."""
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
    """The device keeps it; and its callback."""
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
    """Of whatever passes through native code."""
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
            called.get(timeout=50)  # so what `fail` raised is where it belongs
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
