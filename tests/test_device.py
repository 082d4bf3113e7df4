"""Devices: their life, what they say about themselves, and who keeps them alive."""

from __future__ import annotations

import gc
import logging
import math
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import hwsim
from calls import CALLS, OPERATION, SETTINGS, WORK_AFTER_CLOSE, public_names
from conftest import LIMIT, OpenDevice, in_thread, run_script
from hwsim.errors import DeviceClosed, DeviceInUse


def in_use(name: str) -> bool:
    return any(info.in_use for info in hwsim.list_devices() if info.name == name)


def test_every_public_name_is_in_the_tables_of_these_tests() -> None:
    """A new method must be added to calls.py, and so be tested closed, forked, uninitialised."""
    known = {call.rstrip("=") for call in CALLS if "." not in call and not call.startswith("__")}
    settings = set(SETTINGS) - {"uri"}
    assert public_names() == known | settings | {"close", "is_open", "model", "opener"}


# ------------------------------------------------------------------------------ open and close


def test_settings_of_the_resource_string_can_be_read(name: str) -> None:
    uri = (
        f"hwsim://{name}?latency=2ms&jitter=200us&bandwidth=12MB/s&channels=3&seed=7&clock=10x"
        "&timeout=500ms&rate=10kHz&range=2.5V&noise=3mV"
    )
    with hwsim.open(uri) as device:
        assert device.uri == uri
        assert device.name == name
        assert (device.latency, device.jitter, device.bandwidth) == (2e-3, 200e-6, 12e6)
        assert (device.channels, device.seed, device.clock) == (3, 7, "10x")
        assert (device.timeout, device.rate) == (0.5, 10e3)
        assert (device.signal(0).range, device.signal(0).noise) == (2.5, 3e-3)


def test_defaults_are_those_of_the_documentation(name: str) -> None:
    with hwsim.open(f"hwsim://{name}") as device:
        assert (device.latency, device.jitter, device.bandwidth) == (1e-3, 0, math.inf)
        assert (device.channels, device.seed, device.clock) == (4, 0, "real")
        assert (device.timeout, device.rate) == (1, 1e3)
        assert (device.signal(0).range, device.signal(0).noise) == (10, 1e-3)


def test_context_manager_closes(name: str) -> None:
    with hwsim.open(f"hwsim://{name}?latency=0s") as device:
        assert device.is_open
    assert not device.is_open


def test_context_manager_closes_after_an_exception_and_lets_it_pass(name: str) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        hwsim.open(f"hwsim://{name}?latency=0s") as device,
    ):
        raise ZeroDivisionError
    assert not device.is_open


def test_open_device_cannot_be_opened_again(open_device: OpenDevice) -> None:
    device = open_device()
    with pytest.raises(DeviceInUse, match=device.name) as caught:
        hwsim.open(device.uri)
    assert caught.value.device == device.name


def test_close_gives_the_name_back(open_device: OpenDevice) -> None:
    device = open_device()
    device.close()
    with hwsim.open(device.uri) as again:
        assert again.is_open
        assert not device.is_open


def test_closing_the_old_device_leaves_a_new_one_of_the_same_name_alone(
    open_device: OpenDevice,
) -> None:
    old = open_device()
    old.close()
    with hwsim.open(old.uri) as new:
        old.close()
        del old
        gc.collect()
        assert new[0x00] == 0x48575349


def test_close_twice_is_fine(open_device: OpenDevice) -> None:
    device = open_device()
    device.close()
    device.close()


@pytest.mark.parametrize("call", sorted(set(CALLS) - WORK_AFTER_CLOSE))
def test_use_after_close_raises_device_closed(call: str, open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=manual")
    device.close()
    with pytest.raises(DeviceClosed) as caught:
        CALLS[call](device)
    assert caught.value.device == device.name
    assert caught.value.operation == OPERATION[call].name


@pytest.mark.parametrize("call", sorted(WORK_AFTER_CLOSE))
def test_state_can_be_asked_after_close(call: str, open_device: OpenDevice) -> None:
    device = open_device()
    device.close()
    CALLS[call](device)


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_can_be_asked_after_close(setting: str, open_device: OpenDevice) -> None:
    device = open_device()
    before = str(getattr(device, setting))
    device.close()
    assert str(getattr(device, setting)) == before


def test_reopened_device_is_at_power_on_state(open_device: OpenDevice) -> None:
    device = open_device()
    device[0x40] = 5
    device.inject("crc", count=0)
    device.close()
    with hwsim.open(device.uri) as again:
        assert again[0x40] == 0


# -------------------------------------------------------------------------------- list_devices


def test_bench_is_always_listed() -> None:
    names = {info.name for info in hwsim.list_devices()}
    assert names >= {f"daq{i}" for i in range(8)}


def test_open_devices_are_listed_in_use(open_device: OpenDevice) -> None:
    device = open_device()
    assert in_use(device.name)
    device.close()
    assert device.name not in {info.name for info in hwsim.list_devices()}


def test_open_device_of_the_bench_is_listed_once() -> None:
    with hwsim.open("hwsim://daq3?latency=0s"):
        assert [info.in_use for info in hwsim.list_devices() if info.name == "daq3"] == [True]
    assert [info.in_use for info in hwsim.list_devices() if info.name == "daq3"] == [False]


def test_list_is_sorted_by_name_and_its_uris_open(open_device: OpenDevice) -> None:
    for _ in range(3):
        open_device()
    listed = hwsim.list_devices()
    assert [info.name for info in listed] == sorted(info.name for info in listed)
    free = next(info for info in listed if not info.in_use)
    with hwsim.open(free.uri) as device:
        assert device.name == free.name


# --------------------------------------------------------------------------------------- repr


def test_repr_tells_name_and_state(open_device: OpenDevice) -> None:
    device = open_device("latency=2ms&channels=3&clock=manual")
    assert repr(device) == (
        f"<hwsim.Device '{device.name}' open, latency 0.002 s, 3 channels, manual clock>"
    )
    device.close()
    assert f"'{device.name}' closed" in repr(device)


def test_repr_of_an_uninitialised_device_says_so() -> None:
    assert "not initialised" in repr(hwsim.Device.__new__(hwsim.Device))


def test_repr_of_a_device_whose_init_failed_says_so() -> None:
    device = hwsim.Device.__new__(hwsim.Device)
    with pytest.raises(hwsim.HwsimError):
        device.__init__("hwsim://?")  # type: ignore[misc]
    assert "not initialised" in repr(device)


def test_repr_of_registers_names_them(open_device: OpenDevice) -> None:
    device = open_device()
    assert "CONTROL" in repr(device.registers)
    assert repr(device.registers["CONTROL"]) == "<hwsim.Register CONTROL at 0x08, RW>"


# ----------------------------------------------------------------------- initialised, subclass


class Lazy(hwsim.Device):
    """Forgets super().__init__()."""

    def __init__(self) -> None:
        pass


def make_new() -> hwsim.Device:
    return hwsim.Device.__new__(hwsim.Device)


@pytest.mark.parametrize("call", [*sorted(CALLS), "close", "is_open"])
@pytest.mark.parametrize("make", [make_new, Lazy])
def test_uninitialised_device_raises(make: Callable[[], hwsim.Device], call: str) -> None:
    """A binding that does not look at the pointer of self crashes here."""
    calls: dict[str, Callable[..., object]] = {
        **CALLS,
        "close": lambda d: d.close(),
        "is_open": lambda d: d.is_open,
    }
    with pytest.raises(ValueError, match="not been initialised"):
        calls[call](make())


@pytest.mark.parametrize("setting", sorted(set(SETTINGS) - {"registers"} | {"opener"}))
def test_uninitialised_device_has_no_settings(setting: str) -> None:
    with pytest.raises((AttributeError, ValueError)):
        getattr(make_new(), setting)


def test_init_a_second_time_is_refused_and_opens_nothing(open_device: OpenDevice) -> None:
    """The second device would be open without anyone who could close it."""
    device = open_device()
    uri, other = device.uri, f"{device.name}-other"
    with pytest.raises((ValueError, RuntimeError)):
        device.__init__(f"hwsim://{other}")  # type: ignore[misc]
    assert not in_use(other)
    assert (device.uri, device.is_open) == (uri, True)


def test_init_after_a_failed_one_works(name: str) -> None:
    device = make_new()
    with pytest.raises(hwsim.errors.InvalidArgument):
        device.__init__("nonsense")  # type: ignore[misc]
    device.__init__(f"hwsim://{name}?latency=0s")  # type: ignore[misc]
    assert device[0x00] == 0x48575349
    device.close()


def test_subclass_overrides_and_extends(name: str) -> None:
    class Counting(hwsim.Device):
        reads = 0

        def read_register(self, address: int, **options: Any) -> int:
            self.reads += 1
            return super().read_register(address, **options)

    with Counting(f"hwsim://{name}?latency=0s") as device:
        assert device.registers["ID"].read() == 0x48575349
        assert device.reads == 1
        assert isinstance(device, hwsim.Device)


# ------------------------------------------------------------------------- who keeps it alive


def test_garbage_collection_closes(name: str) -> None:
    device = hwsim.open(f"hwsim://{name}?latency=0s")
    reference = weakref.ref(device)
    assert reference() is device
    del device
    gc.collect()
    assert reference() is None
    assert not in_use(name)


def test_reference_cycle_is_collected(name: str) -> None:
    """As of a subclass that stores a bound method in itself."""
    device: Any = hwsim.open(f"hwsim://{name}?latency=0s")
    device.callback = device.read_register
    del device
    gc.collect()
    assert not in_use(name)


def test_register_keeps_its_device_alive(name: str) -> None:
    register = hwsim.open(f"hwsim://{name}?latency=0s").registers["ID"]
    gc.collect()
    assert register.read() == 0x48575349


def test_thread_that_waits_keeps_the_device_alive(name: str) -> None:
    """Otherwise the operation's memory goes while the thread still waits in it."""
    token = hwsim.CancelToken()
    device = hwsim.open(f"hwsim://{name}?latency=0s")
    reference = weakref.ref(device)
    future = in_thread(partial(device.wait_register, 0x40, 1, 1, timeout=math.inf, cancel=token))
    device.wait_pending(1, timeout=LIMIT)
    del device
    gc.collect()
    assert reference() is not None
    assert in_use(name)
    token.cancel()
    with pytest.raises(hwsim.errors.OperationCancelled):
        future.result(LIMIT)


def test_devices_are_equal_only_to_themselves(open_device: OpenDevice) -> None:
    one, other = open_device(), open_device()
    assert [one, other].index(other) == 1
    assert len({one, other, one}) == 2
    assert {one: 1}.get(other) is None


def test_debug_log_tells_open_and_close(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="hwsim"), hwsim.open(f"hwsim://{name}"):
        pass
    assert [r.getMessage().split(" as")[0] for r in caplog.records] == [
        f"{name}: opened",
        f"{name}: closed",
    ]


def test_stub_names_what_the_native_module_has() -> None:
    """Of the .pyi beside the module: a wrapped function without a type is caught here."""
    stub = Path(hwsim.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    native: Any = hwsim._native
    names = {n for n, value in vars(native).items() if callable(value)}
    assert all(f"def {n}(" in stub or f"class {n}:" in stub for n in names)


def test_opening_using_failing_and_closing_does_not_grow_memory() -> None:
    """After a warm-up, 2,000 rounds; one lost device or signal table in each would be 20 MB."""
    run_script("""
        import resource, sys
        import numpy as np
        import hwsim

        table = np.linspace(-1, 1, 2000)

        def round(i):
            token = hwsim.CancelToken()
            device = hwsim.open("hwsim://leak?latency=0s&channels=8&fault=stuck:0x40/1=1")
            device.set_signal(0, table)
            device.read_voltage(0, cancel=token)
            device.write_block(0x40, [1, 2, 3])
            device.read_block(0x40, 3, timeout=1)
            for kind in "crc", "foreign", "disconnect":
                device.inject(kind)
                try:
                    device.read_register(0x40, cancel=token)
                except (hwsim.HwsimError, RuntimeError):
                    pass
            for bad in lambda: hwsim.open("hwsim://leak"), lambda: hwsim.open("hwsim://x?a=b"):
                try:
                    bad()
                except hwsim.HwsimError:
                    pass
            try:
                device.read_register("x", timeout="y")
            except TypeError:
                pass
            hwsim.list_devices()
            if i % 2:
                device.close()

        def peak():
            unit = 1 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

        for i in range(300):
            round(i)
        before = peak()
        for i in range(2000):
            round(i)
        grown = peak() - before
        assert grown < 4e6, f"{grown / 1e6} MB"
    """).check()
