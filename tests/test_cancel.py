"""Cancelling: latched tokens, and operations that end early without effect."""

from __future__ import annotations

import gc
import math

import pytest

import hwsim
from calls import BLOCKING, OPERATION, UNSEEN, WITH_OPTIONS
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from hwsim.errors import DeviceClosed, OperationCancelled

HOUR = "latency=3600s&timeout=inf"


def test_token_starts_unset_and_stays_set() -> None:
    token = hwsim.CancelToken()
    assert not token.cancelled
    for _ in range(2):
        token.cancel()
        assert token.cancelled


def test_repr_tells_the_state() -> None:
    token = hwsim.CancelToken()
    assert repr(token) == "<hwsim.CancelToken, not cancelled>"
    token.cancel()
    assert repr(token) == "<hwsim.CancelToken, cancelled>"


def test_repr_of_an_uninitialised_token_does_not_raise() -> None:
    assert "not initialised" in repr(hwsim.CancelToken.__new__(hwsim.CancelToken))


@pytest.mark.parametrize("call", WITH_OPTIONS)
@pytest.mark.parametrize("settings", ["latency=0s", "latency=1ms&clock=virtual", HOUR])
def test_token_that_is_set_before_still_stops_the_call(
    call: str, settings: str, open_device: OpenDevice
) -> None:
    """There is no race to lose, and nothing of the operation happens: it takes no slot."""
    device = open_device(settings)
    token = hwsim.CancelToken()
    token.cancel()
    with pytest.raises(OperationCancelled) as caught:
        BLOCKING[call](device, cancel=token)
    assert caught.value.device == device.name
    assert caught.value.operation == OPERATION[call].name
    assert device.transactions == 0


@pytest.mark.parametrize("call", WITH_OPTIONS)
def test_token_stops_the_call_that_waits(call: str, open_device: OpenDevice) -> None:
    device = open_device(HOUR)
    token = hwsim.CancelToken()
    future = in_thread(lambda: BLOCKING[call](device, cancel=token))
    if call not in UNSEEN:
        device.wait_pending(1, timeout=LIMIT)
    token.cancel()
    with pytest.raises(OperationCancelled):
        future.result(LIMIT)
    assert device.pending == 0


def test_cancelled_write_has_no_effect(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf")
    token = hwsim.CancelToken()
    write = in_thread(lambda: device.write_register(0x40, 1, cancel=token))
    device.wait_pending(1, timeout=math.inf)
    device.advance(0.999)
    token.cancel()
    with pytest.raises(OperationCancelled):
        write.result(LIMIT)
    read = in_thread(lambda: device.read_register(0x40))
    device.wait_pending(1, timeout=math.inf)
    device.advance(1)
    assert read.result(LIMIT) == 0


def test_token_set_after_the_end_changes_nothing(open_device: OpenDevice) -> None:
    device = open_device()
    token = hwsim.CancelToken()
    device.write_register(0x40, 5, cancel=token)
    token.cancel()
    assert device[0x40] == 5


def test_one_token_stops_calls_on_many_devices(open_device: OpenDevice) -> None:
    devices = [open_device(HOUR) for _ in range(8)]
    token = hwsim.CancelToken()
    futures = [
        in_thread(lambda device=device: device.read_register(0x40, cancel=token))  # type: ignore[misc]
        for device in devices
        for _ in range(3)
    ]
    for device in devices:
        device.wait_pending(3, timeout=LIMIT)
    token.cancel()
    for future in futures:
        with pytest.raises(OperationCancelled):
            future.result(LIMIT)


def test_token_serves_one_call_after_another(open_device: OpenDevice) -> None:
    token = hwsim.CancelToken()
    for _ in range(3):
        device = open_device()
        for n in range(50):
            device.write_register(0x40, n, cancel=token)
    assert not token.cancelled


def test_token_stops_only_its_own_calls(open_device: OpenDevice) -> None:
    device = open_device("latency=1s&clock=manual&timeout=inf")
    mine, other = hwsim.CancelToken(), hwsim.CancelToken()
    kept = in_thread(lambda: device.read_register(0x40, cancel=other))
    device.wait_pending(1, timeout=math.inf)
    stopped = in_thread(lambda: device.read_register(0x40, cancel=mine))
    device.wait_pending(2, timeout=math.inf)
    mine.cancel()
    with pytest.raises(OperationCancelled):
        stopped.result(LIMIT)
    device.advance(1)
    assert kept.result(LIMIT) == 0


def test_token_lives_as_long_as_the_call(open_device: OpenDevice) -> None:
    """The call's token is garbage but for the call; then its device closes."""
    device = open_device(HOUR)
    future = in_thread(lambda: device.read_register(0x40, cancel=hwsim.CancelToken()))
    device.wait_pending(1, timeout=LIMIT)
    gc.collect()
    device.close()
    with pytest.raises(DeviceClosed):
        future.result(LIMIT)


def test_token_outlives_the_device(open_device: OpenDevice, name: str) -> None:
    token = hwsim.CancelToken()
    device = hwsim.open(f"hwsim://{name}?latency=0s")
    device.read_register(0x40, cancel=token)
    del device
    gc.collect()
    token.cancel()
    assert token.cancelled


def test_cancel_twice_from_many_threads(open_device: OpenDevice) -> None:
    device = open_device(HOUR)
    token = hwsim.CancelToken()
    futures = [in_thread(lambda: device.read_register(0x40, cancel=token)) for _ in range(8)]
    device.wait_pending(8, timeout=LIMIT)
    parallelize(lambda _: token.cancel(), 8)
    for future in futures:
        with pytest.raises(OperationCancelled):
            future.result(LIMIT)


def test_cancel_while_calls_come_and_go(open_device: OpenDevice) -> None:
    """Each round cancels at another moment of the others' calls; no wake-up may be lost."""
    device = open_device("latency=20us&timeout=inf")
    for rounds in range(40):
        token = hwsim.CancelToken()

        def work(i: int, token: hwsim.CancelToken = token, rounds: int = rounds) -> None:
            if i == 0:
                for _ in range(rounds):
                    device[0x44] = 1
                token.cancel()
                return
            with pytest.raises(OperationCancelled):
                while True:
                    device.wait_register(0x40, 1, i % 2, cancel=token)

        parallelize(work, 5)
    assert device.pending == 0


def test_subclass_of_a_token_works(open_device: OpenDevice) -> None:
    class Token(hwsim.CancelToken):
        pass

    token = Token()
    token.cancel()
    with pytest.raises(OperationCancelled):
        open_device().read_register(0x40, cancel=token)


@pytest.mark.parametrize("method", ["cancel", "_is_cancelled"])
def test_uninitialised_token_raises(method: str) -> None:
    token = hwsim.CancelToken.__new__(hwsim.CancelToken)
    with pytest.raises(ValueError, match="not been initialised"):
        getattr(token, method)()


def test_init_of_a_token_a_second_time_is_refused() -> None:
    """A token that could be unset again would be a race to lose."""
    token = hwsim.CancelToken()
    token.cancel()
    with pytest.raises(RuntimeError, match="already"):
        token.__init__()  # type: ignore[misc]
    assert token.cancelled
