"""Four ways to end a call that waits for the hardware: timeout, token, Device.cancel() and close().

Ctrl-C is the fifth. Whichever it was, the operation has had no effect on the device.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import hwsim


def main() -> None:
    """Starts reads that would take an hour, and ends each in its way."""
    with hwsim.open("hwsim://daq0?latency=3600s") as device, ThreadPoolExecutor() as pool:
        try:
            device.read_voltage(0, timeout=0.01)
        except TimeoutError as error:  # hwsim's errors are also the builtin ones
            print(error)

        token = hwsim.CancelToken()
        read = pool.submit(device.read_voltage, 0, timeout=math.inf, cancel=token)
        device.wait_pending(1)
        token.cancel()  # and every later call with this token
        print(read.exception())
        assert isinstance(read.exception(), hwsim.errors.OperationCancelled)

        reads = [pool.submit(device.read_voltage, 0, timeout=math.inf) for _ in range(3)]
        device.wait_pending(3)
        device.cancel()  # all that wait now
        assert all(isinstance(r.exception(), hwsim.errors.OperationCancelled) for r in reads)

        read = pool.submit(device.read_voltage, 0, timeout=math.inf)
        device.wait_pending(1)
        device.close()
        print(read.exception())
        assert isinstance(read.exception(), hwsim.errors.DeviceClosed)


if __name__ == "__main__":
    main()
