"""What a callback raises is never lost: each policy hands it to exactly one place."""

from __future__ import annotations

import gc
import queue
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import hwsim
from callbacks import MANUAL, TICKS, VIRTUAL, Flush, Received, functions, raise_at, values
from calls import BLOCKING, LONG
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from hwsim import Event
from hwsim.errors import DeviceClosed

pytestmark = pytest.mark.usefixtures("nothing_is_left")


RAISED: list[BaseException] = [
    LookupError("mine"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(),
    DeviceClosed("mine"),
]
raised = pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)


@raised
def test_exception_goes_to_unraisablehook(
    error: BaseException, open_device: OpenDevice, unraisable: queue.SimpleQueue[Any]
) -> None:
    """Each one, with its traceback; the subscription goes on."""
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
    """Makes a callback raise at ticks, with ``on_error="raise"``; returns when it has."""

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
    """On any device. The call does nothing else, and the next one works as usual."""
    device, mine = open_device(VIRTUAL), LookupError("mine")
    defer(mine, 1)
    with pytest.raises(LookupError) as caught:
        {**BLOCKING, **LONG}[call](device)
    assert caught.value is mine
    assert mine.__context__ is None and mine.__cause__ is None
    assert functions(mine)[-1] == "fail_here" and "callbacks.py" in str(
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
    """They include those that clean up."""
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
    """Its own calls are calls like any other."""
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
