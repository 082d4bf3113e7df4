"""How long is a heartbeat thread kept waiting while 8 threads are in slow calls?

``python -m benchmarks.responsiveness [--json] [--quick]``. The heartbeat asks for 1 ms; the figure
is the longest that it waited beyond that. Beside it the idle interpreter, and the GIL held.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run

SECONDS = 0.5  # a turn


def longest_stall() -> float:
    """Runs the heartbeat and returns the longest wait beyond 1 ms, in seconds."""
    never = threading.Event()
    longest, end = 0.0, time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end:
        never.wait(0.001)
        longest = max(longest, time.perf_counter() - start - 0.001)
    return longest


def idle() -> Run:
    """The heartbeat alone, in a process that has the package loaded as well."""
    import hwsim  # noqa: F401

    return longest_stall


def beside(policy: str) -> Run:
    """The heartbeat beside 8 threads that read without a break."""
    import hwsim

    hwsim.gil.policy(policy)
    devices = [hwsim.open(f"hwsim://stall{i}?latency=20ms") for i in range(8)]

    def run() -> float:
        token, barrier = hwsim.CancelToken(), threading.Barrier(len(devices) + 1)

        def work(device: hwsim.Device) -> None:
            barrier.wait()
            with suppress(hwsim.errors.OperationCancelled):
                while True:
                    device.read_voltage(0, cancel=token)

        threads = [threading.Thread(target=work, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        barrier.wait()
        longest = longest_stall()
        token.cancel()
        for thread in threads:
            thread.join()
        return longest

    return run


QUESTIONS = [
    Question(
        "longest stall of a 1 ms heartbeat",
        "ms",
        {
            "idle interpreter": idle,
            "8 threads in slow calls": partial(beside, "auto"),
            "the same, GIL held": partial(beside, "hold"),
        },
        turns=9,
        quick=3,
        goals=[
            Goal("8 threads in slow calls", 2, against="idle interpreter"),
            Goal("the same, GIL held", 0.020, at_least=True),
        ],
    )
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
