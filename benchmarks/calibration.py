"""What does a calibration, which computes without a break, leave to other threads?

``python -m benchmarks.calibration [--json] [--quick]``, on two processors or more. A pure Python
loop on the main thread, alone and beside a calibration; and a calibration, alone and beside a
second one of another device in another thread. Beside them the same with the GIL held.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run

LOOP = 10_000_000  # a quarter of a second or so
ENDLESS = 2**26  # samples: many times as long as the loop
SAMPLES = 2**22  # half a second or so


def work() -> None:
    """The loop."""
    total = 0
    for i in range(LOOP):
        total += i & 7


def loop_alone() -> Run:
    """Loops a second."""

    def run() -> float:
        start = time.perf_counter()
        work()
        return 1 / (time.perf_counter() - start)

    return run


def loop_beside(policy: str, samples: int) -> Run:
    """Loops a second, with a calibration from the begin on, which is stopped at the end."""
    import hwsim

    hwsim.gil.policy(policy)
    device = hwsim.open("hwsim://loop")

    def run() -> float:
        token, started = hwsim.CancelToken(), threading.Event()

        def calibrate() -> None:
            started.set()
            with suppress(hwsim.errors.OperationCancelled):
                device.calibrate(0, samples=samples, cancel=token)

        thread = threading.Thread(target=calibrate)
        start = time.perf_counter()
        thread.start()
        started.wait()
        work()
        seconds = time.perf_counter() - start
        token.cancel()
        thread.join()
        return 1 / seconds

    return run


def calibrations(policy: str, count: int) -> Run:
    """As many calibrations at once, each of another device in another thread; seconds of all."""
    import hwsim

    hwsim.gil.policy(policy)
    devices = [hwsim.open(f"hwsim://calibrate{i}") for i in range(count)]

    def run() -> float:
        barrier = threading.Barrier(count + 1)

        def calibrate(device: hwsim.Device) -> None:
            barrier.wait()
            device.calibrate(0, samples=SAMPLES)

        threads = [threading.Thread(target=calibrate, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        start = time.perf_counter()
        barrier.wait()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    return run


QUESTIONS = [
    Question(
        "a Python loop on the main thread",
        "loops/s",
        {
            "alone": loop_alone,
            "beside a calibration": partial(loop_beside, "auto", ENDLESS),
            "the same, GIL held": partial(loop_beside, "hold", SAMPLES),
        },
        turns=11,
        quick=3,
        goals=[Goal("beside a calibration", 0.9, against="alone", at_least=True)],
    ),
    Question(
        "calibrations of 2^22 samples",
        "ms",
        {
            "one": partial(calibrations, "auto", 1),
            "two threads": partial(calibrations, "auto", 2),
            "two threads, GIL held": partial(calibrations, "hold", 2),
        },
        turns=11,
        quick=3,
        goals=[Goal("two threads", 1.1, against="one")],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
