"""Streams: every sample once, in order, into the caller's memory; and every lost one counted.

Which samples are there follows from the clock, so a manual clock makes every number exact, and on a
virtual one a read never waits.
"""

from __future__ import annotations

import array
import ctypes
import gc
import math
import os
import signal
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from multiprocessing.shared_memory import SharedMemory
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, needs_gil, parallelize, run_script
from hwsim import gil
from hwsim.device import FaultKind
from hwsim.errors import (
    BusError,
    DeviceClosed,
    DeviceDisconnected,
    DeviceTimeout,
    OperationCancelled,
    Overrun,
)
from hwsim.stream import Overrun as Policy
from hwsim.stream import SampleType, Span, Status, Stream

MANUAL = "latency=0s&clock=manual&timeout=inf"
VIRTUAL = "latency=0s&clock=virtual"
RAMP = 32768  # samples of the ramp, each its own code
POLICIES: tuple[Policy, ...] = get_args(Policy)
DTYPES: tuple[SampleType, ...] = get_args(SampleType)
WRAPS = [0, 2**15 - 5, 2**31 - 5, 2**32 - 5, 2**32 + 2**31 - 5, 2**53 - 5, 2**62 - 50]
# What is shared by the examples is only read, or is not changed by them.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def connect_ramp(device: hwsim.Device) -> None:
    """Makes the code of sample n on channel 0 the number n % 32768."""
    device.set_signal(0, np.arange(RAMP) * (1 / 32768), noise=0, range=1)


def ramp(first_index: int, count: int) -> npt.NDArray[np.int64]:
    return (first_index % RAMP + np.arange(count)) % RAMP


def codes(block: hwsim.Block) -> list[int]:
    """The codes of channel 0."""
    return block.data[:, 0].tolist()  # type: ignore[no-any-return]


def partial_of(error: hwsim.HwsimError) -> hwsim.Block:
    assert isinstance(error.partial, hwsim.Block)
    return error.partial


def whole(device: hwsim.Device, count: int, **options: Any) -> Any:
    """The samples of a new stream in one read, on a virtual clock."""
    return device.stream(1e6, buffer=2**40, **options).read(count).data


# ------------------------------------------------------------------------------------- continuity


@pytest.mark.parametrize("first_index", WRAPS)
def test_blocks_follow_each_other_without_a_gap(first_index: int, open_device: OpenDevice) -> None:
    """Over millions of samples, and over the wrap of every counter that an index passes."""
    device = open_device(VIRTUAL)
    connect_ramp(device)
    index = first_index
    for block in device.stream(1e6, block=65537, total=3_000_000, first_index=first_index):
        assert (block.first_index, block.lost) == (index, 0)
        assert np.array_equal(block.data[:, 0], ramp(index, len(block)))
        index += len(block)
    assert index == first_index + 3_000_000


@pytest.mark.parametrize("first_index", WRAPS)
def test_stream_goes_on_where_another_ended(first_index: int, open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL + "&noise=100mV")
    both = whole(device, 100, first_index=first_index)
    first = whole(device, 40, first_index=first_index)
    second = whole(device, 60, first_index=first_index + 40)
    assert np.array_equal(np.concatenate([first, second]), both)


@pytest.mark.parametrize("channels", [(0,), (2, 0), (0, 1, 2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    splits=st.lists(st.integers(1, 3000), min_size=1, max_size=12),
    first_index=st.sampled_from(WRAPS),
)
@examples
def test_any_split_of_reads_gives_the_same_samples(
    dtype: SampleType,
    channels: tuple[int, ...],
    splits: list[int],
    first_index: int,
    open_device: OpenDevice,
) -> None:
    device = open_device.devices[0] if open_device.devices else open_device(VIRTUAL)
    device.set_signal(1, "triangle", noise=0.5, inl=3)
    device.set_signal(2, "square", frequency=123.4, phase=0.1)
    options: Any = {"channels": channels, "dtype": dtype, "first_index": first_index}
    stream = device.stream(1e6, **options)
    parts = [stream.read(n).data for n in splits]
    assert [len(part) for part in parts] == splits
    assert np.array_equal(np.concatenate(parts), whole(device, sum(splits), **options))


@given(
    channels=st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True),
    count=st.integers(1, 10_000),
)
@examples
def test_columns_are_the_channels(channels: list[int], count: int, open_device: OpenDevice) -> None:
    """Each as if it were streamed alone: a sample depends on its channel and index only."""
    device = open_device.devices[0] if open_device.devices else open_device(VIRTUAL + "&channels=6")
    together = whole(device, count, channels=channels)
    assert together.shape == (count, len(channels))
    for column, channel in zip(together.T, channels, strict=True):
        assert np.array_equal(column, whole(device, count, channels=[channel])[:, 0])


def test_types_agree(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL + "&range=5V&noise=1V")
    device.set_signal(1, "dc", offset=-3, range=20)
    both = {dtype: whole(device, 50_000, channels=(0, 1), dtype=dtype) for dtype in DTYPES}
    scales = np.array([5, 20]) / 32768
    assert [str(samples.dtype) for samples in both.values()] == list(DTYPES)
    assert np.array_equal(both["float64"], both["int16"] * scales)
    assert np.array_equal(both["float32"], both["int16"] * scales.astype(np.float32))
    block = device.stream(1e6, channels=(0, 1)).read(100)
    assert np.array_equal(block.volts_per_code, scales)
    assert np.array_equal(block.volts(), both["float64"][:100])
    volts = device.stream(1e6, channels=(0, 1), dtype="float32").read(100).volts()
    assert volts.dtype == np.float64
    assert np.array_equal(volts, both["float32"][:100])


def test_signal_connected_later_does_not_change_a_stream(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    assert codes(stream.read(3)) == [0, 1, 2]
    device.set_signal(0, "dc", noise=0)
    gc.collect()
    assert codes(stream.read(3)) == [3, 4, 5]
    assert codes(device.stream(1000).read(1)) == [0]


# ------------------------------------------------------------------------------------------- time


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
    connect_ramp(device)
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
    """Their samples come first."""
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


# ---------------------------------------------------------------------------------------- overrun


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
    """Also if it is far more than the buffer holds, and comes all at once."""
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


# ---------------------------------------------------------------------------------- several readers


def test_readers_get_their_samples_in_the_order_of_their_calls(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    counts = [5, 1, 7, 3, 4]
    reads = []
    for i, count in enumerate(counts):
        reads.append(in_thread(lambda count=count: stream.read(count)))  # type: ignore[misc]
        device.wait_pending(i + 1, timeout=math.inf)
    index = 0
    for read, count in zip(reads, counts, strict=True):
        device.advance(count / 1000)
        block = read.result(LIMIT)
        assert (block.first_index, codes(block)) == (index, ramp(index, count).tolist())
        index += count
        assert device.pending == len(counts) - 1 - reads.index(read)


def test_reader_that_is_stopped_gives_its_place_to_the_next(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000)
    token = hwsim.CancelToken()
    large = in_thread(lambda: stream.read(1000, cancel=token))
    device.wait_pending(1, timeout=math.inf)
    small = in_thread(lambda: stream.read(10))
    device.wait_pending(2, timeout=math.inf)
    device.advance(0.1)
    assert device.pending == 2
    token.cancel()
    with pytest.raises(OperationCancelled):
        large.result(LIMIT)
    block = small.result(LIMIT)
    assert (block.first_index, len(block)) == (0, 10)


def test_next_reader_ends_by_itself(open_device: OpenDevice) -> None:
    """On a clock that goes by itself, when the reader before it has got its samples."""
    device = open_device("latency=0s&timeout=inf")
    stream = device.stream(1000)
    first = in_thread(lambda: stream.read(100))
    device.wait_pending(1, timeout=math.inf)
    second = in_thread(lambda: stream.read(50))  # while the first waits, on all but slow machines
    assert (first.result(LIMIT).first_index, second.result(LIMIT).first_index) == (0, 100)


@pytest.mark.parametrize("settings", [VIRTUAL, "latency=0s"])
def test_each_sample_goes_to_one_of_many_readers(settings: str, open_device: OpenDevice) -> None:
    device = open_device(settings + "&timeout=inf")
    connect_ramp(device)
    total = 200_000
    stream = device.stream(2e6, total=total, buffer=total)

    def work(i: int) -> list[tuple[int, int]]:
        taken = []
        buffer = np.empty(100 + i, dtype=np.int16)
        while (span := stream.read_into(buffer)).samples:
            assert np.array_equal(buffer[: span.samples], ramp(span.first_index, span.samples))
            taken.append((span.first_index, span.samples))
        return taken

    pieces = sorted(piece for taken in parallelize(work, 4) for piece in taken)
    index = 0
    for first_index, count in pieces:
        assert first_index == index
        index += count
    assert index == total


def test_streams_of_a_device_are_independent(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    connect_ramp(device)
    fast, slow = device.stream(1000), device.stream(10, first_index=7)
    device.advance(1)
    assert codes(fast.read(5)) == [0, 1, 2, 3, 4]
    assert codes(slow.read(5)) == [7, 8, 9, 10, 11]
    fast.stop()
    device.advance(1)
    assert (fast.status.available, slow.status.available) == (995, 15)


# ------------------------------------------------------------------------------------------ memory


def waiting_read(device: hwsim.Device, stream: Stream, make: Callable[[], object]) -> Any:
    """A thread that reads 100 samples into what ``make`` gives, and waits."""
    future = in_thread(lambda: stream.read_into(make()))
    device.wait_pending(1, timeout=math.inf)
    return future


def test_buffer_cannot_be_resized_during_a_read(open_device: OpenDevice) -> None:
    """Neither of these types may move its memory meanwhile; afterwards they may again."""
    device = open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    raw = bytearray(200)
    read = waiting_read(device, stream, lambda: memoryview(raw).cast("h"))
    with pytest.raises(BufferError):
        raw.extend(b"more")
    with pytest.raises(BufferError):
        raw.clear()
    device.advance(0.1)
    assert read.result(LIMIT) == Span(0, 100, 0)
    assert memoryview(raw).cast("h").tolist() == list(range(100))
    raw.extend(b"more")

    numbers = array.array("h", [0] * 100)
    read = waiting_read(device, stream, lambda: numbers)
    with pytest.raises(BufferError):
        numbers.append(1)
    device.advance(0.1)
    assert read.result(LIMIT) == Span(100, 100, 0)
    assert numbers.tolist() == list(range(100, 200))
    numbers.append(1)

    view = memoryview(numbers)[:100]
    read = waiting_read(device, stream, lambda: view)
    with pytest.raises(BufferError):
        view.release()
    device.advance(0.1)
    assert read.result(LIMIT) == Span(200, 100, 0)
    view.release()


@pytest.mark.parametrize("error", ["cancel", "close"])
def test_buffer_is_free_again_after_a_failure(error: str, open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    numbers = array.array("h", [0] * 100)
    read = waiting_read(device, device.stream(1000), lambda: numbers)
    getattr(device, error)()
    with pytest.raises((OperationCancelled, DeviceClosed)):
        read.result(LIMIT)
    numbers.append(1)


@needs_gil  # without one, CPython 3.13 itself does not lock its arrays
def test_resizing_and_reading_at_once_corrupts_nothing(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    stream = device.stream(1e9)
    numbers = array.array("h", bytes(2 * 300_000))
    reading = threading.Event()
    refused = 0

    def resize() -> None:
        nonlocal refused
        while not reading.is_set():
            try:
                numbers.append(1)
                del numbers[300_000:]
            except BufferError:
                refused += 1

    resizing = in_thread(resize)
    rounds = 0
    while rounds < 10 or (not refused and rounds < 1000):
        span = stream.read_into(numbers)
        assert span.samples >= 300_000
        assert np.array_equal(numbers[:300_000], ramp(span.first_index, 300_000))
        rounds += 1
    reading.set()
    resizing.result(LIMIT)
    assert refused


def test_buffer_lives_as_long_as_the_read(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    mine = [np.zeros(100, dtype=np.int16)]
    alive = weakref.ref(mine[0])
    read = waiting_read(device, device.stream(1000), mine.pop)
    gc.collect()
    assert alive() is not None
    device.advance(0.1)
    assert read.result(LIMIT) == Span(0, 100, 0)
    gc.collect()
    assert alive() is None


def test_shared_memory_can_be_read_into(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    memory = SharedMemory(create=True, size=200)
    try:
        out = np.ndarray((100, 1), dtype=np.int16, buffer=memory.buf)
        block = device.stream(1000).read(out=out)
        assert block.data.base is out
        other = SharedMemory(memory.name)
        assert other.buf[:200].cast("h").tolist() == list(range(100))
        other.close()
        del block, out
    finally:
        memory.close()
        memory.unlink()


@pytest.mark.parametrize(
    "buffer",
    [
        array.array("h", [0] * 10),
        memoryview(bytearray(20)).cast("h"),
        (ctypes.c_int16 * 10)(),
        np.zeros((5, 2), dtype=np.int16),
        np.zeros((2, 5, 1), dtype="=i2"),
        np.zeros(40, dtype=np.int16)[20:30],
    ],
    ids=["array", "memoryview", "ctypes", "2d", "3d", "slice"],
)
def test_any_contiguous_buffer_will_do(buffer: Any, open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    assert device.stream(1000).read_into(buffer) == Span(0, 10, 0)
    assert np.asarray(buffer).ravel().tolist() == list(range(10))


def read_only() -> npt.NDArray[np.int16]:
    result = np.zeros(4, dtype=np.int16)
    result.flags.writeable = False
    return result


ZEROS = np.zeros(12, dtype=np.int16)
TYPES = "int16, float32 or float64"


@pytest.mark.parametrize(
    ("buffer", "error", "message"),
    [
        (ZEROS[::2], ValueError, "must be C-contiguous, got a strided"),
        (ZEROS[::-1], ValueError, "must be C-contiguous"),
        (ZEROS.reshape(6, 2).T, ValueError, "must be C-contiguous"),
        (
            memoryview(array.array("h", [0] * 12))[::3],
            ValueError,
            "must be C-contiguous, got a strided memoryview",
        ),
        (np.broadcast_to(ZEROS[0], (4,)), BufferError, "must be writable"),
        (read_only(), BufferError, "must be writable, got a read-only"),
        (bytes(4), BufferError, "must be writable, got a read-only bytes"),
        (memoryview(b"abcd").cast("h"), BufferError, "must be writable"),
        (bytearray(4), ValueError, f"must hold {TYPES}, got format 'B'"),
        (np.zeros(4, dtype=">i2"), ValueError, f"must hold {TYPES}, got format '>h'"),
        (np.zeros(4, dtype=">f8"), ValueError, f"must hold {TYPES}, got format '>d'"),
        (np.zeros(4, dtype=np.uint16), ValueError, f"must hold {TYPES}, got format 'H'"),
        (np.zeros(4, dtype=np.int32), ValueError, f"must hold {TYPES}, got format 'i'"),
        (np.zeros(4, dtype=np.float16), ValueError, f"must hold {TYPES}, got format 'e'"),
        (np.zeros(4, dtype=np.longdouble), ValueError, f"must hold {TYPES}"),
        (np.zeros(4, dtype=complex), ValueError, f"must hold {TYPES}"),
        (np.zeros(4, dtype=bool), ValueError, f"must hold {TYPES}"),
        (np.zeros(4, dtype=object), ValueError, f"must hold {TYPES}"),
        (np.zeros(4, dtype=[("a", "i2")]), ValueError, f"must hold {TYPES}"),
        (np.zeros(4, dtype="M8[s]"), (ValueError, BufferError), "."),
        (np.frombuffer(bytearray(9), np.uint8)[1:].view(np.int16), ValueError, "must be aligned"),
        (np.zeros(0, dtype=np.int16), ValueError, "multiple of 2 values.*got 0"),
        (np.zeros((2, 0), dtype=np.int16), ValueError, "multiple of 2 values.*got 0"),
        (np.zeros(3, dtype=np.int16), ValueError, "multiple of 2 values.*got 3"),
        (np.zeros((), dtype=np.int16), ValueError, "multiple of 2 values.*got 1"),
        ("text", TypeError, "must be a buffer"),
        ([1, 2], TypeError, "must be a buffer"),
        (None, TypeError, "must be a buffer"),
        (5, TypeError, "must be a buffer"),
        (np.int16, TypeError, "must be a buffer"),
    ],
)
def test_wrong_buffer_is_named_and_nothing_is_read(
    buffer: object, error: Any, message: str, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, channels=(0, 1))
    device.advance(1)
    with pytest.raises(error, match=message):
        stream.read_into(buffer)
    assert (stream.status.available, device.transactions) == (1000, 0)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros(4, dtype=np.int16),
        np.zeros((4, 1), dtype=np.int16),
        np.zeros((2, 4), dtype=np.int16),
        np.zeros((4, 2, 1), dtype=np.int16),
        np.zeros((5, 2), dtype=np.int16),
        np.zeros((4, 2), dtype=np.int16)[::-1],
        np.zeros((4, 2), dtype=np.int32),
        array.array("h", [0] * 8),
        [[0, 0]] * 4,
        5,
    ],
)
def test_out_must_be_an_array_that_fits(out: Any, open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, channels=(0, 1))
    device.advance(1)
    with pytest.raises((ValueError, TypeError), match="out must"):
        stream.read(4, out=out)
    assert stream.status.available == 1000


def test_out_is_what_the_block_shows(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    stream = device.stream(1000, channels=(0, 1), dtype="int16")
    out = np.full((4, 2), np.nan, dtype=np.float32)
    block = stream.read(out=out)
    assert block.data.base is out
    assert block.data.shape == (4, 2)
    assert np.isfinite(out).all()


# --------------------------------------------------------------------------------------- the end


def test_finite_stream_ends_with_a_short_block_and_then_empty_ones(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    stream = device.stream(1000, block=4, total=10, first_index=5)
    blocks = [stream.read() for _ in range(5)]
    assert [len(block) for block in blocks] == [4, 4, 2, 0, 0]
    assert [block.first_index for block in blocks] == [5, 9, 13, 15, 15]
    assert blocks[3].data.shape == (0, 1)
    assert device.now == 0.010
    assert stream.status == Status(0, 10, 0, False)


@pytest.mark.parametrize("block", [1, 3, 4, 12, 100])
def test_iteration_gives_all_samples(block: int, open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    blocks = list(device.stream(1000, block=block, total=12))
    assert [n for b in blocks for n in codes(b)] == list(range(12))
    assert {len(b) for b in blocks[:-1]} <= {block}


def test_stop_during_a_read_gives_what_is_there(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    reads = []
    for i in range(3):
        reads.append(in_thread(lambda: stream.read(10)))
        device.wait_pending(i + 1, timeout=math.inf)
    device.advance(0.004)
    stream.stop()
    assert codes(reads[0].result(LIMIT)) == [0, 1, 2, 3]
    for read in reads[1:]:
        block = read.result(LIMIT)
        assert (block.first_index, len(block)) == (4, 0)
    device.advance(1)
    assert len(stream.read(10)) == 0
    assert stream.status == Status(0, 4, 0, False)
    stream.stop()


def test_stopped_stream_keeps_what_has_not_been_read(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, block=10)
    device.advance(0.015)
    with stream:
        pass
    device.advance(1)
    assert [len(block) for block in stream] == [10, 5]


def test_iteration_ends_on_stop_from_another_thread(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1000, block=10)
    lengths = in_thread(lambda: [len(block) for block in stream])
    device.wait_pending(1, timeout=math.inf)
    device.advance(0.010)
    device.wait_pending(1, timeout=math.inf)
    device.advance(0.003)
    stream.stop()
    assert lengths.result(LIMIT) == [10, 3]


def test_stop_at_any_moment_ends_every_reader(open_device: OpenDevice) -> None:
    """A wake-up that is lost would leave a reader waiting for ever."""
    device = open_device("latency=0s&timeout=inf")
    for rounds in range(25):
        stream = device.stream(1e5, block=50)

        def work(i: int, stream: Stream = stream, rounds: int = rounds) -> None:
            if i == 0:
                for _ in range(rounds * 5):
                    stream.status  # noqa: B018 - takes the device's lock
                stream.stop()
            else:
                for _ in stream:
                    pass

        parallelize(work, 4)
    assert device.pending == 0


# ----------------------------------------------------------------------------------------- failures

FAILURES: dict[
    str, tuple[type[BaseException], Callable[[hwsim.Device, hwsim.CancelToken], None]]
] = {
    "timeout": (DeviceTimeout, lambda d, token: d.advance(1)),
    "Device.cancel": (OperationCancelled, lambda d, token: d.cancel()),
    "cancel": (OperationCancelled, lambda d, token: token.cancel()),
    "disconnect": (DeviceDisconnected, lambda d, token: d.inject("disconnect")),
    "close": (DeviceClosed, lambda d, token: d.close()),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("first_index", [0, 2**53])
def test_failed_read_gives_what_is_there_and_takes_nothing(
    failure: str, first_index: int, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    connect_ramp(device)
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
    if failure == "disconnect":
        device.inject("reconnect")
    if failure != "close":
        again = stream.read(count)
        assert again.first_index == first_index
        assert np.array_equal(again.data, partial.data)


def test_partial_of_read_into_is_in_the_buffer(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
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


def test_nothing_is_lost_while_disconnected(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    device.advance(0.1)
    device.inject("disconnect")
    with pytest.raises(DeviceDisconnected):
        stream.read(10)
    device.advance(0.1)
    device.inject("reconnect")
    assert codes(stream.read(200)) == list(range(200))


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


# ------------------------------------------------------------------------------- Ctrl-C and the GIL


@pytest.mark.parametrize("overrun", POLICIES)
def test_interrupted_wait_loses_nothing(overrun: str) -> None:
    """On the main thread; another one says when it waits."""
    script = """
        import math, sys, threading, hwsim
        device = hwsim.open("hwsim://x?latency=0s&timeout=inf")
        stream = device.stream(1000, buffer=10**9, overrun=sys.argv[1])
        def tell():
            device.wait_pending(1, timeout=math.inf)
            print("waiting", flush=True)
        thread = threading.Thread(target=tell)
        thread.start()
        try:
            stream.read(10**7)
        except KeyboardInterrupt:
            thread.join()
            assert stream.status.read == 0, stream.status
            block = stream.read(50)
            print(block.first_index, block.lost, len(block))
    """

    def interrupt(line: str, pid: int) -> None:
        if line == "waiting":
            os.kill(pid, signal.SIGINT)

    assert run_script(script, overrun, on_line=interrupt).check() == "waiting\n0 0 50\n"


def test_interrupted_generation_loses_nothing() -> None:
    """A virtual clock: the samples are due at once, and the read is busy making them."""
    script = """
        import signal, numpy as np, hwsim
        device = hwsim.open("hwsim://x?latency=0s&clock=virtual")
        stream = device.stream(1e9, buffer=2**40)
        out = np.empty(2**28, dtype=np.int16)  # only what is written to takes memory
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            stream.read_into(out)
        except KeyboardInterrupt:
            print(stream.status.read, stream.status.available == len(out), stream.status.lost)
            block = stream.read(50)
            print(block.first_index, block.lost, np.array_equal(block.data[:, 0], out[:50]))
    """
    assert run_script(script).check() == "0 True 0\n0 0 True\n"


@pytest.mark.parametrize(
    ("samples", "channels", "expected"),
    [(1, 1, 0), (4096, 1, 0), (4096, 4, 0), (1_000_000, 1, 1), (250_000, 4, 1), (6_000_000, 1, 1)],
)
def test_only_a_large_read_of_ready_samples_releases_the_gil(
    samples: int, channels: int, expected: int, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL)
    stream = device.stream(1e6, channels=range(channels), buffer=2**40)
    device.advance(100)
    out = np.empty((samples, channels), dtype=np.int16)
    before = gil.releases()
    stream.read(out=out)
    assert gil.releases() - before == expected


def test_waiting_read_releases_the_gil_once(open_device: OpenDevice) -> None:
    stream = open_device("latency=0s").stream(1000)
    before = gil.releases()
    stream.read(20)
    assert gil.releases() - before == 1


# --------------------------------------------------------------------------------------------- life


def test_stream_keeps_its_device_alive(name: str) -> None:
    stream = hwsim.open(f"hwsim://{name}?{VIRTUAL}").stream(1000)
    gc.collect()
    assert stream.device.is_open
    assert len(stream.read(10)) == 10
    del stream
    gc.collect()
    hwsim.open(f"hwsim://{name}").close()


def test_cycle_through_a_stream_is_collected(name: str) -> None:
    device: Any = hwsim.open(f"hwsim://{name}?{VIRTUAL}")
    stream: Any = device.stream(1000)
    device.stream_of_mine, stream.me = stream, stream
    gone = weakref.ref(stream), weakref.ref(device)
    del device, stream
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    hwsim.open(f"hwsim://{name}").close()


def test_block_outlives_its_stream(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    block = device.stream(1000).read(5)
    device.close()
    gc.collect()
    assert codes(block) == [0, 1, 2, 3, 4]


def test_stream_of_a_closed_device(open_device: OpenDevice) -> None:
    device = open_device("latency=0s")
    stream = device.stream(1e6)
    device.close()
    status = stream.status
    assert not status.running
    for call in (stream.read, lambda: list(stream), lambda: device.stream(1000)):
        with pytest.raises(DeviceClosed):
            call()
    assert stream.status == status
    assert "Stream" in repr(stream)
    stream.stop()


def test_stream_of_the_parent_process_is_refused() -> None:
    script = """
        import os, sys, hwsim
        device = hwsim.open("hwsim://x?latency=0s&clock=virtual")
        stream = device.stream(1000)
        child = os.fork()
        if not child:
            for call in (stream.read, lambda: stream.status, lambda: list(stream)):
                try:
                    call()
                except hwsim.errors.DeviceForked as error:
                    print(type(error).__name__, error.operation)
            stream.stop()
            del stream, device
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(len(stream.read(10)), stream.status.running)
    """
    read, status = "DeviceForked read\n", "DeviceForked status\n"
    assert run_script(script).check() == read + status + read + "10 True\n"


def test_uninitialised_stream_is_refused() -> None:
    stream = Stream.__new__(Stream)
    calls: list[Callable[[], object]] = [
        stream.stop,
        lambda: stream.status,
        lambda: stream.read_into(np.zeros(4, dtype=np.int16)),
        lambda: stream.read(4),
        lambda: list(stream),
    ]
    for call in calls:
        with pytest.raises((ValueError, AttributeError)):
            call()
    assert "not initialised" in repr(stream)


def test_stream_is_initialised_once(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    connect_ramp(device)
    stream = device.stream(1000)
    stream.read(5)
    with pytest.raises(RuntimeError, match="initialised already"):
        Stream.__init__(stream, device, 1000)
    assert codes(stream.read(3)) == [5, 6, 7]


@pytest.mark.parametrize("device", [None, 5, "hwsim://x", hwsim.Device.__new__(hwsim.Device)])
def test_stream_needs_a_device(device: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="device"):
        Stream(device, 1000)


@pytest.mark.parametrize(
    ("name_", "value", "message"),
    [
        ("rate_hz", 0, "rate must be from 0.001 to 1e9 Hz, got 0"),
        ("rate_hz", -1, "rate must"),
        ("rate_hz", 1.1e9, "rate must"),
        ("rate_hz", math.nan, "rate must"),
        ("rate_hz", math.inf, "rate must"),
        ("rate_hz", "fast", "rate"),
        ("channels", (), "at least one channel"),
        ("channels", (0, 1, 0), "channel 0 twice"),
        ("channels", (4,), "from 0 to 3, got 4"),
        ("channels", (-1,), "channels must be from 0 to 63, got -1"),
        ("channels", (1.5,), "channels must be an integer"),
        ("channels", 0, "channels must"),
        ("block", 0, "block must be from 1"),
        ("block", 2.0, "block must be an integer"),
        ("buffer", 0, "buffer must"),
        ("buffer", -1, "buffer must"),
        ("buffer", 2**40 + 1, "buffer must"),
        ("total", 0, "total must be from 1"),
        ("total", 2**62 + 1, "total must"),
        ("first_index", -1, "first_index must"),
        ("first_index", 2**62 + 1, "first_index"),
        ("first_index", 2**64, "first_index"),
        ("overrun", "ignore", "overrun must be one of error, skip"),
        ("dtype", "int32", "dtype must be one of int16, float32, float64"),
    ],
)
def test_wrong_setting_is_named(
    name_: str, value: object, message: str, open_device: OpenDevice
) -> None:
    options: dict[str, Any] = {"rate_hz": 1000, name_: value}
    with pytest.raises((ValueError, TypeError), match=message):
        open_device(VIRTUAL).stream(**options)


@pytest.mark.parametrize("n", [0, -1, 2**41, 1.5, "many"])
def test_wrong_count_is_refused(n: Any, open_device: OpenDevice) -> None:
    with pytest.raises((ValueError, TypeError), match="n must be"):
        open_device(VIRTUAL).stream(1000).read(n)


def test_defaults_are_those_of_the_documentation(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    stream = device.stream(200_000)
    assert (stream.rate_hz, stream.channels, str(stream.dtype)) == (200_000, (0,), "int16")
    assert stream.device is device
    device.advance(1)
    assert len(stream.read()) == stream.block == 4096
    device.advance(0.5)
    with pytest.raises(Overrun):  # a second, 200,000 samples
        stream.read()
    assert stream.status.lost == 100_000 - 4096
    assert repr(stream) == f"<hwsim.Stream of {device.name!r}, 200000 Hz, channels (0,)>"
