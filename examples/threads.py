"""Eight slow instruments, read at the same time by eight threads.

A read takes 50 ms of bus time. The GIL is released meanwhile, so the waits of the threads overlap,
and the main thread goes on computing.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import hwsim

URIS = [f"hwsim://daq{i}?latency=50ms&seed={i}" for i in range(8)]


def read(device: hwsim.Device) -> float:
    """Reads channel 0, in volts."""
    return device.read_voltage(0)


def main() -> None:
    """Reads all of them, and counts how far the main thread gets meanwhile."""
    devices = [hwsim.open(uri) for uri in URIS]
    with ThreadPoolExecutor(len(devices)) as pool:
        start = time.perf_counter()
        futures = [pool.submit(read, device) for device in devices]
        steps = 0
        while not all(future.done() for future in futures):
            steps += 1
            time.sleep(0)
        elapsed = time.perf_counter() - start
    for device, future in zip(devices, futures, strict=True):
        print(f"{device.name}: {future.result():+.3f} V")
        device.close()
    total = 0.05 * len(devices)
    print(f"{total:.2f} s of bus time in {elapsed:.2f} s; the main thread took {steps} steps")
    assert steps > 0, "the main thread was held up until all had been read"


if __name__ == "__main__":
    main()
