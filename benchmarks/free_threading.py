"""Do zero-latency reads scale over threads, one device each, on free-threaded Python?

``python -m benchmarks.free_threading [--json] [--quick]``. With a GIL they cannot.
"""

from __future__ import annotations

import threading
import time
from functools import partial

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run, Unavailable

READS = 1_000_000  # a thread and turn


def case(count: int) -> Run:
    """Reads a second, of ``count`` threads together."""
    import hwsim

    if harness.has_gil():
        raise Unavailable("needs free-threaded Python")
    devices = [hwsim.open(f"hwsim://free{i}?latency=0s") for i in range(count)]

    def run() -> float:
        barrier = threading.Barrier(count + 1)

        def work(device: hwsim.Device) -> None:
            read = device.read_register
            barrier.wait()
            for _ in range(READS):
                read(64)

        threads = [threading.Thread(target=work, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        barrier.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        return count * READS / (time.perf_counter() - start)

    return run


QUESTIONS = [
    Question(
        "zero-latency reads, a device for each thread",
        "reads/s",
        {"1 thread": partial(case, 1), "2 threads": partial(case, 2)},
        turns=15,
        quick=3,
        goals=[Goal("2 threads", 1.8, against="1 thread", at_least=True)],
    )
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
