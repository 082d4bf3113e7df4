"""Wrong arguments and resource strings: what is wrong is named, with what was given."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hwsim
from calls import BLOCKING, WITH_OPTIONS
from conftest import OpenDevice
from hwsim.errors import HwsimError, InvalidArgument

Method = Callable[[hwsim.Device, Any], object]


@pytest.fixture
def device(open_device: OpenDevice) -> hwsim.Device:
    return open_device("latency=0s&clock=manual")


def set_timeout(device: hwsim.Device, value: Any) -> None:
    device.timeout = value


# argument: the method with that argument, and what is wrong for it. Integers and numbers are also
# tried with the wrong types below.
INTEGERS: dict[str, tuple[str, Method, list[Any]]] = {
    "read_register.address": ("address", lambda d, x: d.read_register(x), [-1, 2**32, 2**64]),
    "read_register.address, with options": (
        "address",
        lambda d, x: d.read_register(x, timeout=1),
        [-1, 2**32],
    ),
    "__getitem__.address": ("address", lambda d, x: d[x], [-1, 2**32]),
    "write_register.address": ("address", lambda d, x: d.write_register(x, 0), [-1, 2**32]),
    "write_register.value": (
        "value",
        lambda d, x: d.write_register(0x40, x),
        [-1, 2**32, -(2**70)],
    ),
    "write_register.value, with options": (
        "value",
        lambda d, x: d.write_register(0x40, x, timeout=1),
        [-1, 2**32],
    ),
    "__setitem__.address": ("address", lambda d, x: d.__setitem__(x, 0), [-1, 2**32]),
    "__setitem__.value": ("value", lambda d, x: d.__setitem__(0x40, x), [-1, 2**32]),
    "Register.write.value": ("value", lambda d, x: d.registers["SCRATCH0"].write(x), [-1, 2**32]),
    "read_block.address": ("address", lambda d, x: d.read_block(x, 1), [-1, 2**32]),
    "read_block.count": ("count", lambda d, x: d.read_block(0x40, x), [0, -1, 21, 2**70]),
    "write_block.address": ("address", lambda d, x: d.write_block(x, [1]), [-1, 2**32]),
    "update_register.address": ("address", lambda d, x: d.update_register(x, 1, 1), [-1, 2**32]),
    "update_register.mask": ("mask", lambda d, x: d.update_register(0x40, x, 1), [-1, 2**32]),
    "update_register.value": ("value", lambda d, x: d.update_register(0x40, 1, x), [-1, 2**32]),
    "wait_register.address": ("address", lambda d, x: d.wait_register(x, 1, 1), [-1, 2**32]),
    "wait_register.mask": ("mask", lambda d, x: d.wait_register(0x40, x, 1), [-1, 2**32]),
    "wait_register.expected": ("expected", lambda d, x: d.wait_register(0x40, 1, x), [-1, 2**32]),
    "wait_pending.count": ("count", lambda d, x: d.wait_pending(x), [-1, 2**32]),
    "read_voltage.channel": ("channel", lambda d, x: d.read_voltage(x), [-1, 4, 2**32]),
    "signal.channel": ("channel", lambda d, x: d.signal(x), [-1, 4, 2**32]),
    "set_signal.channel": ("channel", lambda d, x: d.set_signal(x), [-1, 4, 2**32]),
    "set_signal.column": ("column", lambda d, x: d.set_signal(0, [[1.0]], column=x), [-1, 1]),
    "inject.at": ("at", lambda d, x: d.inject("crc", at=x), [0, -1, 2**64]),
    "inject.count": ("count", lambda d, x: d.inject("crc", count=x), [-1, 2**64]),
    "inject.mask": ("mask", lambda d, x: d.inject("stuck", mask=x), [-1, 2**32]),
    "inject.value": ("value", lambda d, x: d.inject("stuck", value=x), [-1, 2**32]),
    "inject.register": (
        "register|address",
        lambda d, x: d.inject("stuck", register=x),
        [-1, 2**32],
    ),
}
NUMBERS: dict[str, tuple[str, Method, list[Any]]] = {
    **{
        f"{name}.timeout": (
            "timeout",
            lambda d, x, call=BLOCKING[name]: call(d, timeout=x),  # type: ignore[misc]
            [-1, -1e-9, -math.inf, math.nan],
        )
        for name in WITH_OPTIONS
    },
    "timeout": ("timeout", set_timeout, [-1, math.nan]),
    "advance.seconds": ("seconds|step", lambda d, x: d.advance(x), [-1, math.nan, math.inf, 1e10]),
    "inject.probability": (
        "probability",
        lambda d, x: d.inject("crc", probability=x),
        [-0.1, 1.1, math.nan],
    ),
    "inject.extra": ("extra", lambda d, x: d.inject("spike", extra=x), [-1, 3601, math.nan]),
    "set_signal.rate": (
        "rate",
        lambda d, x: d.set_signal(0, [1.0], rate=x),
        [0, -1, 1e-7, 1.1e11, math.nan, math.inf],
    ),
    **{
        f"set_signal.{name}": (
            name,
            lambda d, x, name=name: d.set_signal(0, **{name: x}),  # type: ignore[misc]
            [math.nan, math.inf, 1e12],
        )
        for name in (
            "amplitude",
            "offset",
            "frequency",
            "phase",
            "noise",
            "gain_error",
            "offset_error",
            "inl",
            "range",
        )
    },
}
OTHERS: dict[str, tuple[str, Method, list[Any]]] = {
    **{
        f"{name}.cancel": (
            "cancel",
            lambda d, x, call=BLOCKING[name]: call(d, cancel=x),  # type: ignore[misc]
            [1, "x", True, object()],
        )
        for name in WITH_OPTIONS
    },
    "Device.uri": ("uri", lambda d, x: hwsim.open(x), [None, 1, b"hwsim://a", ["hwsim://a"]]),
    "write_block.values": (
        "values",
        lambda d, x: d.write_block(0x40, x),
        [b"12", "12", bytearray(2)],
    ),
    "program_firmware.image": ("image", lambda d, x: d.program_firmware(x), [[1, 2], None, "x"]),
    "check_image.image": ("image", lambda _, x: hwsim.firmware.check_image(x), [[1, 2], None]),
    "inject.kind": ("kind", lambda d, x: d.inject(x), [None, 1, b"crc"]),
    "policy.name": ("policy", lambda d, x: hwsim.gil.policy(x), [None, 1, b"hold"]),
}
WRONG_INTEGERS: list[Any] = ["1", b"1", 1.0, 1.5, [1], object(), 1j]
WRONG_NUMBERS: list[Any] = ["1", b"1", [1], object(), 1j]


def check(method: Method, device: hwsim.Device, argument: str, value: Any, *types: type) -> None:
    before = device.transactions
    with pytest.raises(types) as caught:
        method(device, value)
    message = str(caught.value)
    assert re.search(rf"\b({argument})\b", message), message
    assert "in method" not in message
    shown = [repr(value), str(value)]
    if isinstance(value, int):
        shown += [hex(value & 0xFFFFFFFF)[2:].upper()]
    if isinstance(value, int | float) and math.isfinite(value):
        shown += [f"{value:g}"]
        if argument == "seconds|step":
            shown += [str(round(value * 1e9))]
    assert any(text in message for text in shown), (message, shown)
    assert device.transactions == before


@pytest.mark.parametrize(
    ("argument", "method"),
    [
        ("rate", lambda d, x: d.stream(x)),
        ("amplitude", lambda d, x: d.set_signal(0, amplitude=x)),
        ("level", lambda d, x: d.set_threshold(0, x)),
    ],
)
def test_number_that_no_float_holds_is_refused_by_name(
    argument: str, method: Method, device: hwsim.Device
) -> None:
    with pytest.raises(ValueError, match=rf"^{argument} must be a number .*, got 1000"):
        method(device, 10**400)


@pytest.mark.parametrize(
    ("case", "value"),
    [
        (case, value)
        for table in (INTEGERS, NUMBERS)
        for case, (_, _, values) in table.items()
        for value in values
    ],
)
def test_value_out_of_range_is_refused_by_name(case: str, value: Any, device: hwsim.Device) -> None:
    argument, method, _ = {**INTEGERS, **NUMBERS}[case]
    check(method, device, argument, value, ValueError)


@pytest.mark.parametrize(
    ("case", "value"),
    [
        *((case, value) for case in INTEGERS for value in WRONG_INTEGERS),
        *((case, value) for case in NUMBERS for value in WRONG_NUMBERS),
        *((case, value) for case, (_, _, values) in OTHERS.items() for value in values),
    ],
)
def test_wrong_type_is_refused_by_name(case: str, value: Any, device: hwsim.Device) -> None:
    argument, method, _ = {**INTEGERS, **NUMBERS, **OTHERS}[case]
    if case == "inject.register" and isinstance(value, str):
        pytest.skip("a string is the name of a register")
    check(method, device, argument, value, TypeError, ValueError)


@pytest.mark.parametrize("case", sorted(set(INTEGERS) - {"inject.at"}))
def test_none_is_no_integer(case: str, device: hwsim.Device) -> None:
    argument, method, _ = INTEGERS[case]
    if case in ("inject.count", "inject.register", "set_signal.column"):
        method(device, None)  # the default
    else:
        check(method, device, argument, None, TypeError, ValueError)


def test_timeout_of_the_device_cannot_be_none(device: hwsim.Device) -> None:
    with pytest.raises(TypeError, match=r"timeout .*None"):
        set_timeout(device, None)


class Index:
    """An integer by its own account, and nothing else."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize(
    "make", [np.uint8, np.int16, np.int64, np.uint64, np.uint32, int, Index], ids=repr
)
def test_any_integer_is_accepted(make: Callable[[int], Any], device: hwsim.Device) -> None:
    one, address = make(1), make(0x40)
    device.write_register(address, one)
    assert device.read_register(address) == device[address] == 1
    device[address] = make(3)
    assert device.update_register(address, one, make(0)) == 3
    assert device.wait_register(address, make(0xF if make is np.uint8 else 0xFF), make(2)) == 2
    assert device.read_block(address, make(2)).tolist() == [2, 0]
    device.read_voltage(one)
    device.set_signal(one)
    assert device.signal(one).frequency == 20
    device.inject("crc", at=make(100), count=one)
    device.inject("stuck", register=address, mask=one, value=one)
    device.wait_pending(make(0))


def test_booleans_are_integers(device: hwsim.Device) -> None:
    device.write_register(0x40, True)
    device.write_register(0x44, False, timeout=True)
    assert device.read_block(0x40, 2).tolist() == [1, 0]
    device.read_voltage(True)


@pytest.mark.parametrize("make", [np.float32, np.float64, np.int32, int, float], ids=repr)
def test_any_number_of_seconds_is_accepted(
    make: Callable[[int], Any], device: hwsim.Device
) -> None:
    device.advance(make(2))
    device.timeout = make(3)
    assert (device.now, device.timeout) == (2, 3)
    device.read_register(0x40, timeout=make(1))
    device.set_signal(0, amplitude=make(1), frequency=make(5))


@pytest.mark.parametrize("seconds", [4e-10, 9e-7, -1e-10, -1, 3601, 9e9])
def test_timer_that_cannot_be_is_refused_with_its_limits(
    seconds: float, device: hwsim.Device
) -> None:
    """Also one that would be rounded to 0, which turns it off."""
    with pytest.raises(ValueError, match=r"timer must be 0 or from 1e-06 to 3600 s, got"):
        device.timer = seconds
    assert device.timer == 0


def test_timeouts_that_are_hardly_numbers(device: hwsim.Device) -> None:
    device.timeout = math.inf
    assert device.timeout == math.inf
    device.timeout = 1e300
    assert device.timeout == math.inf
    device.timeout = -0.0
    assert device.timeout == 0
    device.timeout = 1e-10  # what is not 0 does not become 0
    assert device.timeout == 1e-9


def test_error_of_the_arguments_own_code_comes_through(device: hwsim.Device) -> None:
    class Failing:
        def __index__(self) -> int:
            raise ZeroDivisionError("my own")

        def __float__(self) -> float:
            raise ZeroDivisionError("my own")

    failing: Any = Failing()
    with pytest.raises(ZeroDivisionError):
        device.read_register(failing)
    with pytest.raises(ZeroDivisionError):
        device.read_register(0x40, timeout=failing)


def test_repr_that_fails_does_no_harm(device: hwsim.Device) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise ZeroDivisionError("no comment")

    shy: Any = Shy()
    for call in (
        lambda: device.read_register(shy),
        lambda: device.read_register(0x40, timeout=shy),
        lambda: device.read_register(0x40, cancel=shy),
        lambda: device._read_block(0x40, shy),
        lambda: hwsim.open(shy),
    ):
        with pytest.raises((TypeError, ZeroDivisionError)):
            call()


@pytest.mark.parametrize("call", WITH_OPTIONS)
def test_uninitialised_token_is_refused(call: str, device: hwsim.Device) -> None:
    """Its pointer is null; a binding that follows it crashes."""
    token = hwsim.CancelToken.__new__(hwsim.CancelToken)
    with pytest.raises((TypeError, ValueError), match=r"cancel|CancelToken"):
        BLOCKING[call](device, cancel=token)


@pytest.mark.parametrize("call", WITH_OPTIONS)
def test_device_is_no_token(call: str, device: hwsim.Device) -> None:
    with pytest.raises(TypeError, match=r"cancel must be a .*CancelToken or None"):
        BLOCKING[call](device, cancel=device)


# ----------------------------------------------------------------------- number and names of them


@pytest.mark.parametrize("call", [c for c in WITH_OPTIONS if not c.startswith("Register")])
def test_unknown_keyword_is_refused_by_name(call: str, device: hwsim.Device) -> None:
    with pytest.raises(TypeError, match="timeuot"):
        BLOCKING[call](device, timeuot=1)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda d: d.read_register(), "address"),
        (lambda d: d.read_register(timeout=1), "address"),
        (lambda d: d.read_register(0x40, 1), "positional"),
        (lambda d: d.read_register(0x40, address=0x40), "address"),
        (lambda d: d.write_register(0x40), "value"),
        (lambda d: d.write_register(value=1), "address"),
        (lambda d: d.write_register(0x40, 1, 2), "positional"),
        (lambda d: d.advance(), "advance"),
        (lambda d: d.advance(1, 2), "advance"),
        (lambda d: d.cancel(1), "cancel"),
        (lambda d: d.clear_faults(1), "clear_faults"),
        (lambda d: type(d)(), "uri"),
    ],
)
def test_wrong_number_of_arguments_is_refused(
    call: Callable[[Any], object], word: str, device: hwsim.Device
) -> None:
    with pytest.raises(TypeError, match=word):
        call(device)


def test_required_arguments_may_be_named(device: hwsim.Device) -> None:
    device.write_register(value=5, address=0x40)
    device.write_register(0x44, value=6, timeout=None, cancel=None)
    assert device.read_register(address=0x40) == 5
    assert device.read_register(cancel=None, address=0x44) == 6


def test_item_cannot_be_deleted_or_sliced(device: hwsim.Device) -> None:
    any_device: Any = device
    with pytest.raises(TypeError):
        del any_device[0x40]
    with pytest.raises(TypeError, match="address"):
        any_device[0x40:0x50]
    with pytest.raises(TypeError):
        iter(any_device)
    with pytest.raises(TypeError):
        len(any_device)


def test_item_works_through_every_door(device: hwsim.Device) -> None:
    """The slot, its wrapper and that of a class between, with no method of the wrapper left."""
    native: Any = hwsim._native.Device
    native.__setitem__(device, 0x40, 1)
    type(device).__setitem__(device, 0x44, 2)
    assert (device[0x40], type(device).__getitem__(device, 0x44)) == (1, 2)
    with pytest.raises(TypeError, match=r"address must be an integer .* got 'CTRL'"):
        native.__setitem__(device, "CTRL", 1)
    with pytest.raises(TypeError, match=r"requires a '.*Device' object"):
        native.__setitem__(object(), 0x40, 1)
    names = {name for name in dir(native) if "item" in name}
    assert names == {"__getitem__", "__setitem__", "__delitem__"}


def test_hot_methods_tell_their_signature() -> None:
    import inspect

    assert str(inspect.signature(hwsim.Device.read_register)) == (
        "(self, /, address, *, timeout=None, cancel=None)"
    )
    assert str(inspect.signature(hwsim.Device.write_register)) == (
        "(self, /, address, value, *, timeout=None, cancel=None)"
    )


def test_name_that_is_no_string_is_not_among_the_registers(device: hwsim.Device) -> None:
    any_registers: Any = device.registers
    assert 5 not in any_registers
    assert any_registers.get(5) is None


# ------------------------------------------------------------------------------------- buffers


class Strange:
    """Not a buffer."""

    def __repr__(self) -> str:
        return "Strange()"


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.zeros(8, np.uint32)[::2], ValueError, "values .*contiguous.*strided"),
        (np.zeros((4, 4), np.uint32, order="F")[:, :2], ValueError, "values .*contiguous"),
        (np.zeros(4, np.float32), ValueError, "values must hold uint32_t, got format 'f'"),
        (np.zeros(4, np.int32), ValueError, "values .*'i'"),
        (np.zeros(4, np.uint64), ValueError, "values .*8 bytes"),
        (np.zeros(4, np.uint16), ValueError, "values .*2 bytes"),
        (np.zeros(4, ">u4"), ValueError, "values .*'>I'"),
        (np.zeros(4, "u4,u4"), ValueError, "values"),
        (bytearray(16), ValueError, "values .*'B'"),
        (np.zeros(0, np.uint32), InvalidArgument, "count must be at least 1, got 0"),
        (5, TypeError, r"values must be a buffer .*got 5 \(int\)"),
        ("text", TypeError, "values .*'text'"),
        ([1, 2], TypeError, r"values .*\[1, 2\]"),
        (Strange(), TypeError, "values .*Strange"),
        (np.zeros(100, np.uint32), IndexError, "0x68"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", ["_read_block", "_write_block"])
def test_wrong_buffer_is_refused(
    method: str, values: Any, error: type[Exception], message: str, device: hwsim.Device
) -> None:
    with pytest.raises(error, match=message) as caught:
        getattr(device, method)(0x40, values)
    assert "in method" not in str(caught.value)
    assert device.transactions == 0


def test_read_only_buffer_is_refused_for_reading_into_it(device: hwsim.Device) -> None:
    frozen = np.zeros(4, np.uint32)
    frozen.flags.writeable = False
    with pytest.raises((BufferError, ValueError), match=r"values .*writable"):
        device._read_block(0x40, frozen)
    device._write_block(0x40, frozen)
    native: Any = device
    with pytest.raises(BufferError, match=r"values .*writable"):
        native._read_block(0x40, bytes(16))


def test_no_buffer_is_refused(device: hwsim.Device) -> None:
    native: Any = device
    with pytest.raises(TypeError, match=r"values .*None"):
        native._read_block(0x40, None)
    with pytest.raises((TypeError, InvalidArgument)):
        native._write_block(0x40, None)


def test_any_good_buffer_is_accepted(device: hwsim.Device) -> None:
    from array import array

    native: Any = device
    native._write_block(0x40, array("I", [1, 2]))
    native._write_block(0x48, memoryview(bytearray(b"\3\0\0\0\4\0\0\0")).cast("I"))
    into = np.zeros((2, 2), np.uint32)
    native._read_block(0x40, into)
    assert into.tolist() == [[1, 2], [3, 4]]


def test_buffer_is_given_back_whatever_happens(device: hwsim.Device) -> None:
    """A bytearray that is still locked cannot be resized."""
    native: Any = device
    data = bytearray(16)
    view = memoryview(data).cast("I")
    native._read_block(0x40, view)
    for address in 0x41, "x":
        with pytest.raises((HwsimError, TypeError)):
            native._read_block(address, view)
    with pytest.raises(TypeError):
        native._read_block(0x40, view, "soon")
    view.release()
    with pytest.raises(ValueError, match="'B'"):
        native._read_block(0x40, data)
    data.append(1)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([-1], ValueError, "values must be from 0 to 4294967295, got -1"),
        ([2**32], ValueError, "values .*4294967296"),
        ([2**80], ValueError, f"values .*{2**80}"),
        ([-(2**80)], ValueError, "values"),
        ([1.5], TypeError, "values must be integers, got dtype float64"),
        (["a"], TypeError, "values .*<U1"),
        ([None], TypeError, "values .*object"),
        ([1j], TypeError, "values .*complex"),
        ([], ValueError, r"values .*shape \(0,\)"),
        (5, ValueError, r"values .*shape \(\)"),
        ([[1, 2]], ValueError, r"values .*shape \(1, 2\)"),
        (None, (TypeError, ValueError), "values"),
        ("abc", (TypeError, ValueError), "values"),
        ([[1], [1, 2]], ValueError, "."),
    ],
    ids=repr,
)
def test_wrong_values_of_a_block_are_refused(
    values: Any, error: type[Exception], message: str, device: hwsim.Device
) -> None:
    with pytest.raises(error, match=message):
        device.write_block(0x40, values)
    assert device.transactions == 0


# ---------------------------------------------------------------------------- resource strings


@pytest.mark.parametrize(
    ("setting", "attribute", "expected"),
    [
        ("latency=0s", "latency", 0),
        ("latency=1ns", "latency", 1e-9),
        ("latency=0.0001ns", "latency", 1e-9),
        ("timeout=4e-10s", "timeout", 1e-9),
        ("latency=1.5us", "latency", 1.5e-6),
        ("latency=.5ms", "latency", 5e-4),
        ("latency=3600s", "latency", 3600),
        ("latency=1e-3s", "latency", 1e-3),
        ("jitter=0ns", "jitter", 0),
        ("jitter=1ms", "jitter", 1e-3),
        ("bandwidth=1B/s", "bandwidth", 1),
        ("bandwidth=9.6kB/s", "bandwidth", 9600),
        ("bandwidth=12MB/s", "bandwidth", 12e6),
        ("bandwidth=1GB/s", "bandwidth", 1e9),
        ("bandwidth=inf", "bandwidth", math.inf),
        ("channels=1", "channels", 1),
        ("channels=64", "channels", 64),
        ("channels=0x10", "channels", 16),
        ("seed=0", "seed", 0),
        ("seed=18446744073709551615", "seed", 2**64 - 1),
        ("seed=0xFFFFFFFFFFFFFFFF", "seed", 2**64 - 1),
        ("clock=real", "clock", "real"),
        ("clock=virtual", "clock", "virtual"),
        ("clock=manual", "clock", "manual"),
        ("clock=1x", "clock", "1x"),
        ("clock=0.001x", "clock", "0.001x"),
        ("clock=1000000x", "clock", "1e+06x"),
        ("timeout=0s", "timeout", 0),
        ("timeout=250ms", "timeout", 0.25),
        ("timeout=inf", "timeout", math.inf),
        ("rate=1mHz", "rate", 1e-3),
        ("rate=44.1kHz", "rate", 44100),
        ("rate=2MHz", "rate", 2e6),
        ("rate=1GHz", "rate", 1e9),
        ("", "latency", 1e-3),
    ],
)
def test_setting_is_understood(setting: str, attribute: str, expected: object, name: str) -> None:
    with hwsim.open(f"hwsim://{name}?{setting}") as device:
        assert getattr(device, attribute) == expected


@pytest.mark.parametrize(
    ("setting", "attribute", "expected"),
    [
        ("range=1mV", "range", 1e-3),
        ("range=2.5V", "range", 2.5),
        ("range=1000V", "range", 1000),
        ("noise=0V", "noise", 0),
        ("noise=20uV", "noise", 20e-6),
    ],
)
def test_setting_of_the_converters_is_understood(
    setting: str, attribute: str, expected: float, name: str
) -> None:
    with hwsim.open(f"hwsim://{name}?{setting}") as device:
        assert getattr(device.signal(3), attribute) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("latency", v) for v in ["", "2", "ms", "2 m s", "-1ms", "3601s", "2MS", "nan", "inf"]),
        *(("latency", v) for v in ["2ms2", "0x2ms", "1e400s", "2,5ms", "+2ms", "1.2.3s", ".s"]),
        *(("jitter", v) for v in ["", "1", "2ms", "-1us", "x"]),
        *(("bandwidth", v) for v in ["", "0B/s", "1", "12MB", "12Mb/s", "0.5B/s", "1e16B/s"]),
        *(("channels", v) for v in ["", "0", "65", "-1", "1.5", "two", "4294967297", "0x"]),
        *(("seed", v) for v in ["", "-1", "1.5", "18446744073709551616", "0xG", "1 ", "+1"]),
        *(("clock", v) for v in ["", "fast", "10", "0x", "0.0001x", "1000001x", "-1x", "Real"]),
        *(("timeout", v) for v in ["", "1", "-1s", "Inf", "never"]),
        *(("timer", v) for v in ["", "1", "-1s", "0.4ns", "999ns", "3601s"]),
        *(("rate", v) for v in ["", "0Hz", "2GHz", "1", "1khz", "0.1mHz"]),
        *(("range", v) for v in ["", "0V", "1001V", "10", "-1V", "1uV"]),
        *(("noise", v) for v in ["", "-1V", "1001V", "1"]),
        *(("fault", v) for v in ["", "crc@0", "crc@x", "crc*0", "crc~2", "crc~-1", "crc:1"]),
        *(("fault", v) for v in ["spike:1", "spike:3601s", "stuck:0x40", "stuck:0x40/1"]),
        *(("fault", v) for v in ["stuck:0x40/0x1=0x2", "stuck:0x20/1=1", "stuck:0x41/1=1"]),
    ],
)
def test_bad_value_is_refused_by_key_and_value(key: str, value: str, name: str) -> None:
    with pytest.raises(HwsimError) as caught:
        hwsim.open(f"hwsim://{name}?{key}={value}")
    error = caught.value
    assert (error.device, error.operation) == (name, "open")
    if value.startswith("stuck:0x2"):
        assert "COMMAND" in error.message
    elif value.startswith("stuck:0x41"):
        assert "0x41" in error.message
    elif value == "":
        assert isinstance(error, InvalidArgument)
    else:
        assert isinstance(error, InvalidArgument)
        assert key in error.message or key == "fault"
        assert value in error.message or "=0x2" in value or value == "2ms"
    with hwsim.open(f"hwsim://{name}"):
        pass


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("latensy=2ms", "latency"),
        ("Latency=2ms", "latency"),
        ("jiter=1us", "jitter"),
        ("chanels=2", "channels"),
        ("bandwith=1B/s", "bandwidth"),
        ("cloc=real", "clock"),
        ("sead=1", "seed"),
        ("faults=crc", "fault"),
    ],
)
def test_unknown_key_suggests_the_nearest(wrong: str, right: str, name: str) -> None:
    key, value = wrong.split("=")
    with pytest.raises(InvalidArgument) as caught:
        hwsim.open(f"hwsim://{name}?{wrong}")
    assert f"'{key}'" in caught.value.message and f"'{value}'" in caught.value.message
    assert caught.value.message.endswith(f"nearest is {right}")


@pytest.mark.parametrize("wrong", ["x", "spam", "foo", "size", "gate_x", "delay", "type"])
def test_unknown_key_that_is_near_none_names_none(wrong: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"unknown key '{wrong}'") as caught:
        hwsim.open(f"hwsim://{name}?{wrong}=1")
    assert "nearest" not in caught.value.message


@pytest.mark.parametrize("short", ["chan", "lat", "Band"])
def test_beginning_of_a_key_is_near_it(short: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"nearest is {short.lower()}[a-z]+$"):
        hwsim.open(f"hwsim://{name}?{short}=1")


@pytest.mark.parametrize("text", ["rate=1kHz", "rate=1 kHz", "rate=1000  Hz"])
def test_space_may_be_between_a_number_and_its_unit(text: str, name: str) -> None:
    with hwsim.open(f"hwsim://{name}?{text}&latency=500 µs&noise=10µV") as device:
        assert (device.rate, device.latency) == (1000, 0.0005)
        assert device.signal(0).noise == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("latency", "key=value.*'latency'"),
        ("=", "unknown key ''"),
        ("latency=1ms&latency=1ms", "latency is given twice"),
        ("latency=1ms&jitter=2ms", "jitter must not exceed latency.*0.002.*0.001"),
        ("xyzzyxyzzy=1", "unknown key 'xyzzyxyzzy'"),
        ("fault=tineout", "'tineout'.*nearest is timeout"),
        ("latency=1ms;jitter=0s", "1ms;jitter=0s"),
        ("latency=1ms?jitter=0s", "jitter"),
        ("latency=1ms#x", "1ms#x"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: str, message: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        hwsim.open(f"hwsim://{name}?{settings}")


@pytest.mark.parametrize(
    "uri",
    [
        "", "daq0", "hwsim:", "hwsim:/daq0", "HWSIM://daq0", "http://daq0", " hwsim://daq0",
        "hwsim://", "hwsim://?latency=1ms", "hwsim://a b", "hwsim://a/b", "hwsim://é",
        "hwsim://" + "x" * 64, "hwsim://daq0 ", "hwsim://" + "é" * 500,
    ],
)  # fmt: skip
def test_bad_name_or_scheme_is_refused(uri: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        hwsim.open(uri)
    assert "hwsim://" in caught.value.message or "1 to 63" in caught.value.message
    assert uri[8:30].split("?", 1)[0] in caught.value.message


def test_longest_name_and_all_its_characters_are_accepted() -> None:
    for device_name in "x" * 63, "A-Z_a.z09", "..", "-":
        with hwsim.open(f"hwsim://{device_name}?latency=0s") as device:
            assert device.name == device_name


def test_messages_about_long_or_strange_text_are_cut_not_broken(name: str) -> None:
    for text in "é" * 300, "\N{SNOWMAN}" * 300, "%s%n%d" * 100, "x" * 100_000:
        for setting in f"{text}=1", f"latency={text}", f"fault={text}", text:
            with pytest.raises(InvalidArgument) as caught:
                hwsim.open(f"hwsim://{name}?{setting}")
            assert 10 < len(caught.value.message) < 400


@pytest.mark.parametrize("text", ["hwsim://a\0b", "hwsim://a?latency=1ms\0"])
def test_null_character_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"uri .*null character"):
        hwsim.open(text)


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"uri must be text that has a UTF-8 form, got .hwsim:"):
        hwsim.open("hwsim://\ud800")


def test_empty_query_and_empty_settings_are_allowed(name: str) -> None:
    for query in "?", "?&", "?latency=1ms&", "?&&latency=1ms":
        with hwsim.open(f"hwsim://{name}{query}") as device:
            assert device.latency == 1e-3


def test_as_many_faults_as_one_likes(name: str) -> None:
    faults = "".join(f"&fault=crc@{i}" for i in range(1, 200, 2))
    with hwsim.open(f"hwsim://{name}?latency=0s{faults}") as device:
        for i in range(1, 210):
            if i % 2 and i < 200:
                with pytest.raises(hwsim.errors.CRCError):
                    device.read_register(0x40)
            else:
                device.read_register(0x40)
