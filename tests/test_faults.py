"""Faults: what each kind does, when it hits, and that it ends."""

from __future__ import annotations

import math
from functools import partial
from typing import get_args

import pytest

import hwsim
from calls import BLOCKING, ON_BUS
from conftest import LIMIT, OpenDevice, in_thread
from hwsim import errors
from hwsim.device import FaultKind
from hwsim.errors import CRCError, DeviceDisconnected, DeviceTimeout, InvalidArgument

VIRTUAL = "latency=1ms&clock=virtual"
# What an operation that is hit fails with.
FAILURES: dict[FaultKind, type[Exception]] = {
    "timeout": errors.DeviceTimeout,
    "bus": errors.BusError,
    "crc": errors.CRCError,
    "busy": errors.DeviceBusy,
    "disconnect": errors.DeviceDisconnected,
    "overrun": errors.Overrun,
    "firmware": errors.FirmwareError,
    "memory": errors.OutOfMemory,
    "internal": errors.InternalError,
    "foreign": RuntimeError,
    "power": errors.DeviceDisconnected,
}
LASTING = {"disconnect", "power"}
HARMLESS = {"reconnect", "stuck", "spike", "corrupt", "lost"}
ONCE = [kind for kind in FAILURES if kind not in LASTING]


def hits(device: hwsim.Device, count: int) -> list[int]:
    """The numbers, from 1, of the operations among the next ``count`` that fail."""
    failed = []
    for i in range(count):
        try:
            device.read_register(0x40)
        except errors.HwsimError:
            failed.append(i + 1)
    return failed


def test_every_kind_has_its_test() -> None:
    assert set(FAILURES) | HARMLESS == set(get_args(FaultKind))


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("call", ON_BUS)
def test_fault_hits_whatever_is_on_the_bus(
    call: str, kind: FaultKind, open_device: OpenDevice
) -> None:
    device = open_device(VIRTUAL)
    device.inject(kind)
    with pytest.raises(FAILURES[kind]):
        BLOCKING[call](device)


@pytest.mark.parametrize("kind", ONCE)
def test_fault_hits_the_next_operation_once(kind: FaultKind, open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device[0x40] = 1
    device.inject(kind)
    with pytest.raises(FAILURES[kind]):
        device[0x40] = 2
    assert device[0x40] == 1  # and the one that failed has had no effect


@pytest.mark.parametrize("kind", [k for k in FAILURES if k != "foreign"])
def test_fault_in_a_resource_string_is_the_same(kind: FaultKind, open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault={kind}@2")
    assert device[0x40] == 0
    with pytest.raises(FAILURES[kind]) as caught:
        device.read_register(0x40)
    assert isinstance(caught.value, errors.HwsimError)
    assert caught.value.operation == "read_register"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("crc", [1]),
        ("crc@4", [4]),
        ("crc@4*3", [4, 5, 6]),
        ("crc*2", [1, 2]),
        ("crc@2~1", list(range(2, 11))),
        ("crc@2*3~1", [2, 3, 4]),
        ("crc~0", []),
        ("crc@3&fault=busy@5", [3, 5]),
    ],
)
def test_count_and_start_say_which_operations_are_hit(
    fault: str, expected: list[int], open_device: OpenDevice
) -> None:
    assert hits(open_device(f"{VIRTUAL}&fault={fault}"), 10) == expected


def test_inject_takes_the_same_settings(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.inject("crc", at=4, count=2)
    assert hits(device, 10) == [4, 5]
    device.inject("busy", count=2)  # counted from here
    assert hits(device, 5) == [1, 2]
    device.inject("bus", count=0)
    assert hits(device, 5) == [1, 2, 3, 4, 5]


def test_at_is_counted_by_transactions(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    hits(device, 7)
    device.inject("crc", at=device.transactions + 2)
    assert hits(device, 4) == [2]


def test_fault_in_the_past_hits_nobody(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    hits(device, 5)
    device.inject("crc", at=2)
    assert hits(device, 5) == []


def test_probability_is_met_and_drawn_from_the_seed(open_device: OpenDevice) -> None:
    settings = f"{VIRTUAL}&fault=crc~0.25&seed="
    first, again, other = (hits(open_device(settings + s), 2000) for s in ("1", "1", "2"))
    assert first == again
    assert first != other
    assert 420 < len(first) < 580  # 500 +- 4 sigma


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("fault=bus~0.3&seed=0", [2, 9, 11, 14, 17, 21, 24, 31, 36, 38, 39]),
        ("fault=bus~0.3&seed=1", [1, 6, 11, 12, 14, 15, 18, 20, 24, 25, 32, 33, 36]),
        (f"fault=bus~0.3&seed={2**64 - 1}", [9, 11, 14, 15, 20, 22, 26, 31, 36, 38, 39]),
        (
            "fault=bus~0.2&fault=crc~0.2&seed=7",
            [1, 3, 5, 6, 7, 14, 18, 19, 21, 28, 30, 31, 33, 38],
        ),
    ],
)
def test_hits_are_the_same_in_every_version(
    settings: str, expected: list[int], open_device: OpenDevice
) -> None:
    """Same seed, same faults: recorded once, and not to be recorded again."""
    assert hits(open_device(f"{VIRTUAL}&{settings}"), 40) == expected


def test_two_faults_of_one_probability_hit_independently(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&seed=3&fault=spike~0.5:1s&fault=spike~0.5:10s&timeout=inf")
    costs = set()
    for _ in range(50):
        before = device.now
        device.read_register(0x40)
        costs.add(round(device.now - before))
    assert costs == {0, 1, 10, 11}


def test_first_injected_wins(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.inject("busy")
    device.inject("crc")
    with pytest.raises(errors.DeviceBusy):
        device.read_register(0x40)
    assert hits(device, 3) == []


def test_clear_faults_disarms_all(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=crc~1&fault=stuck:0x40/0xff=0x0f")
    assert hits(device, 1) == [1]
    device.clear_faults()
    assert hits(device, 5) == []
    assert device[0x40] == 0


def test_message_says_that_it_was_injected(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=crc")
    with pytest.raises(CRCError, match=r"injected fault: crc"):
        device.read_register(0x40)


# ------------------------------------------------------------------------------ special kinds


def test_timeout_fault_never_answers_and_holds_the_bus(open_device: OpenDevice) -> None:
    device = open_device("latency=1ms&clock=manual&fault=timeout&timeout=5s")
    futures = []
    for i in range(2):
        timeout = math.inf if i else 2
        futures.append(in_thread(partial(device.read_register, 0x10, timeout=timeout)))
        device.wait_pending(i + 1, timeout=math.inf)
    device.advance(1.999)
    assert device.pending == 2
    device.advance(1)
    with pytest.raises(DeviceTimeout):
        futures[0].result(LIMIT)
    assert futures[1].result(LIMIT) == 2001


def test_spike_takes_longer_and_nothing_else(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.inject("spike", extra=0.5)
    device[0x40] = 4
    assert device.now == pytest.approx(0.501)
    assert device[0x40] == 4
    device.inject("spike")
    device.read_register(0x40)
    assert device.now == pytest.approx(0.501 + 2e-3 + 10e-3)


def test_spike_longer_than_the_timeout_times_out(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=spike:2s")
    with pytest.raises(DeviceTimeout):
        device.read_register(0x40)
    assert device.now == 1


def test_stuck_bits_falsify_reading_not_the_register(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.inject("stuck", register="SCRATCH1", mask=0xFF, value=0x0F)
    device[0x44] = 0xABCD
    assert device[0x44] == 0xAB0F
    assert device.read_block(0x40, 2).tolist() == [0, 0xAB0F]
    assert device.wait_register(0x44, 0xFF, 0x0F) == 0xAB0F
    assert device[0x48] == 0
    device.clear_faults()
    assert device[0x44] == 0xABCD


def test_stuck_bits_last_as_long_as_said(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.inject("stuck", register=0x40, mask=1, value=1, count=2)
    assert [device[0x40] for _ in range(4)] == [1, 1, 0, 0]


def test_stuck_bits_in_a_resource_string(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=stuck:0x48/0xf0=0x50")
    device[0x48] = 0xFFF
    assert device[0x48] == 0xF5F


def test_disconnect_lasts_until_reconnect(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device[0x40] = 3
    device.inject("disconnect")
    for call in ON_BUS:
        with pytest.raises(DeviceDisconnected):
            BLOCKING[call](device)
    device.clear_faults()
    assert hits(device, 3) == [1, 2, 3]
    assert device.is_open
    device.inject("reconnect")
    assert device[0x40] == 0  # it had lost its power
    assert device.registers["EVENT_STATUS"].read() == 2 + 4


def test_what_would_have_come_without_power_is_lost(open_device: OpenDevice) -> None:
    """Samples, ticks and crossings alike."""
    device = open_device("latency=0s&clock=manual&rate=1kHz&timer=10ms")
    device.set_signal(0, "square", frequency=50, noise=0)
    device.set_threshold(0, 0.0)
    stream = device.stream(1000, overrun="skip")
    ticks, crossings = device.events(kinds=["timer"]), device.events(kinds=["threshold"])
    device.advance(0.0495)
    stream.read(9)
    assert len(ticks.read(100)) == len(crossings.read(100)) == 4
    device.inject("power")
    with pytest.raises(DeviceDisconnected):
        device.write_register(0x40, 1)
    assert not device.connected
    device.advance(0.1)
    assert stream.status.lost == 49 - 9 + 100
    with pytest.raises(DeviceDisconnected):
        device.stream(1000)
    device.inject("reconnect")
    device.wait_connected(timeout=0)
    device.advance(0.03)
    block = stream.read(10)
    assert (block.first_index, block.lost) == (149, 140)
    assert [ticks.read(1)[0].lost, crossings.read(1)[0].lost] == [10, 10]


def test_one_can_wait_for_the_reconnect(open_device: OpenDevice) -> None:
    device = open_device("latency=0s")
    device.inject("disconnect")
    with pytest.raises(TimeoutError):
        device.wait_connected(timeout=0)
    future = in_thread(lambda: device.wait_connected(timeout=LIMIT))
    device.inject("reconnect")
    future.result(LIMIT)
    assert device.connected


def test_disconnect_ends_every_operation_that_waits(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf")
    futures = [in_thread(lambda: device.read_register(0x40)) for _ in range(8)]
    futures.append(in_thread(lambda: device.wait_register(0x40, 1, 1)))
    device.wait_pending(9, timeout=math.inf)
    device.inject("disconnect")
    for future in futures:
        with pytest.raises(DeviceDisconnected):
            future.result(LIMIT)
    assert device.pending == 0


def test_disconnect_at_a_transaction_ends_those_queued_behind(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf&fault=disconnect@2")
    futures = []
    for i in range(4):
        futures.append(in_thread(lambda: device.read_register(0x40)))
        device.wait_pending(i + 1, timeout=math.inf)
    device.advance(1)
    assert futures[0].result(LIMIT) == 0
    device.advance(1)
    for future in futures[1:]:
        with pytest.raises(DeviceDisconnected):
            future.result(LIMIT)


def test_reconnect_at_a_transaction(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=disconnect@2&fault=reconnect@5")
    assert hits(device, 7) == [2, 3, 4]


def test_reconnect_of_a_connected_device_does_nothing(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device[0x40] = 3
    device.inject("reconnect")
    assert device[0x40] == 3


def test_faults_are_counted(open_device: OpenDevice) -> None:
    device = open_device(f"{VIRTUAL}&fault=crc@1*2&fault=spike@3:1ms")
    hits(device, 5)
    assert device.registers["FAULT_COUNT"].read() == 3
    assert device.registers["EVENT_STATUS"].read() == 1


# ------------------------------------------------------------------------------- wrong settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "tineout"}, "'tineout'.*nearest is timeout"),
        ({"kind": "CRC"}, "'CRC'.*nearest is crc"),
        ({"kind": "crc", "probability": 1.5}, "probability .*0 to 1, got 1.5"),
        ({"kind": "crc", "probability": -0.1}, "probability .*0 to 1, got -0.1"),
        ({"kind": "crc", "probability": math.nan}, "probability .*nan"),
        ({"kind": "spike", "extra": 3601}, "extra .*3600 s, got 3601"),
        ({"kind": "stuck", "mask": 1, "value": 2}, "value .*0x00000001.*0x00000002"),
    ],
)
def test_bad_fault_is_refused(
    settings: dict[str, str], message: str, open_device: OpenDevice
) -> None:
    device = open_device(VIRTUAL)
    with pytest.raises(InvalidArgument, match=message):
        device.inject(**settings)  # type: ignore[arg-type]
    assert hits(device, 3) == []


def test_stuck_needs_a_readable_register(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    with pytest.raises(errors.InvalidArgument, match="COMMAND"):
        device.inject("stuck", register="COMMAND")
    with pytest.raises(errors.InvalidArgument, match="0x28"):
        device.inject("stuck", register=0x28)
    with pytest.raises(errors.NotFound, match="SCRATCH9"):
        device.inject("stuck", register="SCRATCH9")
