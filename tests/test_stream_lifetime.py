"""Who keeps a stream, its device and its blocks alive; and the settings that it refuses."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hwsim
from conftest import OpenDevice, run_script
from hwsim.errors import DeviceClosed, Overrun
from hwsim.stream import Stream
from streams import MANUAL, VIRTUAL, codes, connect_ramp


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
    with pytest.raises((TypeError, ValueError), match=r"[Dd]evice"):
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
        ("channels", (64,), "channel must be from 0 to 3, got 64"),
        ("channels", (-1,), "channels must be from 0 to 3, got -1"),
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
