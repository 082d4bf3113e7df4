"""Samples go into the caller's memory: what will do, and what must not happen to it meanwhile."""

from __future__ import annotations

import array
import ctypes
import gc
import math
import threading
import weakref
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, needs_gil
from hwsim.errors import DeviceClosed, OperationCancelled
from hwsim.stream import Span, Stream
from streams import MANUAL, VIRTUAL, connect_ramp, ramp


def waiting_read(device: hwsim.Device, stream: Stream, make: Callable[[], object]) -> Any:
    """A thread that waits for 100 samples, to read them into what ``make`` returns."""
    future = in_thread(lambda: stream.read_into(make()))
    device.wait_pending(1, timeout=math.inf)
    return future


def test_buffer_cannot_be_resized_during_a_read(open_device: OpenDevice) -> None:
    """None of these types may move its memory during the read; afterwards it may again."""
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
    connect_ramp(device, 1e9)
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
