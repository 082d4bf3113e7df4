"""The timer: a tick at each period, at exactly its time, and none is missing."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import LIMIT, OpenDevice, in_thread
from events import MANUAL, sequences, there
from examples import examples
from hwsim import Event


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
    """Those ticks count as lost; the timer starts again when the device is back."""
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
        ("reconnect", 21, 11, 8),
        ("timer", 23, 12, 0),
        ("timer", 25, 13, 0),
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
