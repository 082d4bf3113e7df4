"""The library's thread among Python's: its name, tracing and profiling, and calls that wait."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hwsim
from callbacks import MANUAL, Flush, Received
from conftest import LIMIT, OpenDevice, in_thread
from hwsim import Event

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def seen_in_callback(device: hwsim.Device, look: Callable[[], Any]) -> Any:
    """What a callback sees."""
    seen: list[Any] = []
    received = Received(lambda event: seen.append(look()))
    with device.on_event(received, kinds=["trigger"]):
        device.trigger()
        received.take()
    return seen[0]


def test_thread_has_a_name(open_device: OpenDevice) -> None:
    device = open_device()
    name = seen_in_callback(device, lambda: threading.current_thread().name)
    assert name == "hwsim-events"
    assert "hwsim-events" in {thread.name for thread in threading.enumerate()}
    assert seen_in_callback(device, threading.current_thread).daemon


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_system_knows_the_name_too(open_device: OpenDevice) -> None:
    task = seen_in_callback(open_device(), threading.get_native_id)
    assert Path(f"/proc/self/task/{task}/comm").read_text() == "hwsim-events\n"


@pytest.fixture(params=["trace", "profile"])
def hooks(request: pytest.FixtureRequest) -> Iterator[tuple[Callable[..., Any], Callable[[], Any]]]:
    """What sets threading's hook, and what gets the thread's own."""
    setter = getattr(threading, f"set{request.param}")
    before = getattr(threading, f"get{request.param}")()
    yield setter, getattr(sys, f"get{request.param}")
    setter(before)


def test_callbacks_are_traced_as_new_threads_are(
    hooks: tuple[Callable[..., Any], Callable[[], Any]], open_device: OpenDevice
) -> None:
    """Also when that begins, changes or ends after the thread was started."""
    set_hook, get_hook = hooks
    device, names = open_device(), list[str]()

    def hook(frame: Any, event: str, argument: object) -> None:
        names.append(frame.f_code.co_name)

    def other(frame: Any, event: str, argument: object) -> None: ...

    def traced() -> Any:
        return get_hook()

    before = seen_in_callback(device, traced)
    set_hook(hook)
    assert seen_in_callback(device, traced) is hook
    assert "traced" in names and "gettrace" not in names
    set_hook(other)
    assert seen_in_callback(device, traced) is other
    set_hook(None)
    assert seen_in_callback(device, traced) is None
    set_hook(before)


def test_hook_that_a_callback_sets_itself_stays(open_device: OpenDevice) -> None:
    device = open_device()

    def own(frame: Any, event: str, argument: object) -> None: ...

    try:
        seen_in_callback(device, lambda: sys.setprofile(own))
        assert seen_in_callback(device, sys.getprofile) is own
    finally:
        seen_in_callback(device, lambda: sys.setprofile(None))


# ------------------------------------------------------------------------------- calls that wait


def raising(event: Event) -> None:
    raise LookupError("from the callback")


@pytest.mark.parametrize("policy", ["auto", "release"])
@pytest.mark.parametrize("where", ["main", "thread"])
def test_exception_of_a_callback_ends_a_call_that_waits_already(
    where: str, policy: hwsim.gil.Policy, open_device: OpenDevice
) -> None:
    device, source = open_device("latency=0s&timeout=inf"), open_device(MANUAL)
    with hwsim.gil.policy(policy), source.on_event(raising, on_error="raise"):

        def trigger() -> None:
            device.wait_pending(1, timeout=LIMIT)
            # Not a call that could raise it itself.
            source.timer = 1.0
            source.advance(1)

        def wait() -> None:
            with pytest.raises(LookupError, match="from the callback"):
                device.wait_register(0x40, 1, 1)

        if where == "main":
            later = in_thread(trigger)
            wait()
        else:
            later = in_thread(wait)
            trigger()
        later.result(LIMIT)
    assert device.pending == 0
    device[0x40] = 1
    assert device[0x40] == 1


def test_exception_of_a_callback_ends_the_wait_for_an_event_and_loses_none(
    open_device: OpenDevice,
) -> None:
    device, source = open_device("latency=0s&timeout=inf"), open_device(MANUAL)
    with device.events() as events, source.on_event(raising, on_error="raise"):

        def wait() -> None:
            with pytest.raises(LookupError):
                next(events)

        waiting = in_thread(wait)
        source.timer = 1.0
        source.advance(1)
        waiting.result(LIMIT)
        device.trigger(7)
        assert next(events).value == 7


def test_call_that_takes_long_by_itself_ends_too(open_device: OpenDevice) -> None:
    device, source = open_device(), open_device(MANUAL)

    def advance(done: int, total: int) -> None:
        if not source.now:
            source.timer = 1.0
            source.advance(1)

    with source.on_event(raising, on_error="raise"), pytest.raises(LookupError):
        while True:
            device.calibrate(0, samples=2**26, progress=advance)


@pytest.mark.parametrize("on_error", ["unraisable", "callable"])
def test_other_policies_end_no_call(
    on_error: str, open_device: OpenDevice, unraisable: Any, flush: Flush
) -> None:
    device, source = open_device("latency=0s&timeout=inf"), open_device(MANUAL)
    errors: list[BaseException] = []
    policy: Any = errors.append if on_error == "callable" else on_error
    with source.on_event(raising, on_error=policy):
        waiting = in_thread(lambda: device.wait_register(0x40, 1, 1))
        device.wait_pending(1, timeout=LIMIT)
        source.timer = 1.0
        source.advance(1)
        flush()
        device[0x40] = 1
        assert waiting.result(LIMIT) == 1
    assert errors or not unraisable.empty()
