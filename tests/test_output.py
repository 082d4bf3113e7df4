"""Outputs, and what channels see of them.

The native library computes; here is what Python adds: names, functions, errors, and that all that
measures a channel sees the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import aio, models
from hwsim.errors import InvalidArgument, StateError
from hwsim.models import Field, Output, Register, when_changed, when_written

LSB = 10 / 32768


class Supply(hwsim.Model):
    """With a latch: what is written comes out when it is told so."""

    channels = 2

    class DAC(Register, at=0x0):
        CODE = Field(0, 12)

    class CTRL(Register, at=0x4):
        LDAC = Field(0, pulse=True)

    class LATCH(Register, at=0x8, access="RO"):
        CODE = Field(0, 12)

    class TRIM(Register, at=0xC, bits=8, reset=0x80):
        pass

    class COUNT(Register, at=0x10, access="RO"):
        pass

    volts = Output(LATCH.CODE, "unipolar", range=5.0)
    trim = Output(TRIM, "offset", range=1.0)
    rules = (
        when_written(CTRL.LDAC, 1).copy(LATCH.CODE, DAC.CODE),
        when_changed(LATCH.CODE).increment(COUNT),
    )


@pytest.fixture
def device() -> Iterator[hwsim.Device]:
    with hwsim.open("hwsim://out0?latency=1us&clock=virtual&noise=0V&rate=1kHz") as opened:
        yield opened


@pytest.fixture
def supply() -> Iterator[hwsim.Device]:
    with hwsim.open("hwsim://psu0?latency=1us&clock=virtual&noise=0V", model=Supply) as opened:
        yield opened


def test_output_of_a_model_follows_its_register(supply: hwsim.Device) -> None:
    supply.registers.DAC.CODE.write(0x800)
    assert supply.output("volts") == 0.0
    supply.registers.CTRL.LDAC.write(1)
    assert supply.output("volts") == 2.5
    assert supply.output(0) == 2.5
    assert supply.output("trim") == 0.0
    supply.registers.TRIM.write(0)
    assert supply.output(1) == -1.0
    supply.reset()
    assert supply.output("volts") == supply.output("trim") == 0.0


def test_set_output_is_a_change_of_its_register(supply: hwsim.Device) -> None:
    before = supply.transactions
    supply.set_output("volts", 1.25)
    assert supply.transactions == before + 1
    assert supply.registers.LATCH.CODE.read() == 0x400
    assert supply.registers.COUNT.read() == 1
    with supply.events(kinds=["register"]) as events:
        supply.set_output("volts", 2.5)
        assert events.read()[0].value == 0x800


def test_set_output_takes_full_scale_and_nothing_beyond(device: hwsim.Device) -> None:
    device.set_output(0, 10.0)
    assert device.output(0) == pytest.approx(10 - LSB)
    device.set_output(0, -10.0)
    assert device.output(0) == -10.0
    for volts in (10.001, -10.001, math.nan, math.inf):
        with pytest.raises(InvalidArgument, match="volts must be from -10 to 10"):
            device.set_output(0, volts)
    assert device.output(0) == -10.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"output": "x"}, InvalidArgument, "output must be one of output0, output1, got 'x'"),
        ({"output": 2}, ValueError, "output must be from 0 to 1, got 2"),
        ({"channel": 4}, InvalidArgument, "channel must be from 0 to 3, got 4"),
        ({"gain": math.nan}, InvalidArgument, "gain must be from"),
        ({"offset": 2e6}, InvalidArgument, "offset must be from"),
        ({"delay": 3601}, InvalidArgument, "delay must be from"),
        ({"delay": -1}, InvalidArgument, "delay must be from"),
        ({"tau": math.inf}, InvalidArgument, "tau must be from"),
        ({"noise": -1}, InvalidArgument, "noise must be from"),
        ({"gain": "2"}, TypeError, "gain must be a number"),
        ({"function": 3}, TypeError, "function must be callable"),
        ({"function": lambda _: None}, TypeError, "function must return numbers"),
        ({"function": lambda _: math.nan}, InvalidArgument, "got nan at -10 V"),
        ({"function": lambda v: 1e7 if v > 0 else 0}, InvalidArgument, "function must return"),
        ({"function": lambda v: 1 / v}, ZeroDivisionError, "division"),
    ],
)
def test_what_makes_no_sense_is_refused(
    device: hwsim.Device, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = device.signal(0)
    with pytest.raises(error, match=message):
        device.connect(**{"output": 0, "channel": 0, **arguments})
    assert device.signal(0) == before


def test_error_names_the_operation_that_was_called(device: hwsim.Device) -> None:
    calls: dict[str, Callable[[], None]] = {
        "connect": lambda: device.connect(0, 7),
        "set_signal": lambda: device.set_signal(7, "dc"),
        "disconnect": lambda: device.disconnect(7),
    }
    for operation, call in calls.items():
        with pytest.raises(InvalidArgument, match="channel must be from 0 to 3, got 7") as caught:
            call()
        assert (caught.value.device, caught.value.operation) == ("out0", operation)


def test_function_is_called_once_for_each_voltage(supply: hwsim.Device) -> None:
    asked: list[float] = []

    def function(volts: float) -> float:
        asked.append(volts)
        return float(len(asked) % 2)

    supply.connect("trim", 0, function=function)
    assert asked == [code / 128 - 1 for code in range(256)]
    for code in range(256):
        supply.registers.TRIM.write(code)
        assert supply.read_voltage(0) == pytest.approx((code + 1) % 2, abs=LSB)
    assert len(asked) == 256


def test_a_device_without_outputs_says_so() -> None:
    class Plain(hwsim.Model):
        class ID(Register, at=0):
            pass

    with hwsim.open("hwsim://plain0", model=Plain) as plain:
        for call in (lambda: plain.output(0), lambda: plain.connect("x", 0)):
            with pytest.raises(InvalidArgument, match="the device has no outputs"):
                call()


def test_last_that_is_connected_counts(device: hwsim.Device) -> None:
    power_on = device.signal(0)
    device.connect(0, 0)
    assert device.signal(0).waveform == "output"
    device.set_output(0, 2.0)
    device.set_signal(0, "dc", amplitude=0, offset=3.0)
    assert device.read_voltage(0) == pytest.approx(3.0, abs=LSB)
    device.connect(0, 0)
    assert device.read_voltage(0) == pytest.approx(2.0, abs=LSB)
    device.disconnect(0)
    assert device.signal(0) == power_on
    with pytest.raises(StateError, match="no output is connected to channel 0"):
        device.disconnect(0)
    with pytest.raises(ValueError, match="source must be one of dc, sine, square, triangle"):
        device.set_signal(0, "output")


writes = st.lists(st.tuples(st.floats(0, 0.02), st.floats(-9, 9)), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(writes=writes, gain=st.floats(-1, 1), delay=st.floats(0, 0.01), tau=st.floats(0, 0.05))
def test_samples_are_those_of_the_closed_form(
    writes: list[tuple[float, float]], gain: float, delay: float, tau: float
) -> None:
    uri = "hwsim://out1?latency=0s&clock=manual&noise=0V&rate=10kHz"
    with hwsim.open(uri) as device:
        device.connect(0, 0, gain=gain, offset=0.5, delay=delay, tau=tau)
        goals = [(0.0, 0.5)]
        with device.stream(10_000, dtype="float64", buffer=10**6) as stream:
            for step, volts in writes:
                device.advance(step)
                device.set_output(0, volts)
                goals.append((device.now + delay, 0.5 + gain * device.output(0)))
            device.advance(0.03)
            got = stream.read(stream.status.available).data[:, 0]
    expected: list[float] = []
    level = 0.5
    goals.append((math.inf, 0.0))
    for (begin, goal), (end, _) in pairwise(goals):
        level_at_begin = level
        while len(expected) < len(got) and (len(expected) + 1) / 1e4 <= end + 1e-12:
            at = (len(expected) + 1) / 1e4
            lag = math.exp(-(at - begin) / tau) if tau > 1e-9 else 0.0
            expected.append(goal + (level_at_begin - goal) * lag)
        lag = math.exp(-(end - begin) / tau) if tau > 1e-9 else 0.0
        level = goal + (level_at_begin - goal) * lag
    # A sample within a nanosecond of a change may be on either side of it.
    near = [abs((i + 1) / 1e4 - begin) < 3e-9 for i in range(len(got)) for begin, _ in goals]
    keep = ~np.array(near).reshape(len(got), -1).any(axis=1)
    assert np.allclose(got[keep], np.array(expected)[keep], atol=2 * LSB)


def test_a_threshold_watches_an_output(device: hwsim.Device) -> None:
    device.connect(0, 0, tau=0.1)
    device.set_threshold(0, 5.0, hysteresis=1.0)
    with device.events(kinds=["threshold"]) as events:
        device.set_output(0, 8.0)
        begin = device.now
        up = events.read(timeout=math.inf)[0]
        device.set_output(0, 0.0)
        down = events.read(timeout=math.inf)[0]
    assert up.time_s - begin == pytest.approx(0.1 * math.log(8 / 3), abs=1.1e-3)
    assert up.value >= 5.0
    assert down.value < 4.0
    assert down.time_s - up.time_s == pytest.approx(0.1 * math.log(5 / 4), abs=2.1e-3)


def test_all_channels_of_a_conversion_see_one_instant(device: hwsim.Device) -> None:
    for channel in range(3):
        device.connect(0, channel, tau=0.01)
    device.set_output(0, 5.0)
    for _ in range(5):
        volts = device.read_voltages([0, 1, 2])
        assert volts[0] == volts[1] == volts[2]


def test_a_recording_of_a_closed_loop_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def run(threads: int) -> bytes:
        uri = "hwsim://loop0?latency=1ms&jitter=100us&clock=virtual&rate=1kHz&seed=7"
        with hwsim.open(uri) as device, ThreadPoolExecutor(threads) as pool:
            device.connect(0, 0, gain=2, tau=0.02)
            samples = []
            with device.stream(1000, dtype="int16") as stream:
                for _ in range(100):
                    volts = pool.submit(device.read_voltage, 0).result()
                    pool.submit(device.set_output, 0, 0.5 * (3 - volts)).result()
                    samples.append(stream.read(stream.status.available or 1).data.tobytes())
            return b"".join(samples)

    assert run(1) == run(4)


def test_coroutines_have_it_too() -> None:
    async def main() -> float:
        uri = "hwsim://out2?latency=1ms&clock=virtual&noise=0V"
        async with await aio.open(uri) as device:
            device.connect(0, 0, gain=0.5)
            await device.set_output("output0", 4.0)
            assert device.output(0) == pytest.approx(4.0, abs=LSB)
            volts = await device.read_voltage(0)
            device.disconnect(0)
            return volts

    assert asyncio.run(main()) == pytest.approx(2.0, abs=LSB)


def test_power_failure_takes_the_voltage(device: hwsim.Device) -> None:
    device.connect(0, 0, tau=1.0)
    device.set_output(0, 5.0)
    device.inject("disconnect")
    assert device.output(0) == 0.0
    device.inject("reconnect")
    assert device.output(0) == 0.0
    assert device.signal(0).waveform == "output"
    assert device[0x60] == 0


def test_outputs_are_in_documents() -> None:
    again = models.document._map(__import__("yaml").safe_load(models.yaml_of(Supply.map)))
    assert again.outputs == Supply.map.outputs
    assert [one.name for one in again.outputs] == ["volts", "trim"]


def test_a_bad_output_of_a_model_is_named() -> None:
    class Wrong(hwsim.Model):
        class DAC(Register, at=0):
            pass

        out = Output("DOC")

    with pytest.raises(InvalidArgument, match="output 0, out, of the model: there is no register"):
        _ = Wrong.map
