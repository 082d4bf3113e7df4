"""Registers: the map, what each kind does, and the operations on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from hwsim.errors import AccessError, AddressError, DeviceTimeout, InvalidArgument, NotFound

VIRTUAL = "latency=1ms&clock=virtual&timeout=inf"


@pytest.fixture
def device(open_device: OpenDevice) -> hwsim.Device:
    return open_device()


# ------------------------------------------------------------------------------------ the map


def test_map_is_a_mapping_in_the_order_of_addresses(device: hwsim.Device) -> None:
    registers = device.registers
    assert len(registers) == len(list(registers)) == 20
    addresses = [register.address for register in registers.values()]
    assert addresses == sorted(set(addresses))
    assert all(name == register.name for name, register in registers.items())


def test_map_says_what_a_register_is(device: hwsim.Device) -> None:
    control = device.registers["CONTROL"]
    assert (control.name, control.address, control.access) == ("CONTROL", 0x08, "RW")
    assert (control.reset_value, control.writable) == (1, 1)
    assert "converters" in control.description


def test_map_is_that_of_the_c_header(device: hwsim.Device) -> None:
    header = Path(__file__).parents[1] / "hwsim" / "include" / "hwsim" / "hwsim.h"
    text = header.read_text(encoding="utf-8")
    for name, address, _, access, reset, writable, description, *_ in device.map.registers.values():
        line = next(line for line in text.splitlines() if f"X({name}, " in line)
        _, at, kind, value, mask, said = line.strip().rstrip("\\").strip()[:-1].split(", ", 5)
        assert (int(at, 0), kind, int(value, 0)) == (address, access, reset)
        assert (int(mask, 0), said.strip('"')) == (writable, description)


@pytest.mark.parametrize(("wrong", "right"), [("CONTROLL", "CONTROL"), ("scratch0", "SCRATCH0")])
def test_unknown_name_suggests_the_nearest(wrong: str, right: str, device: hwsim.Device) -> None:
    with pytest.raises(NotFound, match=f"'{wrong}'.*nearest is {right}"):
        device.registers[wrong]


def test_unknown_name_is_a_key_error_and_so_get_and_in_work(device: hwsim.Device) -> None:
    with pytest.raises(KeyError):
        device.registers["nothing of the kind"]
    assert device.registers.get("NOPE") is None
    assert "ID" in device.registers and "NOPE" not in device.registers


@pytest.mark.parametrize("name", ["ID", "VERSION", "CONTROL", "EVENT_MASK", "SCRATCH7"])
def test_reset_values_are_those_of_the_map(name: str, device: hwsim.Device) -> None:
    register = device.registers[name]
    assert register.read() == register.reset_value


# ------------------------------------------------------------------------------ kinds of access


def test_read_write_register_keeps_its_value(device: hwsim.Device) -> None:
    for value in 0, 1, 0xFFFFFFFF, 0x12345678:
        device.write_register(0x40, value)
        assert device.read_register(0x40) == value


def test_indexing_is_reading_and_writing(device: hwsim.Device) -> None:
    device[0x44] = 7
    assert device[0x44] == device.read_register(0x44) == device.registers["SCRATCH1"].read() == 7


def test_write_leaves_bits_that_are_not_writable(device: hwsim.Device) -> None:
    device.registers["EVENT_MASK"].write(0xFFFFFFFF)
    assert device.registers["EVENT_MASK"].read() == 0x3F


@pytest.mark.parametrize("name", ["ID", "VERSION", "STATUS", "UPTIME", "CHANNELS", "FAULT_COUNT"])
def test_read_only_register_refuses_writes(name: str, device: hwsim.Device) -> None:
    with pytest.raises(AccessError, match=f"{name} .*read-only"):
        device.registers[name].write(1)
    assert device.transactions == 0


def test_write_only_register_refuses_reads(device: hwsim.Device) -> None:
    with pytest.raises(AccessError, match=r"COMMAND .*write-only"):
        device.registers["COMMAND"].read()
    with pytest.raises(AccessError, match="COMMAND"):
        device.wait_register(0x20, 1, 1)


def test_write_one_clears_only_those_bits(device: hwsim.Device) -> None:
    device.inject("disconnect")
    device.inject("reconnect")
    device.inject("crc")
    with pytest.raises(hwsim.errors.CRCError):
        device[0x40] = 0
    events = device.registers["EVENT_STATUS"]
    assert events.read() == 0b111
    events.write(0b001)
    assert events.read() == 0b110
    events.write(0b100)
    assert events.read() == 0b010


def test_reading_clears_the_fault_count(device: hwsim.Device) -> None:
    device.inject("crc", count=3)
    for _ in range(3):
        with pytest.raises(hwsim.errors.CRCError):
            device.read_register(0x40)
    assert device.registers["FAULT_COUNT"].read() == 3
    assert device.registers["FAULT_COUNT"].read() == 0


def test_status_follows_control_and_events(device: hwsim.Device) -> None:
    status = device.registers["STATUS"]
    assert status.read() == 1
    device.registers["CONTROL"].write(0)
    assert status.read() == 0
    device.inject("busy")
    with pytest.raises(hwsim.errors.DeviceBusy):
        status.read()
    assert status.read() == 0
    device.registers["EVENT_MASK"].write(1)
    assert status.read() == 2


def test_uptime_is_milliseconds_since_open_or_reset(open_device: OpenDevice) -> None:
    device = open_device("latency=1500ms&clock=virtual&timeout=inf")
    assert device.registers["UPTIME"].read() == 1500
    device.reset()
    assert device.registers["UPTIME"].read() == 1500


def test_channels_register_is_the_setting(open_device: OpenDevice) -> None:
    assert open_device("latency=0s&channels=9").registers["CHANNELS"].read() == 9


@pytest.mark.parametrize("how", ["reset", "command"])
def test_reset_restores_every_register(how: str, device: hwsim.Device) -> None:
    device.write_block(0x40, range(1, 9))
    device.registers["CONTROL"].write(0)
    device.registers["EVENT_MASK"].write(7)
    if how == "reset":
        device.reset()
    else:
        device.registers["COMMAND"].write(1)
    assert device.read_block(0x40, 8).tolist() == [0] * 8
    assert (device[0x08], device[0x18]) == (1, 0)


def test_command_zero_does_nothing(device: hwsim.Device) -> None:
    device[0x40] = 5
    device.registers["COMMAND"].write(0)
    assert device[0x40] == 5


@pytest.mark.parametrize("address", [0x28, 0x3C, 0x68, 0x1000, 0xFFFFFFFC])
def test_address_without_register_is_refused(address: int, device: hwsim.Device) -> None:
    for call in (
        lambda: device[address],
        lambda: device.write_register(address, 1),
        lambda: device.read_block(address, 2),
        lambda: device.write_block(address, [1, 2]),
        lambda: device.update_register(address, 1, 1),
        lambda: device.wait_register(address, 1, 1),
    ):
        with pytest.raises(AddressError, match=f"0x{address:02X}"):
            call()
    assert device.transactions == 0


@pytest.mark.parametrize("address", [0x41, 0x42, 0x43])
def test_address_must_be_aligned(address: int, device: hwsim.Device) -> None:
    with pytest.raises(AddressError, match=f"multiple of 4, got 0x{address:02X}"):
        device.read_register(address)


# -------------------------------------------------------------------------------------- blocks


def test_block_is_read_as_written(device: hwsim.Device) -> None:
    values = [0, 1, 0xFFFFFFFF, 0x80000000]
    device.write_block(0x44, values)
    block = device.read_block(0x40, 6)
    assert block.dtype == np.uint32 and block.shape == (6,)
    assert block.tolist() == [0, *values, 0]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6, dtype=np.uint8),
        np.arange(6, dtype=np.int64),
        np.arange(12, dtype=np.uint32)[::2] // 2,
        np.arange(6, dtype=">u4"),
        range(6),
        (0, 1, 2, 3, 4, 5),
        [np.int16(i) for i in range(6)],
    ],
)
def test_block_can_be_any_integers(values: object, device: hwsim.Device) -> None:
    device.write_block(0x40, values)  # type: ignore[arg-type]
    assert device.read_block(0x40, 6).tolist() == [0, 1, 2, 3, 4, 5]


def test_whole_map_cannot_be_read_in_one_block(device: hwsim.Device) -> None:
    with pytest.raises(AddressError, match="0x28"):
        device.read_block(0x24, 2)
    with pytest.raises(AccessError, match="COMMAND"):
        device.read_block(0x00, 9)
    assert device.read_block(0x00, 8)[0] == 0x48575349


def test_block_that_ends_outside_writes_nothing(device: hwsim.Device) -> None:
    with pytest.raises(AddressError, match="0x68"):
        device.write_block(0x58, [1, 2, 3, 4, 5])
    with pytest.raises(AccessError, match="STATUS"):
        device.write_block(0x08, [0, 0])
    assert device.read_block(0x58, 2).tolist() == [0, 0]
    assert device[0x08] == 1


def test_block_near_the_end_of_the_address_space_does_not_wrap(device: hwsim.Device) -> None:
    with pytest.raises(AddressError):
        device.read_block(0xFFFFFFFC, 2)


def test_block_is_atomic(open_device: OpenDevice) -> None:
    """Without the device's lock a reader would see half of one writer and half of another."""
    device = open_device("latency=0s")

    def work(i: int) -> None:
        for _ in range(200):
            device.write_block(0x40, [i] * 8)
            assert len(set(device.read_block(0x40, 8).tolist())) == 1

    parallelize(work, 6)


# ------------------------------------------------------------------------------ update and wait


def test_update_changes_only_the_mask_and_gives_the_old_value(device: hwsim.Device) -> None:
    device[0x40] = 0xF0F0
    assert device.update_register(0x40, 0x00FF, 0x1234) == 0xF0F0
    assert device[0x40] == 0xF034


def test_update_needs_a_register_that_can_be_read_and_written(device: hwsim.Device) -> None:
    for name in "ID", "FAULT_COUNT", "EVENT_STATUS", "COMMAND":
        with pytest.raises(AccessError, match=name):
            device.update_register(device.registers[name].address, 1, 1)


def test_update_is_atomic(device: hwsim.Device) -> None:
    """Each thread owns a bit; read and write in two steps would lose some."""

    def work(i: int) -> None:
        for value in [1 << i, 0] * 200 + [1 << i]:
            device.update_register(0x40, 1 << i, value)

    parallelize(work, 8)
    assert device[0x40] == 0xFF


def test_wait_gives_the_value_that_matched(device: hwsim.Device) -> None:
    device[0x40] = 0xABCD
    assert device.wait_register(0x40, 0xFF00, 0xAB00) == 0xABCD


@pytest.mark.parametrize("how", ["write_register", "write_block", "update_register", "reset"])
def test_wait_sees_every_way_a_register_changes(how: str, open_device: OpenDevice) -> None:
    device = open_device()
    device[0x44] = 0xF
    future = in_thread(lambda: device.wait_register(0x44, 1, 0, timeout=math.inf))
    device.wait_pending(1, timeout=math.inf)
    changes: dict[str, Callable[[], object]] = {
        "write_register": lambda: device.write_register(0x44, 0xE),
        "write_block": lambda: device.write_block(0x40, [0, 0xE]),
        "update_register": lambda: device.update_register(0x44, 1, 0),
        "reset": device.reset,
    }
    changes[how]()
    assert future.result(LIMIT) in (0xE, 0)


def test_wait_for_stuck_bits_ends_when_the_faults_are_cleared(open_device: OpenDevice) -> None:
    """A lost wake-up: the register matches, but nobody tells the one that waits for it."""
    device = open_device("latency=0s&fault=stuck:0x40/0xff=0x00")
    device[0x40] = 5
    future = in_thread(lambda: device.wait_register(0x40, 0xFF, 5, timeout=math.inf))
    device.wait_pending(1, timeout=math.inf)
    device.clear_faults()
    assert future.result(5) == 5


def test_wait_sees_an_event(open_device: OpenDevice) -> None:
    device = open_device()
    future = in_thread(lambda: device.wait_register(0x1C, 1, 1, timeout=math.inf))
    device.wait_pending(1, timeout=math.inf)
    device.inject("crc")
    with pytest.raises(hwsim.errors.CRCError):
        device.read_register(0x40)
    assert future.result(LIMIT) == 1


def test_wait_wakes_every_thread_that_matches(open_device: OpenDevice) -> None:
    device = open_device()
    futures = [
        in_thread(lambda i=i: device.wait_register(0x40, 1 << i, 1 << i, timeout=math.inf))  # type: ignore[misc]
        for i in range(16)
    ]
    device.wait_pending(16, timeout=math.inf)
    device[0x40] = 0x00FF
    assert [future.result(LIMIT) for future in futures[:8]] == [0x00FF] * 8
    assert device.pending == 8
    device[0x40] = 0xFF00
    assert [future.result(LIMIT) for future in futures[8:]] == [0xFF00] * 8


def test_wait_reads_a_register_that_reading_clears_only_when_it_matches(
    open_device: OpenDevice,
) -> None:
    device = open_device()
    future = in_thread(lambda: device.wait_register(0x14, 0xFF, 3, timeout=math.inf))
    device.wait_pending(1, timeout=math.inf)
    device.inject("crc", count=3)
    for _ in range(3):
        with pytest.raises(hwsim.errors.CRCError):
            device.read_register(0x40)
    assert future.result(LIMIT) == 3
    assert device[0x14] == 0


@pytest.mark.parametrize(
    ("mask", "expected", "at"),
    [(0xFFFFFFFF, 250, 250), (0x80, 0x80, 128), (0xFF, 7, 7), (0x3, 0, 4), (0, 0, 2)],
)
def test_wait_for_uptime_ends_by_itself(
    mask: int, expected: int, at: int, open_device: OpenDevice
) -> None:
    """No one else acts: the device must know when the time will match."""
    device = open_device("latency=1ms&clock=virtual&timeout=inf")
    device.read_register(0x40)
    assert device.wait_register(0x10, mask, expected) == at
    assert device.now == at / 1000


def test_wait_for_an_uptime_that_has_passed_goes_round_the_register(
    open_device: OpenDevice,
) -> None:
    device = open_device("latency=10ms&clock=virtual&timeout=inf")
    assert device.wait_register(0x10, 0xFFFFFFFF, 5) == 5
    assert device.now == (2**32 + 5) / 1000


def test_wait_times_out(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    with pytest.raises(DeviceTimeout):
        device.wait_register(0x40, 1, 1, timeout=5)
    assert device.now == 5


def test_expected_bits_outside_the_mask_are_refused(device: hwsim.Device) -> None:
    with pytest.raises(InvalidArgument, match=r"expected .*0x00000010.*0x00000011"):
        device.wait_register(0x40, 0x10, 0x11)
