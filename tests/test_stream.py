"""Streams: every sample once, in order; and how a stream ends.

Which samples are there follows from the clock, so a manual clock makes every number exact, and on a
virtual one a read never waits.
"""

from __future__ import annotations

import gc
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import LIMIT, OpenDevice, in_thread, parallelize
from examples import examples
from hwsim.stream import SampleType, Status, Stream
from streams import DTYPES, MANUAL, VIRTUAL, codes, connect_ramp, ramp, whole

WRAPS = [0, 2**15 - 5, 2**31 - 5, 2**32 - 5, 2**32 + 2**31 - 5, 2**53 - 5, 2**62 - 50]


# -------------------------------------------------------------------------------------- continuity


@pytest.mark.parametrize("first_index", WRAPS)
def test_blocks_follow_each_other_without_a_gap(first_index: int, open_device: OpenDevice) -> None:
    """Over millions of samples, and where any counter of the index wraps."""
    device = open_device(VIRTUAL)
    connect_ramp(device, 1e6)
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


# ----------------------------------------------------------------------------------------- the end


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
