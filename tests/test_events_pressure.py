"""Back pressure: with ``overflow="wait"``, what causes more events than fit waits for room."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from events import MANUAL, QUEUE, repeat, sequences, there, values
from hwsim import Event
from hwsim.errors import DeviceClosed, DeviceDisconnected, DeviceTimeout, OperationCancelled


def test_ticks_wait_for_room_and_all_come(open_device: OpenDevice) -> None:
    """Each with the time at which it was due."""
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
    """It keeps the bus: the operations behind it wait as well."""
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
    """Then it has had no effect, and there is no event of it."""
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
