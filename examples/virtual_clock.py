"""Tests of slow hardware that take no time.

With clock=virtual a wait jumps straight to its end; with clock=manual time stands still until the
test moves it, so the test decides what happens first. No test sleeps.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import hwsim


def wait_until_ready(device: hwsim.Device, timeout: float) -> bool:
    """The code under test: polls a slow device until bit 0 of SCRATCH0 is set."""
    end = device.now + timeout
    while device.now < end:
        if device.read_register(0x40, timeout=math.inf) & 1:
            return True
    return False


def test_gives_up_after_ten_minutes() -> None:
    """Polling a device of 1 s latency for ten minutes is done at once."""
    with hwsim.open("hwsim://bench?clock=virtual&latency=1s") as device:
        assert not wait_until_ready(device, timeout=600)
        assert device.now == 600
        assert device.transactions == 600


def test_sees_the_bit_as_soon_as_it_is_set() -> None:
    """Another thread polls; the test moves the time on, one operation after another."""
    with (
        hwsim.open("hwsim://bench?clock=manual&latency=1s") as device,
        ThreadPoolExecutor() as pool,
    ):
        ready = pool.submit(wait_until_ready, device, 600)
        device.wait_pending(1)  # the first read is on the bus
        write = pool.submit(device.write_register, 0x40, 1, timeout=math.inf)
        device.wait_pending(2)  # the write has queued up behind it
        device.advance(2)  # both are done; the next read finds the bit
        write.result()
        device.wait_pending(1)
        device.advance(1)
        assert ready.result()
        assert device.now == 3


if __name__ == "__main__":
    test_gives_up_after_ten_minutes()
    test_sees_the_bit_as_soon_as_it_is_set()
    print("2 tests, 603 seconds of device time")
