"""Clocks: real, scaled, virtual and manual time."""

from __future__ import annotations

import math
import time

import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread
from hwsim.errors import DeviceTimeout, StateError

UPTIME = 0x10


@pytest.mark.parametrize("clock", ["real", "virtual", "manual", "10x", "0.5x"])
def test_clock_is_told(clock: str, open_device: OpenDevice) -> None:
    assert open_device(f"latency=0s&clock={clock}").clock == clock


@pytest.mark.parametrize("clock", ["real", "1000x"])
def test_real_time_goes_on_by_itself(clock: str, open_device: OpenDevice) -> None:
    device = open_device(f"latency=0s&clock={clock}")
    before = device.now
    while device.now <= before:
        pass
    assert before >= 0


def test_operation_takes_at_least_its_latency_of_real_time(open_device: OpenDevice) -> None:
    device = open_device("latency=20ms&timeout=inf")
    before = time.monotonic()
    device.read_register(0x40)
    assert time.monotonic() - before >= 20e-3


@pytest.mark.parametrize("latency", ["1us", "20us", "59us", "61us", "200us"])
def test_short_waits_are_not_cut_short(latency: str, open_device: OpenDevice) -> None:
    """Whether they spin (below 60 us) or wait on the condition variable."""
    device = open_device(f"latency={latency}&timeout=inf")
    for _ in range(20):
        before = time.monotonic_ns()
        device.read_register(0x40)
        assert time.monotonic_ns() - before >= device.latency * 1e9 - 1


def test_scaled_clock_runs_faster(open_device: OpenDevice) -> None:
    """An hour of device time, which a clock of another scale would not get through."""
    device = open_device("latency=3600s&clock=1000000x&timeout=inf")
    device.read_register(0x40)
    assert device.now >= 3600


def test_scaled_clock_runs_slower(open_device: OpenDevice) -> None:
    device = open_device("latency=10us&clock=0.001x&timeout=inf")
    before = time.monotonic()
    device.read_register(0x40)
    assert time.monotonic() - before >= 10e-3


def test_virtual_time_jumps_to_the_end_of_the_operation(open_device: OpenDevice) -> None:
    device = open_device("latency=3600s&clock=virtual&timeout=inf")
    for _ in range(100):
        device.read_register(0x40)
    assert device.now == 360_000


def test_virtual_time_stands_still_between_operations(open_device: OpenDevice) -> None:
    device = open_device("latency=2ms&clock=virtual")
    device.read_register(0x40)
    assert [device.now for _ in range(3)] == [2e-3] * 3


def test_virtual_time_jumps_to_the_timeout(open_device: OpenDevice) -> None:
    device = open_device("latency=3600s&clock=virtual")
    with pytest.raises(DeviceTimeout):
        device.read_register(0x40, timeout=2.5)
    assert device.now == 2.5


def test_manual_time_stands_until_advanced(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=manual")
    future = in_thread(lambda: device.read_register(0x40))
    device.wait_pending(1, timeout=math.inf)
    device.advance(9.999e-3)
    assert (device.pending, future.done()) == (1, False)
    device.advance(1e-6)
    assert future.result(LIMIT) == 0
    assert device.now == 10e-3


def test_manual_time_also_times_out(open_device: OpenDevice) -> None:
    device = open_device("latency=10s&clock=manual")
    future = in_thread(lambda: device.read_register(0x40, timeout=2))
    device.wait_pending(1, timeout=math.inf)
    device.advance(2)
    with pytest.raises(DeviceTimeout):
        future.result(LIMIT)


def test_what_one_step_covers_happens_at_its_own_time_and_in_order(
    open_device: OpenDevice,
) -> None:
    """A device that settles everything at the time of the step would read 100 ms three times."""
    device = open_device("latency=10ms&clock=manual&timeout=inf")
    futures = []
    for i in range(3):
        futures.append(in_thread(lambda: device.read_register(UPTIME)))
        device.wait_pending(i + 1, timeout=math.inf)
    device.advance(0.1)
    assert [future.result(LIMIT) for future in futures] == [10, 20, 30]


def test_advance_by_nothing_is_allowed(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual")
    device.advance(0)
    assert device.now == 0


def test_manual_time_adds_up_exactly(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual")
    for _ in range(1000):
        device.advance(1e-9)
    assert device.now == 1e-6


@pytest.mark.parametrize("clock", ["real", "virtual", "10x"])
def test_only_a_manual_clock_can_be_advanced(clock: str, open_device: OpenDevice) -> None:
    device = open_device(f"latency=0s&clock={clock}")
    with pytest.raises(StateError, match="clock=manual"):
        device.advance(1)


def test_time_cannot_be_advanced_past_its_end(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual")
    device.advance(9e9)
    for step in 9e9, math.inf:
        with pytest.raises(ValueError):
            device.advance(step)
    assert device.now == 9e9


def test_far_future_does_not_overflow(open_device: OpenDevice) -> None:
    """Times near the end of 64-bit nanoseconds saturate instead of wrapping to the past."""
    device = open_device("latency=1s&clock=manual&timeout=1000000000s")
    device.advance(9e9)
    future = in_thread(lambda: device.read_register(0x40))
    device.wait_pending(1, timeout=math.inf)
    device.advance(0.5)
    assert device.pending == 1
    device.advance(0.5)
    assert future.result(LIMIT) == 0


def test_clocks_are_the_devices_own(open_device: OpenDevice) -> None:
    one, other = (open_device("latency=1ms&clock=manual") for _ in range(2))
    one.advance(5)
    assert (one.now, other.now) == (5, 0)


def test_time_starts_at_zero_with_each_open(name: str) -> None:
    for _ in range(2):
        with hwsim.open(f"hwsim://{name}?latency=1s&clock=virtual&timeout=2s") as device:
            assert device.now == 0
            device.read_register(0x40)
