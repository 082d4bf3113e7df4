"""Do zero-latency reads scale over threads, one device each, on free-threaded Python?

``python -m benchmarks.free_threading [--json] [--quick]``. With a GIL they cannot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import hwsim
from benchmarks import harness


def case(count: int, reads: int) -> Callable[[], float]:
    """Reads in ``count`` threads; returns seconds for each thousand reads of all threads."""
    devices = [hwsim.open(f"hwsim://free{count}-{i}?latency=0s") for i in range(count)]

    def run() -> float:
        barrier = threading.Barrier(count + 1)

        def work(device: hwsim.Device) -> None:
            read = device.read_register
            barrier.wait()
            for _ in range(reads):
                read(64)

        threads = [threading.Thread(target=work, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        barrier.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        return (time.perf_counter() - start) / (count * reads) * 1000

    return run


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    reads = 200_000 if options.quick else 1_000_000
    cases = {"1 thread": case(1, reads), "2 threads": case(2, reads)}
    figures = harness.take_turns(cases, 3 if options.quick else 9)
    harness.report({"a thousand zero-latency reads": figures}, "us", 1e6, options.json)


if __name__ == "__main__":
    main()
