"""When the samples of a stream are there, and what a reader that comes too late has lost."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import LIMIT, OpenDevice, in_thread, parallelize
from examples import examples
from hwsim.errors import DeviceTimeout, Overrun
from hwsim.stream import OverrunPolicy as Policy
from hwsim.stream import Status, Stream
from streams import MANUAL, POLICIES, VIRTUAL, codes, connect_ramp, partial_of, ramp

# -------------------------------------------------------------------------------------------- time


@given(rate_uhz=st.integers(1000, 10**15), milliseconds=st.integers(0, 10**9))
@examples
def test_samples_there_are_those_of_the_time(
    rate_uhz: int, milliseconds: int, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    stream = device.stream(rate_uhz / 1e6, buffer=2**40, overrun="skip")
    device.advance(milliseconds / 1e3)
    produced = math.floor(Fraction(rate_uhz, 10**6) * Fraction(milliseconds, 1000))
    available = min(produced, 2**40)
    assert stream.status == Status(available, 0, produced - available, True)


@given(rate_uhz=st.integers(1000, 10**15), counts=st.lists(st.integers(1, 1000), max_size=5))
@examples
def test_read_ends_when_its_last_sample_is_there(
    rate_uhz: int, counts: list[int], open_device: OpenDevice
) -> None:
    device = open_device(VIRTUAL)
    stream = device.stream(rate_uhz / 1e6)
    done = 0
    for count in counts:
        stream.read(count)
        done += count
        assert device._now_ns() == math.ceil(Fraction(done * 10**15, rate_uhz))
    device.close()


def test_time_of_centuries_is_exact(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    connect_ramp(device, 1e9)
    stream = device.stream(1e9, buffer=10, overrun="skip", first_index=2**62)
    device.advance(9e9)
    block = stream.read(10)
    assert (block.first_index, block.lost) == (2**62 + 9 * 10**18 - 10, 9 * 10**18 - 10)
    assert np.array_equal(block.data[:, 0], ramp(block.first_index, 10))


def test_default_timeout_begins_when_the_samples_are_due(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL + "&timeout=1s")
    stream = device.stream(1000, buffer=10**6)
    assert len(stream.read(100_000)) == 100_000
    assert device.now == 100
    device.inject("timeout")
    with pytest.raises(DeviceTimeout):
        stream.read(50_000)
    assert device.now == 100 + 50 + 1


def test_default_timeout_begins_when_the_samples_behind_a_gap_are_due(
    open_device: OpenDevice,
) -> None:
    device = open_device("latency=100s&clock=virtual&timeout=1s")
    stream = device.stream(1, buffer=10, overrun="skip")
    device.read_register(0x40, timeout=math.inf)
    block = stream.read(50)
    assert (block.first_index, len(block), block.lost, device.now) == (90, 50, 90, 140)


def test_default_timeout_waits_for_those_before(open_device: OpenDevice) -> None:
    """The samples of earlier reads come first."""
    device = open_device("latency=0s&clock=manual&timeout=1s")
    stream = device.stream(1000)
    first = in_thread(lambda: stream.read(5000))
    device.wait_pending(1, timeout=math.inf)
    second = in_thread(lambda: stream.read(5000))
    device.wait_pending(2, timeout=math.inf)
    device.advance(5)
    assert first.result(LIMIT).first_index == 0
    device.advance(4.999)
    assert device.pending == 1
    device.advance(0.001)
    assert second.result(LIMIT).first_index == 5000


def test_given_timeout_counts_from_the_call(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    stream = device.stream(1000)
    with pytest.raises(DeviceTimeout) as caught:
        stream.read(1001, timeout=1)
    assert device.now == 1
    assert len(partial_of(caught.value)) == 1000


def test_timeout_0_takes_what_is_there_or_nothing(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000)
    device.advance(0.01)
    assert len(stream.read(10, timeout=0)) == 10
    with pytest.raises(DeviceTimeout):
        stream.read(1, timeout=0)


def test_spike_delays_the_read(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    stream = device.stream(1000)
    device.inject("spike", extra=0.5)
    assert len(stream.read(10)) == 10
    assert device.now == 0.5
    stream.read(10)
    assert device.now == 0.5


def test_stream_leaves_the_bus_alone(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf")
    stream = device.stream(1)
    read = in_thread(lambda: stream.read(10))
    device.wait_pending(1, timeout=math.inf)
    register = in_thread(lambda: device.read_register(0x40))
    device.wait_pending(2, timeout=math.inf)
    device.advance(1)
    assert register.result(LIMIT) == 0
    assert device.pending == 1
    device.advance(9)
    assert read.result(LIMIT).first_index == 0
    assert device.transactions == 2


# ----------------------------------------------------------------------------------------- overrun


@pytest.mark.parametrize("policy", POLICIES)
@given(
    buffer=st.integers(1, 60),
    steps=st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=30),
)
@examples
def test_every_lost_sample_is_counted(
    policy: Policy, buffer: int, steps: list[tuple[int, int]], open_device: OpenDevice
) -> None:
    """Against a model: time passes, then as many as possible are read; nothing waits."""
    device = open_device.devices[0] if open_device.devices else open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000, buffer=buffer, overrun=policy)
    produced = position = lost_so_far = 0
    for passed, wanted in steps:
        device.advance(passed / 1000)
        produced += passed
        lost = max(0, produced - position - buffer)
        position += lost
        lost_so_far += lost
        count = min(wanted, produced - position)
        expected = Status(produced - position, position - lost_so_far, lost_so_far, True)
        assert stream.status == expected
        if not count:
            continue
        if lost and policy == "error":
            with pytest.raises(Overrun, match=f"{lost} samples were lost") as caught:
                stream.read(count)
            partial = partial_of(caught.value)
            assert (partial.first_index, partial.lost) == (position, lost)
            assert codes(partial) == ramp(position, count).tolist()
            lost = 0
        block = stream.read(count)
        assert (block.first_index, block.lost) == (position, lost)
        assert codes(block) == ramp(position, count).tolist()
        position += count


@pytest.mark.parametrize("policy", POLICIES)
def test_full_buffer_is_no_overrun(policy: Policy, open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, buffer=10, overrun=policy)
    device.advance(0.010)
    block = stream.read(1)
    assert (block.first_index, block.lost) == (0, 0)
    device.advance(0.002)
    if policy == "error":
        with pytest.raises(Overrun):
            stream.read(1)
    block = stream.read(1)
    assert (block.first_index, block.lost) == (2, 1 if policy == "skip" else 0)
    assert stream.status.lost == 1


def test_what_is_waited_for_is_not_lost(open_device: OpenDevice) -> None:
    """Even if it is far more than the buffer holds, and comes all at once."""
    device = open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000, buffer=5)
    read = in_thread(lambda: stream.read(1000))
    device.wait_pending(1, timeout=math.inf)
    device.advance(1)
    assert codes(read.result(LIMIT)) == ramp(0, 1000).tolist()
    assert stream.status.lost == 0


def test_overrun_is_told_to_one_reader(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    for _ in range(20):
        stream = device.stream(1000, buffer=100)
        device.advance(1)

        def read(i: int, stream: Stream = stream) -> int:
            try:
                return stream.read(10).lost
            except Overrun as error:
                return int(partial_of(error).lost)

        assert sorted(parallelize(read, 4)) == [0, 0, 0, 900]
