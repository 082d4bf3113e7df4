"""A full queue: the oldest events are lost, and counted where they are missing."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import OpenDevice
from events import MANUAL, QUEUE, there, values
from examples import examples
from hwsim import Event
from hwsim.errors import DeviceTimeout
from hwsim.events import EventKind


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
    """Also after some have been read, and more than once."""
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
    """However long the queue was not read."""
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
    """The operation takes effect; its events do not arrive, but are counted."""
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
    """A plain queue that does what a subscription to triggers and ticks must do."""

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
