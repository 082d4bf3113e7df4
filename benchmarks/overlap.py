"""Do N slow operations on N devices in N threads take as long as one?

``python -m benchmarks.overlap [--json] [--quick]``. Operations of 20 ms.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import hwsim
from benchmarks import harness


def case(count: int) -> Callable[[], float]:
    """Reads once from each of ``count`` devices, each in a thread; returns seconds."""
    devices = [hwsim.open(f"hwsim://overlap{count}-{i}?latency=20ms") for i in range(count)]

    def run() -> float:
        barrier = threading.Barrier(count + 1)

        def read(device: hwsim.Device) -> None:
            barrier.wait()
            device.read_voltage(0, timeout=60)

        threads = [threading.Thread(target=read, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        barrier.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    return run


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    cases = {f"{count} devices": case(count) for count in (1, 8, 64, 1000)}
    figures = harness.take_turns(cases, 3 if options.quick else 9)
    harness.report({"one read of 20 ms on each device": figures}, "ms", 1e3, options.json)


if __name__ == "__main__":
    main()
