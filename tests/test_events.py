"""Events read from a queue: each once, in order, with its time; and every lost one counted.

What happens follows from the clock, so a manual clock makes every number exact, and on a virtual
one a reader never waits. Events that go to a callback are in test_callbacks.py.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import math
import os
import pickle
import signal
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hwsim
from calls import IMAGE, ON_BUS
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim import Event
from hwsim.device import FaultKind
from hwsim.errors import (
    BusError,
    DeviceClosed,
    DeviceDisconnected,
    DeviceTimeout,
    HwsimError,
    InvalidArgument,
    OperationCancelled,
    StateError,
)
from hwsim.events import KINDS, EventKind, Overflow

MANUAL = "latency=0s&clock=manual&timeout=inf"
VIRTUAL = "latency=1ms&clock=virtual"
QUEUE = 5  # events that fit, in the tests of what does not
OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)
# What is shared by the examples is only read, or is not changed by them.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def there(events: hwsim.Subscription) -> list[Event]:
    """All events that can be read without waiting."""
    try:
        return events.read(2**12, timeout=0)
    except (DeviceTimeout, DeviceClosed):
        return []


def values(events: Iterable[Event]) -> list[float]:
    return [event.value for event in events]


def sequences(events: Iterable[Event]) -> list[int]:
    return [event.sequence for event in events]


def repeat(act: Callable[[int], object], numbers: Iterable[int]) -> None:
    for n in numbers:
        act(n)


def fail(device: hwsim.Device, kind: FaultKind) -> None:
    """An operation that the fault hits."""
    device.inject(kind)
    with pytest.raises((HwsimError, RuntimeError)):
        device.read_register(0x40)


def lag(device: hwsim.Device) -> None:
    """A stream's reader that comes seven samples too late."""
    stream = device.stream(1000, buffer=10, overrun="skip")
    device.advance(0.017)
    assert stream.read(10).lost == 7


def reconnect(device: hwsim.Device) -> None:
    device.inject("disconnect")
    device.inject("reconnect")


def tick(device: hwsim.Device) -> None:
    device.timer = 0.25
    device.advance(0.25)


def cross(device: hwsim.Device) -> None:
    """The second sample of channel 2 is above its threshold."""
    device.set_signal(2, [0.0, 3.0], loop=False, noise=0, range=4)
    device.set_threshold(2, 1.0)
    device.advance(0.002)


# ---------------------------------------------------------------------------------- what happened


class Cause(NamedTuple):
    """What causes one event of a kind, on a manual clock; and that event."""

    act: Callable[[hwsim.Device], object]
    expected: Event


CAUSES: dict[EventKind, Cause] = {
    "fault": Cause(lambda d: fail(d, "crc"), Event("fault", 0.0, 0, 3, 1.0, 0)),
    "disconnect": Cause(lambda d: d.inject("disconnect"), Event("disconnect", 0.0, 0, 0, 0.0, 0)),
    "reconnect": Cause(
        reconnect,
        Event("reconnect", 0.0, 0, 0, 0.0, 0),
    ),
    "trigger": Cause(lambda d: d.trigger(-2.5), Event("trigger", 0.0, 0, 0, -2.5, 0)),
    "overrun": Cause(lag, Event("overrun", 0.017, 0, 0, 7.0, 0)),
    "firmware": Cause(
        lambda d: d.program_firmware(IMAGE), Event("firmware", 0.0, 0, 0, 0x00020000, 0)
    ),
    "register": Cause(
        lambda d: d.write_register(0x44, 2**32 - 1), Event("register", 0.0, 0, 0x44, 2**32 - 1, 0)
    ),
    "timer": Cause(tick, Event("timer", 0.25, 0, 0, 1.0, 0)),
    "threshold": Cause(cross, Event("threshold", 0.002, 0, 2, 3.0, 0)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_event_says_what_happened_when_and_where(kind: EventKind, open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&rate=1kHz")
    with device.events(kinds=[kind]) as events:
        CAUSES[kind].act(device)
        found = events.read(9)
    assert found == [CAUSES[kind].expected]


@pytest.mark.parametrize("kind", KINDS)
def test_subscription_gets_only_the_kinds_asked_for(
    kind: EventKind, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL + "&rate=1kHz")
    others = device.events(kinds=set(KINDS) - {kind})
    mine, everything = device.events(kinds=[kind]), device.events()
    for cause in CAUSES.values():
        cause.act(device)
    every = there(everything)
    assert {event.kind for event in every} == set(KINDS)
    for found, expected in [
        (there(mine), [event for event in every if event.kind == kind]),
        (there(others), [event for event in every if event.kind != kind]),
    ]:
        assert [(e.kind, e.time_s, e.channel, e.value) for e in found] == [
            (e.kind, e.time_s, e.channel, e.value) for e in expected
        ]
        assert sequences(found) == list(range(len(expected)))


@pytest.mark.parametrize("act", ["write_register", "write_block", "update_register", "reset"])
def test_each_register_that_changes_is_an_event(act: str, open_device: OpenDevice) -> None:
    """And only those: a write of what is there already changes nothing."""
    device = open_device("latency=0s")
    device.write_block(0x40, [1, 2, 3, 4])
    events = device.events(kinds=["register"])
    actions: dict[str, Callable[[], object]] = {
        "write_register": lambda: repeat(lambda n: device.write_register(0x48, n), (3, 7)),
        "write_block": lambda: device.write_block(0x40, [1, 5, 3, 6]),
        "update_register": lambda: [device.update_register(0x40, 6, n) for n in (0, 6)],
        "reset": device.reset,
    }
    expected = {
        "write_register": [(0x48, 7)],
        "write_block": [(0x44, 5), (0x4C, 6)],
        "update_register": [(0x40, 7)],
        "reset": [(0x40, 0), (0x44, 0), (0x48, 0), (0x4C, 0)],
    }
    actions[act]()
    scratch = [(e.channel, e.value) for e in there(events) if e.channel >= 0x40]
    assert scratch == expected[act]


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_operation_that_a_fault_hits_is_an_event(kind: FaultKind, open_device: OpenDevice) -> None:
    """Its number, and that of the operation; whether it fails or not."""
    if kind in ("stuck", "reconnect"):
        pytest.skip("falsifies what is read, or ends another fault: hits no operation")
    device = open_device(VIRTUAL)
    events = device.events(kinds=["fault"])
    device[0x40]
    device.inject(kind, at=2)
    with contextlib.suppress(HwsimError, RuntimeError):
        device.write_register(0x40, 1)
    expected = [] if kind == "lost" else [(get_args(FaultKind).index(kind) + 1, 2)]
    assert [(event.channel, event.value) for event in there(events)] == expected
    assert events.status.lost == (kind == "lost")


def test_event_happens_when_its_operation_takes_effect(open_device: OpenDevice) -> None:
    device = open_device("latency=250ms&clock=virtual")
    events = device.events()
    device.trigger(1)
    device.write_register(0x40, 1)
    device.inject("bus")
    with pytest.raises(BusError):
        device.read_register(0x40)
    assert [(event.kind, event.time_s) for event in there(events)] == [
        ("trigger", 0.25),
        ("register", 0.5),
        ("fault", 0.75),
    ]


@pytest.mark.parametrize("call", ON_BUS)
@pytest.mark.parametrize("kind", ["bus", "timeout", "disconnect"])
def test_operation_that_fails_causes_no_event_but_of_its_fault(
    kind: FaultKind, call: str, open_device: OpenDevice
) -> None:
    from calls import BLOCKING

    device = open_device("latency=1ms&clock=virtual&timeout=1s")
    device[0x48] = 5  # a reset would change it
    events = device.events()
    device.inject(kind, at=2)
    with pytest.raises(HwsimError):
        BLOCKING[call](device)
    kinds = [event.kind for event in there(events)]
    assert sorted(kinds) == sorted(["fault"] + ["disconnect"] * (kind == "disconnect"))


def test_subscription_starts_with_what_happens_next(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=1s")
    device.trigger(1)
    device.advance(2)
    events = device.events()
    device.trigger(2)
    device.advance(1)
    assert there(events) == [
        Event("trigger", 2.0, 0, 0, 2.0, 0),
        Event("timer", 3.0, 1, 0, 3.0, 0),
    ]


def test_subscriptions_do_not_share_their_events(open_device: OpenDevice) -> None:
    device = open_device()
    first = device.events()
    device.trigger(1)
    second = device.events()
    device.trigger(2)
    assert [(e.value, e.sequence) for e in there(first)] == [(1, 0), (2, 1)]
    assert [(e.value, e.sequence) for e in there(second)] == [(2, 0)]
    other = open_device().events()
    device.trigger(3)
    assert there(other) == []


def test_event_is_a_named_tuple(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events = device.events()
    device.advance(1.5)
    device.trigger(0.5)
    event = next(events)
    assert type(event) is Event
    kind, time_s, sequence, channel, value, lost = event
    assert (kind, time_s, sequence, channel, value, lost) == ("trigger", 1.5, 0, 0, 0.5, 0)
    assert [type(field) for field in event] == [str, float, int, int, float, int]
    assert repr(event) == (
        "Event(kind='trigger', time_s=1.5, sequence=0, channel=0, value=0.5, lost=0)"
    )
    assert event._replace(value=2.0).value == 2.0
    assert event._asdict()["time_s"] == 1.5
    for twin in (copy.copy(event), copy.deepcopy(event), Event(*event)):
        assert twin == event and type(twin) is Event and hash(twin) == hash(event)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_event_can_be_pickled(protocol: int, open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    device.trigger(math.pi)
    event = next(events)
    twin = pickle.loads(pickle.dumps(event, protocol))
    assert twin == event and type(twin) is Event


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, -1.7976931348623157e308, math.inf, math.nan])
def test_value_of_a_trigger_arrives_as_it_is(value: float, open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    device.trigger(value)
    assert repr(next(events).value) == repr(value)


def test_trigger_is_zero_by_default(open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    device.trigger()
    assert next(events).value == 0.0


# ----------------------------------------------------------------------------------------- reading


def test_read_takes_the_oldest_that_are_there(open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    for n in range(10):
        device.trigger(n)
    assert values(events.read(4)) == [0, 1, 2, 3]
    assert values(events.read()) == [4]
    assert next(events).value == 5
    assert values(events.read(100)) == [6, 7, 8, 9]
    assert events.status == (0, 10, 0)


def test_iteration_waits_for_the_next_event(open_device: OpenDevice) -> None:
    """On a virtual clock: it jumps there."""
    device = open_device("latency=0s&clock=virtual&timer=250ms")
    events = device.events(kinds=["timer"])
    for n, event in enumerate(itertools.islice(events, 1000)):
        assert event == Event("timer", (n + 1) * 0.25, n, 0, n + 1, 0)
        assert device.now == event.time_s


def test_reader_is_woken_by_the_event(open_device: OpenDevice) -> None:
    """Round after round, each side at its own pace: no wake-up may be lost."""
    there_device, back_device = open_device("latency=0s&timeout=inf"), open_device()
    there_events, back_events = (
        device.events(timeout=math.inf) for device in (there_device, back_device)
    )

    def answer() -> None:
        for event in itertools.islice(there_events, 300):
            back_device.trigger(event.value + 1)

    future = in_thread(answer)
    for n in range(300):
        there_device.trigger(n)
        assert next(back_events).value == n + 1
    future.result(LIMIT)


def test_timeout_is_in_seconds_of_the_devices_clock(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual&timer=1s&timeout=5s")
    events = device.events(kinds=["timer", "trigger"])
    with pytest.raises(DeviceTimeout, match=r"no event within the timeout of 0\.25 s"):
        events.read(timeout=0.25)
    assert device.now == 0.25
    assert events.read(timeout=0.75)[0].time_s == 1, "at the same time, the event wins"


@pytest.mark.parametrize(
    ("of_device", "of_events", "of_call", "expected"),
    [
        ("3s", None, None, 3),
        ("3s", 2.0, None, 2),
        ("3s", 2.0, 1.0, 1),
        ("3s", None, 1.0, 1),
        ("inf", 2.0, None, 2),
        ("3s", math.inf, 0, 0),
        ("3s", 0, None, 0),
    ],
)
def test_timeout_of_the_call_of_the_subscription_or_of_the_device(
    of_device: str,
    of_events: float | None,
    of_call: float | None,
    expected: float,
    open_device: OpenDevice,
) -> None:
    device = open_device(f"latency=0s&clock=virtual&timeout={of_device}")
    events = device.events(timeout=of_events)
    with pytest.raises(DeviceTimeout) as caught:
        events.read(timeout=of_call)
    assert device.now == expected
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.device == device.name


def test_iterator_may_be_used_again_after_its_timeout(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual")
    events = device.events(timeout=1)
    seen: list[float] = []
    for n in range(3):
        with pytest.raises(DeviceTimeout):
            for event in events:
                seen.append(event.value)
        device.trigger(n)
    assert seen == [0, 1]
    assert device.now == 3


def test_reader_may_wait_for_ever(open_device: OpenDevice) -> None:
    device = open_device("latency=10s&clock=virtual&timer=3600s")
    events = device.events(kinds=["timer"], timeout=math.inf)
    assert next(events).time_s == 3600
    assert device.now == 3600


@pytest.mark.parametrize("how", ["before", "during"])
def test_token_cancels_a_reader(how: str, open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events = device.events()
    token = hwsim.CancelToken()
    if how == "before":
        token.cancel()
        device.trigger(7)
    future = in_thread(lambda: events.read(cancel=token))
    token.cancel()
    with pytest.raises(OperationCancelled) as caught:
        future.result(LIMIT)
    assert caught.value.device == device.name
    if how == "before":
        assert values(events.read()) == [7], "a read that was cancelled takes nothing"


def test_cancelled_reader_leaves_the_events_to_others(open_device: OpenDevice) -> None:
    """Whoever is cancelled, at whatever moment: no event is lost with it."""
    device = open_device("latency=0s&timeout=inf")
    events = device.events()
    for _ in range(50):
        token = hwsim.CancelToken()

        def read(token: hwsim.CancelToken = token) -> list[Event]:
            try:
                return events.read(cancel=token)
            except OperationCancelled:
                return []

        def work(i: int, token: hwsim.CancelToken = token) -> list[Event]:
            actions = (read, lambda: device.trigger(1), token.cancel)
            return actions[i]() or []

        found = list(itertools.chain.from_iterable(parallelize(work, 3))) + there(events)
        assert values(found) == [1]
    assert events.status == (0, 50, 0)


def test_cancel_of_the_device_cancels_readers(open_device: OpenDevice) -> None:
    device = open_device("latency=3600s&timeout=inf")
    events = device.events()

    def read() -> list[Event]:
        return events.read()

    future = in_thread(read)
    while not future.done():  # until the reader waits, there is nothing to cancel
        device.cancel()
    with pytest.raises(OperationCancelled):
        future.result(LIMIT)
    assert events.is_open


def test_readers_take_turns(open_device: OpenDevice) -> None:
    """Each event comes to one of them; what each sees is in order."""
    device = open_device("latency=0s&timeout=inf")
    events = device.events(queue=64, overflow="wait")

    def work(i: int) -> list[Event]:
        if i == 0:
            for n in range(2000):
                device.trigger(n)
            device.close()
            return []
        found: list[Event] = []
        while True:
            try:
                found += events.read(i)
            except DeviceClosed:
                return found

    results = parallelize(work, 5)
    assert all(sequences(found) == sorted(sequences(found)) for found in results)
    everything = sorted(
        list(itertools.chain.from_iterable(results)), key=lambda event: event.sequence
    )
    assert [(e.sequence, e.value, e.lost) for e in everything] == [(n, n, 0) for n in range(2000)]
    assert events.status == (0, 2000, 0)


def test_writers_in_many_threads_make_one_sequence(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&timeout=inf")
    events = device.events(queue=2**12)

    def work(i: int) -> None:
        for n in range(200):
            device.trigger(1000 * i + n)

    parallelize(work, 4)
    found = there(events)
    assert sequences(found) == list(range(800))
    assert [e.time_s for e in found] == sorted(e.time_s for e in found)
    for i in range(4):
        assert [e.value - 1000 * i for e in found if e.value // 1000 == i] == list(range(200))


# --------------------------------------------------------------------------------------- its end


def test_closed_subscription_ends_its_iteration(open_device: OpenDevice) -> None:
    device = open_device()
    with device.events() as events:
        for n in range(3):
            device.trigger(n)
        assert next(events).value == 0
        assert events.is_open
    assert not events.is_open
    assert list(events) == [], "what was in the queue is dropped"
    assert events.status == (0, 1, 0), "on request, not lost"
    with pytest.raises(DeviceClosed, match="the subscription is closed"):
        events.read()
    events.close()
    device.trigger(9)
    assert list(events) == []


def test_with_closes_it_whatever_happens(open_device: OpenDevice) -> None:
    device = open_device()
    with pytest.raises(LookupError), device.events() as events:
        raise LookupError
    assert not events.is_open


@pytest.mark.parametrize("timeout", [math.inf, None])
def test_close_wakes_whoever_waits(timeout: float | None, open_device: OpenDevice) -> None:
    """In whatever moment it comes; the device and other subscriptions go on."""
    device = open_device("latency=0s&timeout=inf")
    kept = device.events()
    for n in range(30):
        events = device.events(timeout=timeout)

        def work(i: int, events: hwsim.Subscription = events) -> list[Event]:
            if i:
                return list(events)
            events.close()
            return []

        assert parallelize(work, 4) == [[]] * 4
        device.trigger(n)
    assert values(there(kept)) == list(range(30))


def test_close_of_the_device_ends_readers_after_what_was_there(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events, waiting = device.events(), device.events(kinds=["timer"])
    future = in_thread(lambda: next(waiting))
    for n in range(3):
        device.trigger(n)
    device.close()
    with pytest.raises(DeviceClosed, match="the device is closed"):
        future.result(LIMIT)
    assert values(events.read(2)) == [0, 1]
    assert events.status == (1, 2, 0)
    assert next(events).value == 2
    for _ in range(2):
        with pytest.raises(DeviceClosed, match="the device is closed"):
            next(events)
    events.close()
    assert list(events) == []


def test_ticks_held_back_can_be_read_after_the_device_closed(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=1s")
    events = device.events(queue=2, overflow="wait")
    device.advance(5.5)
    device.close()
    found = []
    while more := there(events):
        found += more
    assert sequences(found) == list(range(len(found)))
    assert len(found) + events.status.lost == 5, "read or counted"


def test_subscription_outlives_its_device_object(open_device: OpenDevice, name: str) -> None:
    """As a stream does: iterating over it is all the use one may have for the device."""
    events = hwsim.open(f"hwsim://{name}?latency=0s&clock=virtual&timer=1s").events()
    gc.collect()
    assert [event.time_s for event in itertools.islice(events, 3)] == [1, 2, 3]
    del events
    gc.collect()
    hwsim.open(f"hwsim://{name}").close()


def test_dropped_iterator_is_gone(open_device: OpenDevice) -> None:
    """Nobody could read it any more; such as that of a loop that was left."""
    device = open_device("latency=0s&clock=virtual&timer=1s")
    alive: list[weakref.ref[hwsim.Subscription]] = []
    for _ in range(5):
        events = device.events()
        alive.append(weakref.ref(events))
        for _ in events:
            break
    del events
    gc.collect()
    assert [reference() for reference in alive] == [None] * 5
    assert device.is_open


def test_dropped_iterator_holds_nothing_back(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.events(queue=1, overflow="wait")
    gc.collect()
    for n in range(5):
        device.trigger(n)


def test_iterator_of_a_running_loop_is_not_gone(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual&timer=1s")
    for event in device.events():
        gc.collect()
        if event.sequence == 2:
            break
    assert device.now == 3


# --------------------------------------------------------------------------------- the queue: drop


def test_full_queue_loses_the_oldest_and_counts_them(open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events(queue=QUEUE)
    for n in range(12):
        device.trigger(n)
    assert events.status == (QUEUE, 0, 7)
    found = events.read(100)
    assert [(e.sequence, e.value, e.lost) for e in found] == [
        (7, 7, 7), (8, 8, 0), (9, 9, 0), (10, 10, 0), (11, 11, 0),
    ]  # fmt: skip
    device.trigger(12)
    assert next(events)[2:] == (12, 0, 12.0, 0)
    assert events.status == (0, QUEUE + 1, 7)


def test_loss_is_reported_where_it_happened(open_device: OpenDevice) -> None:
    """After some have been read, and more than once."""
    device = open_device()
    events = device.events(queue=3)
    found: list[Event] = []
    for n in range(30):
        device.trigger(n)
        if n in (0, 9, 10, 22):
            found += events.read(2)
    found += there(events)
    expected = -1
    for event in found:
        assert event.sequence == expected + event.lost + 1
        assert event.value == event.sequence
        expected = event.sequence
    assert expected == 29
    assert len(found) + sum(event.lost for event in found) == 30
    assert events.status == (0, len(found), 30 - len(found))


@pytest.mark.parametrize("count", [0, 1, QUEUE, QUEUE + 1, 1000, 10**9])
def test_ticks_of_any_number_are_counted_exactly(count: int, open_device: OpenDevice) -> None:
    """However long nobody looked."""
    device = open_device(MANUAL + "&timer=1ms")
    events = device.events(queue=QUEUE)
    device.advance(count / 1000)
    kept = min(count, QUEUE)
    assert events.status == (kept, 0, count - kept)
    found = there(events)
    assert values(found) == list(range(count - kept + 1, count + 1))
    assert [event.time_s for event in found] == [round(v) / 1000 for v in values(found)]
    assert sum(event.lost for event in found) == count - kept


def test_fault_lost_loses_the_events_of_its_operation(open_device: OpenDevice) -> None:
    """It takes effect; its events do not come, and are counted."""
    device = open_device()
    events = device.events()
    device.trigger(0)
    device.inject("lost", count=2)
    device.trigger(1)
    device.write_register(0x40, 5)
    device.trigger(2)
    assert device[0x40] == 5
    first, second = there(events)
    assert (first.value, first.lost) == (0, 0)
    assert (second.value, second.lost) == (2, second.sequence - 1)
    assert second.lost >= 2
    assert events.status == (0, 2, second.lost)


def test_fault_lost_from_the_resource_string(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&fault=lost@3*2")
    events = device.events(kinds=["trigger"])
    for n in range(1, 7):
        device.trigger(n)
    assert [(e.value, e.lost) for e in there(events)] == [(1, 0), (2, 0), (5, 2), (6, 0)]


class Model:
    """What a subscription of triggers and ticks has to do, as a plain queue."""

    def __init__(self, queue: int) -> None:
        self.queue: deque[tuple[int, EventKind, float]] = deque(maxlen=queue)
        self.sequence = self.expected = self.delivered = 0

    def push(self, kind: EventKind, value: float) -> None:
        self.queue.append((self.sequence, kind, value))
        self.sequence += 1

    def read(self, count: int) -> list[tuple[int, EventKind, float, int]]:
        found = []
        for _ in range(min(count, len(self.queue))):
            sequence, kind, value = self.queue.popleft()
            found.append((sequence, kind, value, sequence - self.expected))
            self.expected = sequence + 1
        self.delivered += len(found)
        return found


steps = st.one_of(
    st.tuples(st.just("trigger"), st.integers(1, 12)),
    st.tuples(st.just("advance"), st.integers(0, 20)),
    st.tuples(st.just("read"), st.integers(1, 12)),
    st.tuples(st.just("lose"), st.integers(1, 3)),
    st.tuples(st.just("timer"), st.sampled_from([0, 1, 2, 3])),
)


@given(queue=st.integers(1, 9), script=st.lists(steps, max_size=30))
@examples
def test_queue_does_what_a_plain_one_would(
    queue: int, script: list[tuple[str, int]], open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    model = Model(queue)
    events = device.events(kinds=["trigger", "timer"], queue=queue)
    period = since = 0
    for what, count in script:
        match what:
            case "trigger":
                for n in range(count):
                    device.trigger(n)
                    model.push("trigger", n)
            case "advance":
                device.advance(count)
                if period:
                    for tick in range(since // period + 1, (since + count) // period + 1):
                        model.push("timer", tick)
                since += count
            case "lose":
                device.inject("lost", count=count)
                for _ in range(count):
                    device.trigger(-1)
                    model.sequence += 1
            case "timer":
                device.timer = period = count
                since = 0
            case "read":
                try:
                    found = events.read(count, timeout=0)
                except DeviceTimeout:
                    found = []
                assert [(e.sequence, e.kind, e.value, e.lost) for e in found] == model.read(count)
        lost = model.sequence - model.delivered - len(model.queue)
        assert events.status == (len(model.queue), model.delivered, lost)
    device.close()


# --------------------------------------------------------------------------------- the queue: wait


def test_ticks_wait_for_room_and_all_come(open_device: OpenDevice) -> None:
    """With the times at which they were due."""
    device = open_device(MANUAL + "&timer=1s")
    events = device.events(queue=QUEUE, overflow="wait")
    device.advance(100)
    assert events.status == (QUEUE, 0, 0)
    found: list[Event] = []
    while len(found) < 100:
        found += events.read(3)
    assert found == [Event("timer", n + 1.0, n, 0, n + 1, 0) for n in range(100)]
    assert events.status == (0, 100, 0)


def test_operation_waits_for_room(open_device: OpenDevice) -> None:
    """It holds the bus: what comes behind it on the device waits as well."""
    device = open_device(MANUAL)
    events = device.events(kinds=["trigger"], queue=2, overflow="wait")
    device.trigger(0)
    device.trigger(1)
    third = in_thread(lambda: device.trigger(2))
    device.wait_pending(1)
    behind = in_thread(lambda: device.read_register(0x00))
    device.wait_pending(2)
    device.advance(3600)
    assert (device.pending, events.status) == (2, (2, 0, 0))
    assert values(events.read()) == [0]
    third.result(LIMIT)
    assert behind.result(LIMIT) == 0x48575349
    assert [(e.value, e.lost) for e in events.read(9)] == [(1, 0), (2, 0)]


def test_operation_that_causes_no_such_event_does_not_wait(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events = device.events(kinds=["trigger"], queue=1, overflow="wait")
    device.trigger(0)
    device.write_register(0x40, 1)
    assert device[0x40] == 1
    assert events.status == (1, 0, 0)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("token", OperationCancelled),
        ("device", OperationCancelled),
        ("close", DeviceClosed),
        ("disconnect", DeviceDisconnected),
        ("timeout", DeviceTimeout),
    ],
)
def test_operation_that_waits_for_room_can_be_stopped(
    how: str, error: type[Exception], open_device: OpenDevice
) -> None:
    """It has had no effect then: it is no event."""
    device, token = open_device(MANUAL), hwsim.CancelToken()
    events = device.events(kinds=["trigger"], queue=1, overflow="wait")
    device.trigger(0)
    future = in_thread(lambda: device.trigger(1, cancel=token, timeout=5))
    device.wait_pending(1)
    actions: dict[str, Callable[[], object]] = {
        "token": token.cancel,
        "device": device.cancel,
        "close": device.close,
        "disconnect": lambda: device.inject("disconnect"),
        "timeout": lambda: device.advance(5),
    }
    actions[how]()
    with pytest.raises(error):
        future.result(LIMIT)
    assert values(there(events)) == [0]
    assert events.status == (0, 1, 0)


def test_close_of_the_full_subscription_lets_the_operation_go_on(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    full = device.events(kinds=["register"], queue=1, overflow="wait")
    other = device.events(kinds=["register"])
    device[0x40] = 1
    future = in_thread(lambda: device.write_register(0x40, 2))
    device.wait_pending(1)
    full.close()
    future.result(LIMIT)
    assert values(there(other)) == [1, 2]


def test_slowest_of_several_holds_back(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    queues = [device.events(queue=n, overflow="wait") for n in (1, 3)]
    device.trigger(0)
    future = in_thread(lambda: repeat(device.trigger, (1, 2)))
    device.wait_pending(1)
    assert queues[1].status.queued == 1
    assert values(queues[0].read()) == [0]
    device.wait_pending(1)
    assert values(queues[0].read()) == [1]
    future.result(LIMIT)
    assert values(queues[0].read(9)) == [2]
    assert values(queues[1].read(9)) == [0, 1, 2]


def test_events_of_one_operation_all_fit(open_device: OpenDevice) -> None:
    """It waits for room before it takes effect, not in the middle."""
    device = open_device(MANUAL)
    events = device.events(queue=1, overflow="wait")
    device.write_block(0x40, range(1, 9))
    found = there(events)
    assert [(e.channel, e.value, e.lost) for e in found] == [
        (0x40 + 4 * n, n + 1, 0) for n in range(8)
    ]


def test_what_cannot_wait_is_counted(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events = device.events(queue=1, overflow="wait")
    device.trigger(0)
    device.inject("disconnect")
    device.inject("reconnect")
    assert events.status == (1, 0, 2)
    assert values(events.read()) == [0]
    device.trigger(1)
    (event,) = events.read(9)
    assert (event.value, event.sequence, event.lost) == (1, 3, 2)


def test_back_pressure_loses_nothing_between_threads(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&timeout=inf")
    events = device.events(queue=2, overflow="wait", timeout=math.inf)

    def work(i: int) -> list[Event]:
        if i:
            found = []
            for n in range(1, 200):
                device.write_register(0x40 + 4 * i, n)
                found.append(next(events))
            return found
        return list(itertools.islice(events, 2))

    device.write_register(0x40, 1)
    device.write_register(0x40, 2)
    found = sorted(
        list(itertools.chain.from_iterable(parallelize(work, 4))), key=lambda event: event.sequence
    )
    assert sequences(found) == list(range(len(found)))
    assert events.status.lost == 0
    for i in range(1, 4):
        mine = [e.value for e in found if e.channel == 0x40 + 4 * i]
        assert mine == list(range(1, 200))[: len(mine)]


# --------------------------------------------------------------------------------------- the timer


@pytest.mark.parametrize("text", ["1us", "10ms", "1s", "3600s"])
def test_timer_of_the_resource_string(text: str, open_device: OpenDevice) -> None:
    period = {"1us": 1e-6, "10ms": 0.01, "1s": 1.0, "3600s": 3600.0}[text]
    device = open_device(f"latency=0s&clock=virtual&timer={text}")
    assert device.timer == period
    events = device.events(timeout=math.inf)
    assert [e.time_s for e in itertools.islice(events, 3)] == [period, 2 * period, 3 * period]


def test_timer_is_off_by_default(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    assert device.timer == 0
    events = device.events()
    device.advance(1e6)
    assert events.status == (0, 0, 0)


def test_timer_that_is_set_starts_anew(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=10s")
    events = device.events()
    device.advance(15)
    device.timer = 4
    assert device.timer == 4
    device.advance(9)
    device.timer = 0
    device.advance(100)
    device.timer = 4
    device.advance(4)
    assert [(e.time_s, e.value) for e in there(events)] == [(10, 1), (19, 1), (23, 2), (128, 1)]
    assert events.status.lost == 0


def test_timer_wakes_a_reader_that_waits_already(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&timeout=inf")
    events = device.events()
    future = in_thread(lambda: next(events))
    device.timer = 1e-3
    assert future.result(LIMIT).value == 1


def test_disconnected_device_does_not_tick(open_device: OpenDevice) -> None:
    """Nor are its ticks missed later; the timer starts again when it is back."""
    device = open_device(MANUAL + "&timer=2s")
    events = device.events()
    device.advance(5)
    device.inject("disconnect")
    device.advance(16)
    device.inject("reconnect")
    device.advance(4)
    assert [(e.kind, e.time_s, e.sequence, e.lost) for e in there(events)] == [
        ("timer", 2, 0, 0),
        ("timer", 4, 1, 0),
        ("disconnect", 5, 2, 0),
        ("reconnect", 21, 3, 0),
        ("timer", 23, 4, 0),
        ("timer", 25, 5, 0),
    ]


@pytest.mark.parametrize("clock", ["real", "10x", "0.5x"])
def test_ticks_come_by_themselves_where_the_time_does(clock: str, open_device: OpenDevice) -> None:
    device = open_device(f"latency=0s&clock={clock}&timer=1ms&timeout=inf")
    events = device.events()
    found = list(itertools.islice(events, 5))
    first = round(found[0].value)
    assert [e.value for e in found] == [first + n for n in range(5)]
    assert [e.time_s for e in found] == [(first + n) / 1000 for n in range(5)]
    assert device.now >= found[-1].time_s


@given(
    period_us=st.integers(1, 10**6),
    advances_us=st.lists(st.integers(0, 3 * 10**6), min_size=1, max_size=8),
)
@examples
def test_any_split_of_the_time_gives_the_same_ticks(
    period_us: int, advances_us: list[int], open_device: OpenDevice
) -> None:
    with open_device(MANUAL + f"&timer={period_us}us") as device:
        events = device.events(queue=1000)
        found: list[Event] = []
        for step in advances_us:
            device.advance(step / 1e6)
            found += there(events)
        count = sum(round(step / 1e6 * 1e9) for step in advances_us) // (1000 * period_us)
        lost = sum(event.lost for event in found)
        assert sequences(found)[-1:] == ([count - 1] if count else [])
        assert len(found) + lost == count
        assert all(e.value == e.sequence + 1 for e in found)
        assert [e.time_s for e in found] == [round(e.value) * period_us * 1000 / 1e9 for e in found]


# --------------------------------------------------------------------------------------- thresholds


def crossings(codes: list[float], level: float, hysteresis: float) -> list[tuple[int, float]]:
    """What a comparator has to find: number and volts of the samples that change its output."""
    high = codes[0] >= level
    found = []
    for n, volts in enumerate(codes):
        if (volts >= level) if not high else (volts < level - hysteresis):
            high = not high
            found.append((n, volts))
    return found


@given(
    samples=st.lists(st.integers(-20, 20), min_size=2, max_size=60),
    level=st.integers(-22, 22),
    hysteresis=st.integers(0, 10),
    steps=st.lists(st.integers(1, 25), max_size=5),
)
@examples
def test_threshold_finds_every_crossing(
    samples: list[int], level: int, hysteresis: int, steps: list[int], open_device: OpenDevice
) -> None:
    """The very samples that a stream would have; however the time is split."""
    with open_device(MANUAL + "&rate=1kHz&range=32V") as device:
        events = device.events(kinds=["threshold"])
        device.set_signal(1, np.array(samples), noise=0, loop=False)
        device.set_threshold(1, level, hysteresis=hysteresis)
        stream = device.stream(1000, channels=[1], dtype="float64")
        found: list[Event] = []
        for step in [*steps, 100]:
            device.advance(step / 1000)
            found += there(events)
        volts = stream.read(sum(steps) + 100).data[:, 0].tolist()
        assert [(round(e.time_s * 1000) - 1, e.value) for e in found] == crossings(
            volts, level, hysteresis
        )
        assert sequences(found) == list(range(len(found)))
        assert {e.channel for e in found} <= {1}


def test_hysteresis_keeps_noise_away(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual&rate=1kHz&seed=3")
    device.set_signal(0, "sine", frequency=1, amplitude=1, noise=0.05)
    device.set_signal(1, "sine", frequency=1, amplitude=1, noise=0.05)
    device.set_threshold(0, 0.25, hysteresis=0.5)
    device.set_threshold(1, 0.25)
    events = device.events(kinds=["threshold"], queue=2**16)
    device.advance(10)
    found = there(events)
    assert len([e for e in found if e.channel == 0]) == 20
    assert len([e for e in found if e.channel == 1]) > 40
    assert [e.time_s for e in found] == sorted(e.time_s for e in found)


def test_threshold_wakes_a_reader_on_every_clock(open_device: OpenDevice) -> None:
    for clock in ("real", "virtual", "10x"):
        device = open_device(f"latency=0s&clock={clock}&rate=10kHz&timeout=inf")
        device.set_signal(0, "square", frequency=100, noise=0)
        device.set_threshold(0, 0.0)
        events = device.events()
        found = list(itertools.islice(events, 4))
        assert {e.kind for e in found} == {"threshold"}
        steps = np.diff([e.time_s for e in found])
        assert steps == pytest.approx([0.005] * 3)
        assert sorted(np.sign(values(found[:2]))) == [-1, 1]


def test_threshold_that_is_cleared_finds_nothing(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&rate=1kHz")
    device.set_signal(0, "square", frequency=100, noise=0)
    device.set_threshold(0, 0.0)
    events = device.events()
    device.advance(0.02)
    assert [e.time_s for e in there(events)] == [0.006, 0.011, 0.016]
    device.clear_threshold(0)
    device.clear_threshold(0)
    device.advance(1)
    assert there(events) == []


def test_ticks_and_crossings_come_in_the_order_of_their_times(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&rate=1kHz&timer=3ms")
    for channel, frequency in enumerate((100, 70, 33)):
        device.set_signal(channel, "square", frequency=frequency, noise=0)
        device.set_threshold(channel, 0.0)
    events = device.events(kinds=["timer", "threshold"], queue=10**4)
    device.advance(2)
    found = there(events)
    assert len(found) > 800
    assert [e.time_s for e in found] == sorted(e.time_s for e in found)
    assert sequences(found) == list(range(len(found)))


def test_comparator_that_cannot_keep_up_is_refused(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&rate=1MHz&clock=10x")
    with pytest.raises(StateError, match=r"looks at up to 1e6 samples a second.*1e.07"):
        device.set_threshold(0, 1.0)


# ---------------------------------------------------------------------------------- wrong arguments


WRONG: dict[str, tuple[Callable[[hwsim.Device], object], type[Exception], str]] = {
    "kind": (
        lambda d: d.events(kinds=["timr"]),  # type: ignore[list-item]
        ValueError,
        r"kinds must be one of fault, .*threshold, got 'timr'",
    ),
    "kind-number": (
        lambda d: d.events(kinds=[7]),  # type: ignore[list-item]
        ValueError,
        r"kinds must be one of fault, .*threshold, got 7",
    ),
    "kind-list": (
        lambda d: d.events(kinds=[[]]),  # type: ignore[list-item]
        (TypeError, ValueError),  # type: ignore[dict-item]
        r"kinds.*\[\]",
    ),
    "kinds-none": (lambda d: d.events(kinds=[]), ValueError, r"kinds must be .*fault.*threshold"),
    "kinds-text": (
        lambda d: d.events(kinds="timer"),  # type: ignore[arg-type]
        TypeError,
        r"kinds must be several, such as \['timer', .*\], got 'timer'",
    ),
    "kinds-number": (
        lambda d: d.events(kinds=5),  # type: ignore[arg-type]
        TypeError,
        r"kinds.* got 5",
    ),
    "queue-0": (
        lambda d: d.events(queue=0),
        ValueError,
        r"queue must be from 1 to 1048576, got 0",
    ),
    "queue-large": (
        lambda d: d.events(queue=2**20 + 1),
        ValueError,
        r"queue must be from 1 to 1048576, got 1048577",
    ),
    "queue-real": (
        lambda d: d.events(queue=1.5),  # type: ignore[arg-type]
        TypeError,
        r"queue must be an integer, got 1\.5",
    ),
    "overflow": (
        lambda d: d.events(overflow="keep"),  # type: ignore[arg-type]
        ValueError,
        r"overflow must be one of drop, wait, got 'keep'",
    ),
    "count-0": (
        lambda d: d.events().read(0),
        ValueError,
        r"count must be from 1 to 1048576, got 0",
    ),
    "count-text": (
        lambda d: d.events().read("4"),  # type: ignore[arg-type]
        TypeError,
        r"count must be an integer, got '4'",
    ),
    "timeout": (
        lambda d: d.events().read(timeout=-1),
        ValueError,
        r"timeout must be None or a number of seconds from 0 to math\.inf, got -1",
    ),
    "timeout-nan": (
        lambda d: d.events().read(timeout=math.nan),
        ValueError,
        r"timeout must be None or a number of seconds from 0 to math\.inf, got nan",
    ),
    "timeout-text": (
        lambda d: d.events().read(timeout="1s"),  # type: ignore[arg-type]
        TypeError,
        r"timeout must be None or a number of seconds .* got '1s' \(str\)",
    ),
    "cancel": (
        lambda d: d.events().read(cancel=5),  # type: ignore[arg-type]
        TypeError,
        r"cancel must be a .*CancelToken or None, got 5 \(int\)",
    ),
    "callback": (
        lambda d: d.on_event(5),  # type: ignore[arg-type]
        TypeError,
        r"callback must be callable, got 5",
    ),
    "callback-none": (
        lambda d: d.on_event(None),  # type: ignore[arg-type]
        TypeError,
        r"callback must be callable, got None",
    ),
    "on-error": (
        lambda d: d.on_event(len, on_error="ignore"),  # type: ignore[arg-type]
        ValueError,
        r"on_error must be unraisable, raise or a callable, got 'ignore'",
    ),
    "on-error-number": (
        lambda d: d.on_event(len, on_error=5),  # type: ignore[arg-type]
        (TypeError, ValueError),  # type: ignore[dict-item]
        r"on_error must be unraisable, raise or a callable, got 5",
    ),
    "timer": (
        lambda d: setattr(d, "timer", 3601),
        InvalidArgument,
        r"timer must be 0 or from 1e-06 to 3600 s, got 3601 s",
    ),
    "timer-short": (
        lambda d: setattr(d, "timer", 1e-7),
        InvalidArgument,
        r"timer must be 0 or from 1e-06 to 3600 s, got 1e-07 s",
    ),
    "timer-negative": (lambda d: setattr(d, "timer", -1), ValueError, r"timer must be .*got -1"),
    "timer-nan": (lambda d: setattr(d, "timer", math.nan), ValueError, r"timer must be .*got nan"),
    "timer-text": (lambda d: setattr(d, "timer", "1s"), TypeError, r"timer must be .*got '1s'"),
    "channel": (
        lambda d: d.set_threshold(4, 1.0),
        InvalidArgument,
        r"channel must be from 0 to 3, got 4",
    ),
    "channel-clear": (
        lambda d: d.clear_threshold(4),
        InvalidArgument,
        r"channel must be from 0 to 3, got 4",
    ),
    "level": (
        lambda d: d.set_threshold(0, 2e6),
        InvalidArgument,
        r"level must be from -1e6 to 1e6 V, got 2e\+06",
    ),
    "level-nan": (
        lambda d: d.set_threshold(0, math.nan),
        InvalidArgument,
        r"level must be from -1e6 to 1e6 V, got nan",
    ),
    "level-text": (
        lambda d: d.set_threshold(0, "1V"),  # type: ignore[arg-type]
        TypeError,
        r"level must be a number, got '1V' \(str\)",
    ),
    "hysteresis": (
        lambda d: d.set_threshold(0, 1, hysteresis=-0.5),
        InvalidArgument,
        r"hysteresis must be from 0 to 1e6 V, got -0\.5",
    ),
    "trigger": (
        lambda d: d.trigger("1"),  # type: ignore[arg-type]
        TypeError,
        r"value must be a number, got '1' \(str\)",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_argument_is_named(wrong: str, open_device: OpenDevice) -> None:
    """With its value, and what would be allowed; nothing has happened."""
    act, error, message = WRONG[wrong]
    device = open_device()
    with pytest.raises(error, match=message):
        act(device)
    assert (device.timer, device.transactions) == (0, 0)


@pytest.mark.parametrize("text", ["1", "-1ms", "2h", "100ns", "fast"])
def test_wrong_timer_in_the_resource_string_is_named(text: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"timer.*{text}"):
        hwsim.open(f"hwsim://{name}?timer={text}")


@pytest.mark.parametrize(
    "kinds",
    [
        ("timer", "trigger"),
        {"timer", "trigger"},
        {"timer": 1, "trigger": 2},
        iter(["timer", "trigger", "timer"]),
    ],
    ids=["tuple", "set", "dict", "iterator"],
)
def test_kinds_may_come_in_any_iterable(kinds: Any, open_device: OpenDevice) -> None:
    events = open_device().events(kinds=kinds)
    assert events.kinds == {"timer", "trigger"}
    assert "to timer, trigger, open>" in repr(events)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("queue", [1, 2**20, np.int64(7)])
def test_queue_of_every_size_works(queue: int, overflow: Overflow, open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=1us")
    events = device.events(queue=queue, overflow=overflow)
    device.advance(2)
    assert events.status == (queue, 0, 2_000_000 - queue if overflow == "drop" else 0)
    found = events.read(7)
    assert len(found) == min(queue, 7)
    assert found[0].lost == (2_000_000 - queue if overflow == "drop" else 0)


def test_events_of_a_callback_cannot_be_read(open_device: OpenDevice) -> None:
    events = open_device().on_event(len)
    with pytest.raises(StateError, match=r"handler|callback"):
        events.read()
    with pytest.raises(StateError, match=r"handler|callback"):
        next(events)


# ------------------------------------------------------------------------------------- the object


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
    """Neither needs the garbage collector."""
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
    """In many threads; each sees an unbroken sequence of ticks."""
    device = open_device("latency=0s&timer=10us&timeout=inf")

    def work(i: int) -> None:
        for _ in range(50):
            with device.events(kinds=["timer"], queue=2**12) as events:
                found = list(itertools.islice(events, 3))
            assert sequences(found)[0] == found[0].lost
            assert np.diff(sequences(found)).tolist() == [1 + event.lost for event in found[1:]]
            assert np.diff(values(found)).tolist() == np.diff(sequences(found)).tolist()

    parallelize(work, 6)


# ------------------------------------------------------------------------------------- processes


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
