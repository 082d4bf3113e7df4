"""Limits that messages name are those that hold: the value itself is taken, the next one is not.

Every message of the sources that names limits has a row here; a new one is missed by name.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import hwsim
from conftest import OpenDevice
from hwsim import firmware

ROOT = Path(__file__).parents[1]
HZ = 12345.678901  # the limits that follow from it have many digits


class Limit(NamedTuple):
    """What is allowed: ``low`` to ``high``. ``below`` and ``above`` are next to them.

    Whole numbers have ``far`` ones too, which fit into no type of C: the limits are the same.
    """

    call: Callable[[hwsim.Device, Any], object]
    low: Any
    high: Any
    below: Any
    above: Any
    said: str = "{low} to {high}"
    far: tuple[int, ...] = ()


def fraction(call: Callable[[hwsim.Device, Any], object], low: float, high: float) -> Limit:
    below = math.nextafter(low, -math.inf) if low else -1e-9
    return Limit(call, low, high, below, math.nextafter(high, math.inf))


def whole(
    call: Callable[[hwsim.Device, Any], object], low: int, high: int, said: str = "{low} to {high}"
) -> Limit:
    return Limit(call, low, high, low - 1, high + 1, said, (-(2**70), 2**70))


def setting(name: str, device: hwsim.Device, value: float) -> None:
    device.set_signal(0, **{name: value})  # type: ignore[arg-type]


def read(device: hwsim.Device, **wanted: Any) -> None:
    with pytest.raises((hwsim.errors.DeviceTimeout, MemoryError)):  # nothing is there yet
        device.stream(1).read(**wanted, timeout=0)


def connection(name: str, device: hwsim.Device, value: float) -> None:
    device.connect(0, 0, **{name: value})  # type: ignore[arg-type]


def disconnect(device: hwsim.Device, channel: int) -> None:
    device.connect(0, min(max(channel, 0), 3))
    device.disconnect(channel)


def queue(device: hwsim.Device, size: int) -> None:
    device.events(queue=size).close()


def update(device: hwsim.Device, retries: int) -> None:
    device.program_firmware(firmware.build_image(2**16, b"x"), retries=retries)


def key(name: str, device: hwsim.Device, value: str) -> None:
    hwsim.open(f"hwsim://{device.name}-other?{name}={value}").close()


def events(device: hwsim.Device, count: int) -> None:
    device.trigger(1.0)
    with device.events() as subscription:
        device.trigger(1.0)
        assert len(subscription.read(count)) == 1


def calibrate(device: hwsim.Device, samples: int, channel: int = 0) -> None:
    token = hwsim.CancelToken()
    token.cancel()
    with pytest.raises(hwsim.errors.OperationCancelled):
        device.calibrate(channel, samples=samples, cancel=token)


def timer(device: hwsim.Device, seconds: float) -> None:
    device.timer = seconds


LIMITS: dict[str, Limit] = {
    **{
        f"set_signal.{name}": fraction(partial(setting, name), low, high)
        for name, low, high in (
            ("amplitude", -1e6, 1e6),
            ("offset", -1e6, 1e6),
            ("frequency", 0, HZ / 2),
            ("phase", -1e6, 1e6),
            ("noise", 0, 1e6),
            ("gain_error", -0.5, 0.5),
            ("offset_error", -1e6, 1e6),
            ("inl", -1000, 1000),
            ("range", 1e-3, 1e3),
        )
    },
    "set_signal.source": Limit(
        lambda d, x: d.set_signal(0, [x], range=1000, amplitude=1e-3),
        -1e6,
        1e6,
        -1000000.0000000001,
        1000000.0000000001,
        "-1e6 to 1e6",
    ),
    "set_signal.rate": fraction(lambda d, x: d.set_signal(0, [1.0], rate=x), 1e-6, 1e11),
    "set_threshold.level": fraction(lambda d, x: d.set_threshold(0, x), -1e6, 1e6)._replace(
        said="-1e6 to 1e6"
    ),
    "set_threshold.hysteresis": fraction(
        lambda d, x: d.set_threshold(0, 0, hysteresis=x), 0, 1e6
    )._replace(said="0 to 1e6"),
    "stream.rate": fraction(lambda d, x: d.stream(x), 1e-3, 1e9)._replace(said="0.001 to 1e9"),
    "stream.buffer": whole(lambda d, x: d.stream(1, buffer=x), 1, 2**40),
    "stream.block": whole(lambda d, x: d.stream(1, block=x), 1, 2**40),
    "stream.total": whole(lambda d, x: d.stream(1, total=x), 1, 2**62),
    "stream.first_index": whole(lambda d, x: d.stream(1, first_index=x), 0, 2**62),
    "stream.channels": whole(lambda d, x: d.stream(1, channels=[x]), 0, 3),
    "read.n": whole(lambda d, x: read(d, n=x), 1, 2**40),
    "read_voltage.channel": whole(lambda d, x: d.read_voltage(x), 0, 3),
    "read_voltages.channels": whole(lambda d, x: d.read_voltages([x]), 0, 3),
    "signal.channel": whole(lambda d, x: d.signal(x), 0, 3),
    "set_signal.channel": whole(lambda d, x: d.set_signal(x), 0, 3),
    "disconnect.channel": whole(disconnect, 0, 3),
    "connect.channel": whole(lambda d, x: d.connect(0, x), 0, 3),
    "connect.output": whole(lambda d, x: d.connect(x, 0), 0, 1),
    **{
        f"connect.{name}": fraction(partial(connection, name), low, high)
        for name, low, high in (
            ("gain", -1e6, 1e6),
            ("offset", -1e6, 1e6),
            ("tau", 0, 1e9),
            ("noise", 0, 1e6),
        )
    },
    "connect.delay": Limit(partial(connection, "delay"), 0, 3600, -1e-9, 3600.000001),
    "set_output.volts": fraction(lambda d, x: d.set_output(0, x), -1000, 1000),
    "set_threshold.channel": whole(lambda d, x: d.set_threshold(x, 0), 0, 3),
    "calibrate.channel": whole(lambda d, x: calibrate(d, 2**18, channel=x), 0, 3),
    "calibrate.samples": whole(calibrate, 2**18, 2**26),
    "events.queue": whole(queue, 1, 2**20),
    "events.count": whole(events, 1, 2**20),
    "timer": Limit(timer, 1e-6, 3600, 999e-9, 3600.000001, "0 or from 1e-06 to 3600"),
    "program_firmware.retries": whole(update, 0, 100),
    "build_image.version": whole(lambda d, x: firmware.build_image(x, b"x"), 0, 2**32 - 1),
    "build_image.payload": Limit(
        lambda d, x: firmware.build_image(1, bytes(x)), 1, 2**18, 0, 2**18 + 1
    ),
    "inject.probability": fraction(lambda d, x: d.inject("crc", probability=x), 0, 1),
    "inject.extra": Limit(lambda d, x: d.inject("spike", extra=x), 0, 3600, -1e-9, 3600.000001),
    "inject.at": whole(lambda d, x: d.inject("crc", at=x), 1, 2**64 - 1),
    "write_block.values": whole(lambda d, x: d.write_block(0x40, [x]), 0, 2**32 - 1),
    # No block is as long as all registers; which of them are one, the error of an address says.
    "read_block.count": Limit(lambda d, x: d.read_block(0x40, x), 1, 10, 0, 21, "1 to 20"),
    "read_bytes.count": Limit(lambda d, x: d.read_bytes(0x40, x), 1, 40, 0, 161, "1 to 160"),
    "update_register.mask": Limit(
        lambda d, x: d.update_register(0x40, x, 0),
        0,
        0xFFFFFFFF,
        1 << 32,
        1 << 33,
        "0 to 0xFFFFFFFF",
    ),
    "set_signal.column": whole(lambda d, x: d.set_signal(0, np.zeros((9, 3)), column=x), 0, 2),
    **{
        f"uri.{name}": Limit(partial(key, name), low, high, below, above)
        for name, low, high, below, above in (
            ("latency", "0s", "3600s", "-1ns", "3600000000001ns"),
            ("timer", "1us", "3600s", "999ns", "3600000000001ns"),
            ("bandwidth", "1B/s", "1000000GB/s", "0.999999B/s", "1000001GB/s"),
            ("channels", "1", "64", "0", "65"),
            ("seed", "0", "18446744073709551615", "-1", "18446744073709551616"),
            ("clock", "0.001x", "1000000x", "0.00099x", "1000000.1x"),
            ("rate", "1mHz", "1GHz", "0.999mHz", "1000000001Hz"),
            ("range", "1mV", "1000V", "0.999mV", "1000.001V"),
            ("fault", "spike:0s", "spike:3600s", "spike:-1ns", "spike:3600000000001ns"),
            ("noise", "0V", "1000V", "-1mV", "1000.001V"),
        )
    },
}
# Messages that no argument in Python leads to, or whose limit depends on other values.
NOT_HERE = (
    "must be on the same clock",
    "a model must have",
    "must be bits of",
    "the step must be",
    "the payload must have",
    "from 0 to 2^62",
    "must have no bits outside",
    "must be that of a register",
    "must be a multiple of %u",
    "must have at least one",
    "must be at least 1",
    "bytes 24 to 31",
    "function must ",
    "range must be from 0.001",
    "must be of reads",
    "mask and value must be",
    "s in all",
    "must be %s; got",
    "a time from 0s to the latency",
    "a time from 0s, such as",
    # Of models, which have tests of their own.
    "must be RW, RO or WO",
    "must be on a register",
    "must have up to %d conditions",
    "or as after a reset",
    "from 0x%llX to 0x%llX",
    "delay must be 0, or from 1 us",
    "channel must be from 0 to 63",
    "depth must be from 1 to 65536",
)
INTEGERS_ELSEWHERE = {"fill", "mask", "part_bytes", "skip", "value"}


@pytest.fixture
def device(open_device: OpenDevice) -> hwsim.Device:
    return open_device(f"latency=0s&clock=virtual&rate={HZ}Hz&range=1000V")


def refusal(limit: Limit, device: hwsim.Device, value: Any) -> str:
    with pytest.raises(ValueError) as caught:
        limit.call(device, value)
    return str(caught.value)


@pytest.mark.parametrize("name", LIMITS)
def test_limit_holds_to_the_last_digit(name: str, device: hwsim.Device) -> None:
    limit = LIMITS[name]
    limit.call(device, limit.low)
    limit.call(device, limit.high)
    argument = name.split(".")[-1]
    low, high = (f"{x:g}" if float_of(x) else x for x in (limit.low, limit.high))
    if argument == "frequency":
        high = repr(limit.high)
    said = limit.said.format(low=low, high=high).replace("spike:", "")
    for value in (limit.below, limit.above, *limit.far):
        message = refusal(limit, device, value)
        assert re.search(rf"\b{argument}s?\b", message), message
        assert said in message, message
        assert any(text in message for text in shown(value)), message


def float_of(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 1)


def shown(value: Any) -> list[str]:
    if isinstance(value, float):
        return [repr(value)]
    return [str(value), f"0x{value:X}"] if isinstance(value, int) else [str(value)]


# ------------------------------------------------------------------------ is every message here?


def formats() -> list[str]:
    """The formats of messages in the C library that name limits."""
    found = []
    for path in sorted((ROOT / "hwsim/src").rglob("*.c")):
        source = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        for literals in re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', source):
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
            if re.search(r"must (be|have|hold)\b|\bfrom \S+ to \S+", text):
                found.append(text)
    return found


def test_every_message_with_limits_has_a_row(device: hwsim.Device) -> None:
    messages = [refusal(limit, device, limit.above) for limit in LIMITS.values()]
    missed = [
        text
        for text in formats()
        if not any(known in text for known in NOT_HERE)
        and not any(re.search(pattern(text), message) for message in messages)
    ]
    assert len(formats()) > 20
    assert not missed


def pattern(text: str) -> str:
    return re.sub(r"%[.0-9]*(ll|z)?[a-zA-Z]", ".*", re.escape(text).replace(r"\%", "%"))


def test_every_integer_that_python_checks_has_a_row() -> None:
    names = set()
    for path in sorted((ROOT / "python/hwsim").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "integer":
                name = node.args[0]
                if isinstance(name, ast.Constant):  # others are of what a model calls so
                    names.add(name.value)
    assert names - INTEGERS_ELSEWHERE <= {name.split(".")[-1] for name in LIMITS}
