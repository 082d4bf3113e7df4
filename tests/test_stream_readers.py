"""Several readers of a stream, Ctrl-C while one waits, and the GIL."""

from __future__ import annotations

import math
import os
import signal

import numpy as np
import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim import gil
from hwsim.errors import OperationCancelled
from streams import MANUAL, POLICIES, VIRTUAL, codes, connect_ramp, ramp

# --------------------------------------------------------------------------------- several readers


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
    """On a real clock, once the reader before it has got its samples."""
    device = open_device("latency=0s&timeout=inf")
    stream = device.stream(1000)
    first = in_thread(lambda: stream.read(100))
    device.wait_pending(1, timeout=math.inf)
    second = in_thread(lambda: stream.read(50))  # while the first waits, on all but slow machines
    assert (first.result(LIMIT).first_index, second.result(LIMIT).first_index) == (0, 100)


@pytest.mark.parametrize("settings", [VIRTUAL, "latency=0s"])
def test_each_sample_goes_to_one_of_many_readers(settings: str, open_device: OpenDevice) -> None:
    device = open_device(settings + "&timeout=inf")
    connect_ramp(device, 2e6)
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
    assert codes(slow.read(5)) == [700, 800, 900, 1000, 1100]
    fast.stop()
    device.advance(1)
    assert (fast.status.available, slow.status.available) == (995, 15)


# ------------------------------------------------------------------------------ Ctrl-C and the GIL


@pytest.mark.parametrize("overrun", POLICIES)
def test_interrupted_wait_loses_nothing(overrun: str) -> None:
    """The wait is on the main thread; another thread says when it has begun."""
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
    """On a virtual clock the samples are due at once, and the read is busy making them."""
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
