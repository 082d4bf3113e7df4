"""Threads: any call from any thread at any time, also close, and open of one name by all."""

from __future__ import annotations

import contextlib
import math
import threading

import pytest

import hwsim
from calls import BLOCKING
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim.errors import DeviceClosed, DeviceInUse, OperationCancelled

HOUR = "latency=3600s&timeout=inf"


# --------------------------------------------------------------------------------------- close


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_close_ends_reads_of_many_threads(
    policy: hwsim.gil.Policy, open_device: OpenDevice
) -> None:
    device = open_device(HOUR)
    with hwsim.gil.policy(policy):
        futures = [in_thread(lambda: device.read_register(0x40)) for _ in range(16)]
        device.wait_pending(16, timeout=LIMIT)
        device.close()
        for future in futures:
            with pytest.raises(DeviceClosed):
                future.result(LIMIT)
    assert device.pending == 0


def test_close_by_the_threads_that_use_it(open_device: OpenDevice) -> None:
    """Each thread uses the device until someone has closed it, and one of them does, at a time."""
    for rounds in range(20):
        device = open_device("latency=20us&timeout=inf")

        def work(i: int, device: hwsim.Device = device, rounds: int = rounds) -> None:
            with pytest.raises(DeviceClosed):
                for n in range(10_000):
                    if i == n == rounds % 8:
                        device.close()
                    device.update_register(0x40, 0xFF, n)

        parallelize(work, 8)
        assert not device.is_open


def test_close_from_many_threads_at_once(open_device: OpenDevice) -> None:
    for _ in range(50):
        device = open_device()
        close = device.close
        parallelize(lambda _, close=close: close(), 8)  # type: ignore[misc]
        with hwsim.open(device.uri):
            pass


def test_name_is_free_when_a_waiting_thread_learns_of_the_close(open_device: OpenDevice) -> None:
    """Who is told that the device is closed may open it again at once."""
    for _ in range(100):
        device = open_device("latency=0s&timeout=inf")

        def reopen(device: hwsim.Device = device) -> None:
            with pytest.raises(DeviceClosed):
                device.wait_register(0x40, 1, 1)
            hwsim.open(device.uri).close()

        future = in_thread(reopen)
        device.wait_pending(1, timeout=LIMIT)
        device.close()
        future.result(LIMIT)


def test_name_is_free_when_is_open_says_closed(open_device: OpenDevice) -> None:
    for _ in range(100):
        device = open_device()

        def work(i: int, device: hwsim.Device = device) -> None:
            if i == 0:
                device.close()
                return
            while device.is_open:
                pass
            hwsim.open(device.uri).close()

        parallelize(work, 2)


# ---------------------------------------------------------------------------------------- open


def test_one_name_opened_by_many_threads_is_opened_once(name: str) -> None:
    for _ in range(10):

        def work(_: int) -> hwsim.Device | None:
            try:
                return hwsim.open(f"hwsim://{name}?latency=0s")
            except DeviceInUse:
                return None

        opened = [device for device in parallelize(work, 32) if device]
        assert len(opened) == 1
        opened[0].close()


def test_many_names_are_opened_by_many_threads(name: str) -> None:
    def work(i: int) -> None:
        for n in range(20):
            with hwsim.open(f"hwsim://{name}-{i}?latency=0s") as device:
                device[0x40] = n
                assert device[0x40] == n
                assert device.name in {info.name for info in hwsim.list_devices() if info.in_use}

    parallelize(work, 32)
    assert not any(info.name.startswith(name) for info in hwsim.list_devices())


def test_name_is_handed_round(name: str) -> None:
    """Each opens it again and again until it has had it 20 times; nobody waits for ever."""

    def work(_: int) -> None:
        had = 0
        while had < 20:
            try:
                with hwsim.open(f"hwsim://{name}?latency=0s") as device:
                    assert device[0x40] == 0
                    device[0x40] = 1
                    had += 1
            except DeviceInUse:
                pass

    parallelize(work, 6)


def test_thousands_of_devices_can_be_open(name: str) -> None:
    devices = [hwsim.open(f"hwsim://{name}-{i}?latency=0s") for i in range(3000)]
    listed = {info.name for info in hwsim.list_devices() if info.in_use}
    assert listed >= {device.name for device in devices}
    for i, device in enumerate(devices):
        device[0x40] = i
    assert [device[0x40] for device in devices] == list(range(3000))
    for device in devices:
        device.close()
    assert not any(info.name.startswith(name) for info in hwsim.list_devices())


# ---------------------------------------------------------------------------------------- use


def test_every_blocking_call_at_once_on_one_device(open_device: OpenDevice) -> None:
    device = open_device("latency=30us&timeout=50ms")
    calls = list(BLOCKING.items())

    def work(i: int) -> None:
        for n in range(26):
            _, call = calls[(i + n) % len(calls)]
            with contextlib.suppress(hwsim.errors.DeviceTimeout):
                call(device)

    parallelize(work, len(calls))
    assert device.pending == 0


def test_many_waiting_threads_are_woken_one_by_one(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf")
    futures = [in_thread(lambda: device.read_register(0x40)) for _ in range(64)]
    for left in range(64, 0, -1):
        device.wait_pending(left, timeout=LIMIT)
        assert device.pending == left
        device.advance(1)
    assert [future.result(LIMIT) for future in futures] == [0] * 64


def test_settings_may_be_changed_while_others_use_them(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&noise=0V")

    def work(i: int) -> None:
        for n in range(200):
            if i == 0:
                device.set_signal(0, [float(n % 10)] * (n + 1), range=10)
            elif i == 1:
                device.timeout = n + 1
                device.inject("spike", extra=0, count=1)
            elif i == 2:
                assert device.signal(0).range == 10
                device.clear_faults()
            else:
                assert -10 <= device.read_voltage(0) < 10

    parallelize(work, 6)


def test_last_reference_may_go_in_any_thread(name: str) -> None:
    """A device is freed by whichever thread drops it last, maybe while a call of it returns."""
    for n in range(50):
        devices = [hwsim.open(f"hwsim://{name}-{n}?latency=0s")]
        token = hwsim.CancelToken()
        ready = threading.Barrier(2)

        def use(devices: list[hwsim.Device] = devices, token: hwsim.CancelToken = token) -> None:
            device = devices[0]
            ready.wait(LIMIT)  # noqa: B023 - joined within this round
            with pytest.raises(OperationCancelled):
                device.wait_register(0x40, 1, 1, timeout=math.inf, cancel=token)

        future = in_thread(use)
        ready.wait(LIMIT)
        devices.clear()
        token.cancel()
        future.result(LIMIT)


STRESS = """
    import gc, random, sys, threading
    import hwsim
    from calls import CALLS

    clock, policies, seed = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
    THREADS, ROUNDS = 8, 600
    swap = threading.Lock()
    settings = {
        "real": "latency=20us&jitter=20us&timeout=2ms",
        "virtual": "latency=1ms&jitter=1ms&timeout=4ms&clock=virtual",
        "manual": "latency=1ms&timeout=5ms&clock=manual",
    }[clock]
    faults = "&fault=crc~0.05&fault=timeout~0.02&fault=foreign~0.02&fault=disconnect~0.01" \\
             "&fault=reconnect~0.1&fault=spike~0.1:100us"
    devices, tokens = [None] * 3, [hwsim.CancelToken() for _ in range(4)]

    def reopen(slot, numbers):
        with swap:
            old, devices[slot] = devices[slot], None
            if old and clock == "manual":
                old.close()  # nobody would advance it any more
            if numbers.random() < 0.7:
                devices[slot] = hwsim.open(
                    f"hwsim://stress{slot}?{settings}{faults}&seed={numbers.randrange(100)}")

    def work(i):
        numbers = random.Random(seed * 100 + i)
        names = [name for name in CALLS if name != "timeout="]
        for n in range(ROUNDS):
            slot = numbers.randrange(len(devices))
            device = devices[slot]
            chance = numbers.random()
            try:
                if device is None or chance < 0.04:
                    reopen(slot, numbers)
                elif chance < 0.06:
                    device.close()
                elif chance < 0.08:
                    k = numbers.randrange(len(tokens))
                    tokens[k].cancel()
                    tokens[k] = hwsim.CancelToken()
                elif chance < 0.10:
                    hwsim.gil.policy(numbers.choice(policies))
                elif chance < 0.11:
                    gc.collect()
                elif chance < 0.13:
                    hwsim.list_devices()
                    repr(device)
                elif chance < 0.3:
                    device.read_block(0x40, 3, cancel=numbers.choice(tokens))
                elif chance < 0.4:
                    device.wait_register(0x40, 1, n % 2, cancel=numbers.choice(tokens))
                else:
                    CALLS[numbers.choice(names)](device)
            except hwsim.HwsimError:
                pass
            except RuntimeError as error:
                assert str(error) == "Unexpected exception", error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    if clock == "manual":
        while any(thread.is_alive() for thread in threads):
            for device in list(devices):
                try:
                    if device:
                        device.advance(1e-3)
                except hwsim.HwsimError:
                    pass
            threads[-1].join(1e-4)  # so that the others have their turn
    for thread in threads:
        thread.join()
    for device in devices:
        if device:
            assert device.pending == 0, device.pending
            device.close()
    del device
    devices.clear()
    gc.collect()
    assert not any(info.in_use for info in hwsim.list_devices()), hwsim.list_devices()
    print("done")
"""


@pytest.mark.parametrize("seed", ["1", "2"])
@pytest.mark.parametrize(
    ("clock", "policies"),
    [("real", "auto,release,hold"), ("virtual", "auto,release,hold"), ("manual", "auto,release")],
)
def test_random_calls_from_many_threads(clock: str, policies: str, seed: str) -> None:
    """No crash, no hang, and nothing left behind, whatever is called in whatever order."""
    assert run_script(STRESS, clock, policies, seed).check() == "done\n"
