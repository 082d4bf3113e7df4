"""The bus: what an operation costs, in which order operations are done, and who gets the slots."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest

import hwsim
from calls import BLOCKING, ON_BUS, UNSEEN, WITH_OPTIONS
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from hwsim.errors import (
    CRCError,
    DeviceClosed,
    DeviceTimeout,
    OperationCancelled,
    StateError,
)

MANUAL = "latency=10ms&clock=manual&timeout=inf"


def queue(
    device: hwsim.Device, calls: list[Callable[[], object]], pending: int = 0
) -> list[Future[object]]:
    """Issues the calls in threads, in this order."""
    futures = []
    for i, call in enumerate(calls):
        futures.append(in_thread(call))
        device.wait_pending(pending + i + 1, timeout=math.inf)
    return futures


# ----------------------------------------------------------------------------------- the cost


@pytest.mark.parametrize("call", ON_BUS)
def test_operation_takes_the_latency(call: str, open_device: OpenDevice) -> None:
    device = open_device("latency=3ms&clock=virtual")
    BLOCKING[call](device)
    assert (device.now, device.transactions) == (3e-3, 1)


@pytest.mark.parametrize(
    ("call", "size"),
    [
        (lambda d: d.read_register(0x40), 4),
        (lambda d: d.write_register(0x40, 1), 4),
        (lambda d: d.read_block(0x40, 8), 32),
        (lambda d: d.write_block(0x40, [1] * 8), 32),
        (lambda d: d.update_register(0x40, 1, 1), 8),
        (lambda d: d.wait_register(0x40, 1, 0), 4),
        (lambda d: d.read_voltage(0), 2),
        (lambda d: d.reset(), 4),
    ],
)
def test_bandwidth_makes_every_byte_take_its_time(
    call: Callable[[hwsim.Device], object], size: int, open_device: OpenDevice
) -> None:
    device = open_device("latency=1ms&bandwidth=1kB/s&clock=virtual")
    call(device)
    assert device.now == pytest.approx(1e-3 + size * 1e-3, abs=1e-9)


def latencies(device: hwsim.Device, count: int) -> list[float]:
    times = [0.0]
    for _ in range(count):
        device.read_register(0x40)
        times.append(device.now)
    return [after - before for before, after in pairwise(times)]


def test_jitter_spreads_the_latency_both_ways_and_within_its_bounds(
    open_device: OpenDevice,
) -> None:
    costs = latencies(open_device("latency=10ms&jitter=2ms&clock=virtual"), 500)
    assert 8e-3 - 1e-9 <= min(costs) < 8.2e-3
    assert 11.8e-3 < max(costs) <= 12e-3 + 1e-9
    assert sum(costs) / 500 == pytest.approx(10e-3, abs=0.3e-3)


def test_jitter_is_that_of_the_seed(open_device: OpenDevice) -> None:
    settings = "latency=10ms&jitter=2ms&clock=virtual&seed="
    first, again, other = (latencies(open_device(settings + s), 20) for s in ("7", "7", "8"))
    assert first == again
    assert first != other


def test_transactions_count_what_was_put_on_the_bus(open_device: OpenDevice) -> None:
    device = open_device("latency=5s&clock=virtual")
    device.set_signal(0, "dc")
    device.inject("crc")
    for error, call in (
        (CRCError, lambda: device.read_register(0x40, timeout=10)),
        (DeviceTimeout, lambda: device.read_register(0x40, timeout=1)),
        (IndexError, lambda: device.read_register(0x41)),  # refused before the bus
        (PermissionError, lambda: device.write_register(0x00, 1)),
    ):
        with pytest.raises(error):
            call()
    assert device.transactions == 2


# -------------------------------------------------------------------------------------- order


def test_operations_on_one_device_are_done_in_the_order_of_issue(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    futures = queue(device, [lambda i=i: device.write_register(0x40, i) for i in range(6)])  # type: ignore[misc]
    values = []
    for i, future in enumerate(futures):
        device.advance(10e-3)
        future.result(LIMIT)
        assert device.pending == 5 - i
        assert not any(later.done() for later in futures[i + 1 :])
        values.append(device.now)
    assert values == pytest.approx([10e-3 * (i + 1) for i in range(6)])


def test_last_write_issued_wins(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    calls: list[Callable[[], object]] = [
        lambda i=i: device.write_register(0x40, i)  # type: ignore[misc]
        for i in range(8)
    ]
    read = queue(device, [*calls, lambda: device.read_register(0x40)])[-1]
    device.advance(1)
    assert read.result(LIMIT) == 7


def test_operations_on_different_devices_overlap(open_device: OpenDevice) -> None:
    """With one bus, or one lock, for all devices the second would wait behind the first."""
    slow, fast = open_device(MANUAL), open_device(MANUAL)
    first = queue(slow, [lambda: slow.read_register(0x40)])[0]
    second = queue(fast, [lambda: fast.read_register(0x40)])[0]
    fast.advance(10e-3)
    assert second.result(LIMIT) == 0
    assert (slow.pending, first.done()) == (1, False)
    slow.advance(10e-3)
    assert first.result(LIMIT) == 0


def test_virtual_devices_overlap(open_device: OpenDevice) -> None:
    """One waits for ever; the other goes through a thousand operations, each on its own clock."""
    stuck = open_device("latency=1s&clock=virtual&timeout=inf&fault=timeout")
    busy = open_device("latency=1s&clock=virtual&timeout=inf")
    future = queue(stuck, [lambda: stuck.read_register(0x40)])[0]
    for _ in range(1000):
        busy.read_register(0x40)
    assert (busy.now, stuck.now, future.done()) == (1000, 0, False)


def test_threads_that_share_a_virtual_device_add_up_on_its_clock(open_device: OpenDevice) -> None:
    """Queued on one bus, not side by side: 8 threads with 25 operations of 1 ms are 200 ms."""
    device = open_device("latency=1ms&clock=virtual&timeout=inf")

    def work(i: int) -> None:
        for n in range(25):
            device.write_register(0x40 + 4 * i, n)

    parallelize(work, 8)
    assert device.now == pytest.approx(0.2, abs=1e-12)
    assert device.transactions == 200


@pytest.mark.parametrize("threads", [2, 5, 8])
def test_same_seed_gives_the_same_on_every_thread_schedule(
    threads: int, open_device: OpenDevice
) -> None:
    """Samples, latencies and fault hits depend on the operation's number, not on who issues it."""
    settings = (
        "latency=10ms&jitter=5ms&clock=virtual&timeout=inf&seed=42&noise=100mV"
        "&fault=crc~0.1&fault=spike~0.2:3ms&fault=busy@30*5"
    )
    total = 80

    def work(device: hwsim.Device, count: int) -> list[float | str]:
        results: list[float | str] = []
        for _ in range(count):
            try:
                results.append(device.read_voltage(0))
            except hwsim.HwsimError as error:
                results.append(type(error).__name__)
        return results

    reference = open_device(settings)
    expected = work(reference, total)
    device = open_device(settings)
    got = parallelize(lambda i: work(device, total // threads), threads)
    extra = work(device, total % threads)
    assert sorted(map(str, sum(got, extra))) == sorted(map(str, expected))
    assert device.now == reference.now
    assert device.registers["FAULT_COUNT"].read() == reference.registers["FAULT_COUNT"].read()


# ------------------------------------------------------------------------- slots given back


@pytest.mark.parametrize("end", ["cancel", "timeout"])
@pytest.mark.parametrize(("victim", "done_at"), [(0, [14, 24]), (1, [10, 20]), (2, [10, 20])])
def test_aborted_operation_gives_the_rest_of_its_slot_back(
    victim: int, done_at: list[int], end: str, open_device: OpenDevice
) -> None:
    """Three operations of 10 ms, one aborted at 4 ms: those behind move up, not before now."""
    device = open_device("latency=10ms&clock=manual&timeout=inf")
    token = hwsim.CancelToken()
    options: dict[str, Any] = {"cancel": token} if end == "cancel" else {"timeout": 4e-3}

    def call(i: int) -> object:
        return device.read_register(0x10, **(options if i == victim else {}))

    futures = queue(device, [lambda i=i: call(i) for i in range(3)])  # type: ignore[misc]
    device.advance(4e-3)
    token.cancel()
    aborted = futures.pop(victim)
    with pytest.raises((OperationCancelled, DeviceTimeout)):
        aborted.result(LIMIT)
    device.advance(1)
    assert [future.result(LIMIT) for future in futures] == done_at


def test_bus_is_free_at_once_after_an_abort(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual")
    for _ in range(5):
        with pytest.raises(DeviceTimeout):
            device.read_register(0x40, timeout=1e-3)
    device.read_register(0x40)
    assert device.now == pytest.approx(15e-3, abs=1e-12)


@pytest.mark.parametrize("call", [c for c in WITH_OPTIONS if c in ON_BUS])
def test_operation_that_timed_out_has_had_no_effect(call: str, open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual")
    device.write_block(0x40, [6, 6, 6])
    before = device.read_block(0x40, 8).tolist()
    with pytest.raises(DeviceTimeout, match=r"timeout of 0\.005 s"):
        BLOCKING[call](device, timeout=5e-3)
    device.set_signal(0, [1.0, 2.0], noise=0)
    assert device.read_block(0x40, 8).tolist() == before


def test_timed_out_conversion_takes_no_sample(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual")
    device.set_signal(0, [1.0, 2.0, 3.0], noise=0)
    with pytest.raises(DeviceTimeout):
        device.read_voltage(0, timeout=1e-3)
    assert device.read_voltage(0) == pytest.approx(1, abs=1e-3)


# ----------------------------------------------------------------------------------- timeouts


@pytest.mark.parametrize("call", [c for c in BLOCKING if c in WITH_OPTIONS])
def test_timeout_ends_the_call(call: str, open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual")
    with pytest.raises(DeviceTimeout) as caught:
        BLOCKING[call](device, timeout=2e-3)
    assert device.now == 2e-3
    assert caught.value.device == device.name


def test_device_works_after_a_timeout(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual")
    with pytest.raises(DeviceTimeout):
        device.read_register(0x40, timeout=2e-3)
    device[0x40] = 3
    assert device[0x40] == 3


def test_default_timeout_is_that_of_the_device(open_device: OpenDevice) -> None:
    device = open_device("latency=10s&clock=virtual&timeout=3s")
    with pytest.raises(DeviceTimeout):
        device.read_register(0x40)
    assert device.now == 3
    device.timeout = 4
    with pytest.raises(DeviceTimeout):
        device[0x40] = 1
    assert device.now == 7
    device.timeout = math.inf
    assert device[0x40] == 0


def test_time_in_the_queue_counts_towards_the_timeout(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    calls: list[Callable[[], object]] = [
        lambda: device.read_register(0x40),
        lambda: device.read_register(0x40, timeout=15e-3),
    ]
    first, second = queue(device, calls)
    device.advance(16e-3)
    assert first.result(LIMIT) == 0
    with pytest.raises(DeviceTimeout):
        second.result(LIMIT)


def test_answer_at_the_very_moment_of_the_timeout_wins(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual&timeout=10ms")
    assert device[0x40] == 0


def test_timeout_zero_gives_up_unless_the_device_answers_at_once(open_device: OpenDevice) -> None:
    assert open_device("latency=0s").read_register(0x40, timeout=0) == 0
    with pytest.raises(DeviceTimeout):
        open_device("latency=1ns&clock=virtual").read_register(0x40, timeout=0)


# ------------------------------------------------------------------------------- wait_pending


def test_wait_pending_returns_at_once_when_enough_wait(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    device.wait_pending(0, timeout=0)
    queue(device, [lambda: device.read_register(0x40)])
    device.wait_pending(1, timeout=0)


def test_wait_pending_is_not_pending_itself_and_uses_no_bus(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    waiting = in_thread(lambda: device.wait_pending(3, timeout=math.inf))
    futures = queue(device, [lambda: device.read_register(0x40)] * 2)
    assert (device.pending, device.transactions, waiting.done()) == (2, 2, False)
    futures += queue(device, [lambda: device.read_register(0x40)], 2)
    waiting.result(LIMIT)
    device.advance(30e-3)
    assert [future.result(LIMIT) for future in futures] == [0, 0, 0]


def test_wait_register_counts_as_pending_and_leaves_the_bus_free(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual&timeout=inf")
    waiting = queue(device, [lambda: device.wait_register(0x40, 1, 1)])[0]
    before = device.now
    device[0x44] = 1
    assert device.now - before == pytest.approx(10e-3, abs=1e-12)
    assert device.pending == 1
    device[0x40] = 3
    assert waiting.result(LIMIT) == 3


# -------------------------------------------------------------------------- Device.cancel, close


@pytest.mark.parametrize("call", BLOCKING)
def test_close_ends_every_blocking_call(call: str, open_device: OpenDevice) -> None:
    """Also while another operation is on the bus in front of it."""
    device = open_device(MANUAL)
    front = queue(device, [lambda: device.read_register(0x40)])[0]
    future = in_thread(lambda: BLOCKING[call](device))
    if call not in UNSEEN:
        device.wait_pending(2, timeout=math.inf)
    device.close()
    for waiting in front, future:
        with pytest.raises(DeviceClosed):
            waiting.result(LIMIT)


@pytest.mark.parametrize("call", BLOCKING)
def test_device_cancel_ends_every_blocking_call(call: str, open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    front = queue(device, [lambda: device.read_register(0x40)])[0]
    future = in_thread(lambda: BLOCKING[call](device))
    if call not in UNSEEN:
        device.wait_pending(2, timeout=math.inf)
    device.cancel()
    while call in UNSEEN and not future.done():  # nobody can see when that one waits
        device.cancel()
    for waiting in front, future:
        with pytest.raises(OperationCancelled):
            waiting.result(LIMIT)


def test_device_cancel_leaves_later_operations_alone(open_device: OpenDevice) -> None:
    device = open_device("latency=1ms&clock=virtual")
    device.cancel()
    assert device[0x40] == 0


def test_what_was_done_before_close_keeps_its_result(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    futures = queue(device, [lambda: device.read_register(0x10)] * 2)
    device.advance(10e-3)
    device.close()
    assert futures[0].result(LIMIT) == 10
    with pytest.raises(DeviceClosed):
        futures[1].result(LIMIT)


def test_conversion_with_the_converters_off_still_takes_its_time(open_device: OpenDevice) -> None:
    device = open_device("latency=10ms&clock=virtual")
    device.registers["CONTROL"].write(0)
    with pytest.raises(StateError, match="CONTROL"):
        device.read_voltage(0)
    assert device.now == pytest.approx(20e-3)
