"""Do N threads with slow operations, on a device each, take as long as one?

``python -m benchmarks.overlap [--json] [--quick]``. Operations of 20 ms: one in each thread, and 50
in a row, where starting and joining the threads weighs little. Beside them ``time.sleep``, which
shows what the interpreter leaves to any binding.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run

COUNTS = (1, 8, 64, 1000)


def reads(count: int, operations: int) -> Run:
    """Reads from devices."""
    import hwsim

    devices = [hwsim.open(f"hwsim://overlap{i}?latency=20ms") for i in range(count)]
    return case([partial(device.read_voltage, 0, timeout=60) for device in devices], operations)


def sleeps(count: int, operations: int) -> Run:
    """Sleeps instead."""
    return case([partial(time.sleep, 0.02)] * count, operations)


def case(calls: list[Callable[[], object]], operations: int) -> Run:
    """Makes each call so many times in a row, in a thread of its own; seconds for one in a row."""

    def run() -> float:
        barrier = threading.Barrier(len(calls) + 1)

        def work(call: Callable[[], object]) -> None:
            barrier.wait()
            for _ in range(operations):
                call()

        threads = [threading.Thread(target=work, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        barrier.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        return (time.perf_counter() - start) / operations

    return run


QUESTIONS = [
    Question(
        f"an operation of 20 ms in each thread, {words}",
        "ms",
        {f"N = {count}": partial(reads, count, operations) for count in COUNTS}
        | {"time.sleep, N = 1000": partial(sleeps, 1000, operations)},
        turns=7,
        quick=2,
        goals=[Goal("N = 64", 1.15, against="N = 1"), Goal("N = 1000", 1.5, against="N = 1")],
    )
    for operations, words in ((1, "once"), (50, "50 in a row"))
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
