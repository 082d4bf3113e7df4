"""Subscriptions as objects: what they say about themselves, who keeps them, other processes."""

from __future__ import annotations

import copy
import gc
import itertools
import os
import pickle
import signal
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hwsim
from conftest import OpenDevice, parallelize, run_script
from events import MANUAL, sequences, there, values
from hwsim import Event
from hwsim.errors import DeviceClosed

# -------------------------------------------------------------------------------------- the object


def test_repr_tells_kinds_and_state(open_device: OpenDevice) -> None:
    events = open_device().events(kinds=["timer", "fault"])
    assert repr(events) == "<hwsim.Subscription to fault, timer, open>"
    events.close()
    assert repr(events) == "<hwsim.Subscription to fault, timer, closed>"
    assert events.callback is None


def test_status_has_names(open_device: OpenDevice) -> None:
    status = open_device().events().status
    assert (status.queued, status.delivered, status.lost) == status == (0, 0, 0)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_subscription_cannot_be_copied(
    copied: Callable[[object], object], open_device: OpenDevice
) -> None:
    with pytest.raises(TypeError, match="a Subscription cannot be pickled or copied"):
        copied(open_device().events())


UNINITIALISED: dict[str, Callable[[hwsim.Subscription], object]] = {
    "close": lambda s: s.close(),
    "read": lambda s: s.read(),
    "next": next,
    "status": lambda s: s.status,
    "is_open": lambda s: s.is_open,
    "with": lambda s: s.__exit__(None, None, None),
}


@pytest.mark.parametrize("use", UNINITIALISED)
def test_uninitialised_subscription_raises(use: str) -> None:
    events = hwsim.Subscription.__new__(hwsim.Subscription)
    assert repr(events) == "<hwsim.Subscription, not initialised>"
    with pytest.raises(ValueError, match="not been initialised"):
        UNINITIALISED[use](events)


def test_init_a_second_time_is_refused(open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events(kinds=["trigger"])
    with pytest.raises(RuntimeError, match="already"):
        events.__init__(device, None)  # type: ignore[misc]
    device.trigger(1)
    assert next(events).value == 1


def test_subscription_can_be_subclassed(open_device: OpenDevice) -> None:
    class Values(hwsim.Subscription):
        def __next__(self) -> Event:
            return super().__next__()._replace(kind="trigger")

    device = open_device(MANUAL + "&timer=1s")
    events = Values(device, None, kinds=["timer"])
    device.advance(1)
    assert next(events) == Event("trigger", 1.0, 0, 0, 1.0, 0)


@pytest.mark.parametrize("call", ["events", "on_event", "trigger", "timer", "set_threshold"])
def test_closed_device_refuses(call: str, open_device: OpenDevice) -> None:
    device = open_device()
    device.close()
    calls: dict[str, Callable[[], Any]] = {
        "events": device.events,
        "on_event": lambda: device.on_event(len),
        "trigger": device.trigger,
        "timer": lambda: setattr(device, "timer", 1),
        "set_threshold": lambda: device.set_threshold(0, 1),
    }
    with pytest.raises(DeviceClosed) as caught:
        calls[call]()
    assert caught.value.device == device.name


def test_subscription_keeps_its_device_in_no_cycle(open_device: OpenDevice, name: str) -> None:
    """Neither of them needs the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        device = hwsim.open(f"hwsim://{name}?latency=0s")
        events = device.events()
        gone: list[weakref.ref[Any]] = [weakref.ref(device), weakref.ref(events)]
        events.close()
        del device, events
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def test_many_subscriptions_all_get_everything(open_device: OpenDevice) -> None:
    device = open_device()
    all_of_them = [device.events() for _ in range(500)]
    for n in range(20):
        device.trigger(n)
    for events in all_of_them:
        assert values(there(events)) == list(range(20))


def test_subscriptions_come_and_go_while_events_happen(open_device: OpenDevice) -> None:
    """On many threads; each sees an unbroken sequence of ticks."""
    device = open_device("latency=0s&timer=10us&timeout=inf")

    def work(i: int) -> None:
        for _ in range(50):
            with device.events(kinds=["timer"], queue=2**12) as events:
                found = list(itertools.islice(events, 3))
            assert sequences(found)[0] == found[0].lost
            assert np.diff(sequences(found)).tolist() == [1 + event.lost for event in found[1:]]
            assert np.diff(values(found)).tolist() == np.diff(sequences(found)).tolist()

    parallelize(work, 6)


# --------------------------------------------------------------------------------------- processes


def interrupt(line: str, process: int) -> None:
    """Sends SIGINT to a process that says that it waits."""
    if line == "waiting":
        os.kill(process, signal.SIGINT)


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
def test_ctrl_c_ends_the_wait_for_an_event(policy: str) -> None:
    output = run_script(
        """
        import math, sys
        import hwsim

        hwsim.gil.policy(sys.argv[1])
        device = hwsim.open("hwsim://interrupt?latency=0s")
        events = device.events(timeout=math.inf)
        before = hwsim.gil.releases()
        while True:
            try:
                print("waiting", flush=True)
                for event in events:
                    print("an event?")
            except KeyboardInterrupt:
                if sys.argv[1] == "hold" or hwsim.gil.releases() != before:
                    break
        device.trigger(5)
        print(next(events).value)
        """,
        policy,
        on_line=interrupt,
    ).check()
    assert output.splitlines()[-1] == "5.0"


def test_inherited_subscription_raises_with_advice() -> None:
    run_script("""
        import os, sys, warnings
        import hwsim
        from hwsim.errors import DeviceForked

        warnings.simplefilter("ignore", DeprecationWarning)
        device = hwsim.open("hwsim://inherited?latency=0s")
        events, pushed = device.events(), device.on_event(print)
        device.trigger(1)
        pushed.close()
        child = os.fork()
        if child == 0:
            for use in (events.read, lambda: next(events), lambda: events.status, device.events,
                        lambda: device.on_event(print), device.trigger, pushed.read):
                try:
                    use()
                except DeviceForked as error:
                    assert error.device == "inherited" and "open it again" in error.message
                else:
                    raise AssertionError(use)
            assert not events.is_open and "closed" in repr(events)
            events.close()
            pushed.close()
            with hwsim.open("hwsim://inherited?latency=0s") as mine, mine.events() as own:
                mine.trigger(3)
                assert next(own).value == 3
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert next(events).value == 1
    """).check()
