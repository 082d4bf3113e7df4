"""A read that fails takes nothing: what was there can be read again."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread
from hwsim.device import FaultKind
from hwsim.errors import (
    BusError,
    DeviceClosed,
    DeviceDisconnected,
    DeviceTimeout,
    OperationCancelled,
    Overrun,
)
from hwsim.stream import Span, Status
from streams import MANUAL, VIRTUAL, codes, connect_ramp, partial_of, ramp

FAILURES: dict[
    str, tuple[type[BaseException], Callable[[hwsim.Device, hwsim.CancelToken], None]]
] = {
    "timeout": (DeviceTimeout, lambda d, token: d.advance(1)),
    "Device.cancel": (OperationCancelled, lambda d, token: d.cancel()),
    "cancel": (OperationCancelled, lambda d, token: token.cancel()),
    "close": (DeviceClosed, lambda d, token: d.close()),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("first_index", [0, 2**53])
def test_failed_read_gives_what_is_there_and_takes_nothing(
    failure: str, first_index: int, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    connect_ramp(device, 10)
    error, fail = FAILURES[failure]
    stream = device.stream(10, first_index=first_index)
    token = hwsim.CancelToken()
    device.advance(0.35)
    read = in_thread(lambda: stream.read(1000, timeout=1, cancel=token))
    device.wait_pending(1, timeout=math.inf)
    fail(device, token)
    with pytest.raises(error) as caught:
        read.result(LIMIT)
    assert isinstance(caught.value, hwsim.HwsimError)
    assert (caught.value.device, caught.value.operation) == (device.name, "read")
    count = 13 if failure == "timeout" else 3
    partial = partial_of(caught.value)
    assert (partial.first_index, partial.lost) == (first_index, 0)
    assert codes(partial) == ramp(first_index, count).tolist()
    assert (stream.status.available, stream.status.read) == (count, 0)
    if failure != "close":
        again = stream.read(count)
        assert again.first_index == first_index
        assert np.array_equal(again.data, partial.data)


def test_partial_of_read_into_is_in_the_buffer(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device, 10)
    out = np.full(10, -1, dtype=np.int16)
    with pytest.raises(DeviceTimeout) as caught:
        device.stream(10).read_into(out, timeout=0.35)
    assert caught.value.partial == Span(0, 3, 0)
    assert out[:3].tolist() == [0, 1, 2]


FAULTS: list[FaultKind] = [
    "timeout", "bus", "crc", "busy", "overrun", "firmware", "memory", "internal", "foreign",
]  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_lost_by_a_fault_in_mid_stream(kind: FaultKind, open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    stream = device.stream(1000, block=64, total=1000, buffer=10**6)
    device.inject(kind, at=5, count=3)
    seen: list[int] = []
    failures = 0
    while True:
        try:
            for block in stream:
                assert (block.first_index, block.lost) == (len(seen), 0)
                seen += codes(block)
            break
        except (hwsim.HwsimError, RuntimeError) as error:
            assert isinstance(error, hwsim.HwsimError) or kind == "foreign"
            failures += 1
    assert failures == 3
    assert seen == ramp(0, 1000).tolist()
    assert stream.status == Status(0, 1000, 0, False)


def test_what_comes_without_power_is_lost(open_device: OpenDevice) -> None:
    """Also what was there already and had not been read."""
    device = open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    read = in_thread(lambda: stream.read(1000))
    device.wait_pending(1, timeout=math.inf)
    device.advance(0.1)
    device.inject("disconnect")
    with pytest.raises(DeviceDisconnected) as caught:
        read.result(LIMIT)
    assert len(partial_of(caught.value)) == 0
    with pytest.raises(DeviceDisconnected):
        stream.read(10)
    device.advance(0.1)
    device.inject("reconnect")
    device.advance(0.01)
    with pytest.raises(Overrun, match=r"200 samples were lost.*or the device had no power"):
        stream.read(10)
    assert codes(stream.read(10)) == list(range(200, 210))


def test_fault_while_lagging_gives_no_sample_that_is_lost(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, buffer=10, overrun="skip")
    device.advance(0.1)
    device.inject("bus")
    with pytest.raises(BusError) as caught:
        stream.read(5)
    partial = partial_of(caught.value)
    block = stream.read(5)
    assert (block.first_index, block.lost) == (90, 90)
    assert partial.first_index == 90
    assert np.array_equal(partial.data, block.data)


def test_error_surfaces_in_the_iterating_thread(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, block=10)
    seen = []

    def iterate() -> None:
        for block in stream:
            seen.append(block.first_index)

    iterating = in_thread(iterate)
    device.wait_pending(1, timeout=math.inf)
    device.advance(0.010)
    device.wait_pending(1, timeout=math.inf)
    device.close()
    with pytest.raises(DeviceClosed):
        iterating.result(LIMIT)
    assert seen == [0]
