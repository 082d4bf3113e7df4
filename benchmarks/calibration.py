"""What does a calibration, which computes without a break, leave to other threads?

``python -m benchmarks.calibration [--json] [--quick]``, on two processors or more. A pure Python
loop on the main thread, alone and beside a calibration; and a calibration, alone and beside a
second one of another device in another thread. Beside them the same with the GIL held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import hwsim
from benchmarks import harness

LOOP = 15_000_000  # a third of a second or so
ENDLESS = 2**26  # samples: many times as long as the loop
SAMPLES = 2**22  # half a second or so


def work() -> None:
    """The loop."""
    total = 0
    for i in range(LOOP):
        total += i & 7


def loop_alone() -> float:
    """Returns seconds of the loop."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def loop_beside(policy: hwsim.gil.Policy, samples: int) -> Callable[[], float]:
    """The loop, with a calibration from its begin on, which is stopped at its end."""
    device = hwsim.open(f"hwsim://loop-{policy}")

    def run() -> float:
        token, started = hwsim.CancelToken(), threading.Event()

        def calibrate() -> None:
            started.set()
            with suppress(hwsim.errors.OperationCancelled):
                device.calibrate(0, samples=samples, cancel=token)

        with hwsim.gil.policy(policy):
            thread = threading.Thread(target=calibrate)
            start = time.perf_counter()
            thread.start()
            started.wait()
            work()
            seconds = time.perf_counter() - start
            token.cancel()
            thread.join()
        return seconds

    return run


def calibrations(policy: hwsim.gil.Policy, count: int) -> Callable[[], float]:
    """As many calibrations at once, each of another device in another thread; seconds of all."""
    devices = [hwsim.open(f"hwsim://calibrate-{policy}-{count}-{i}") for i in range(count)]

    def run() -> float:
        barrier = threading.Barrier(count + 1)

        def calibrate(device: hwsim.Device) -> None:
            barrier.wait()
            device.calibrate(0, samples=SAMPLES)

        with hwsim.gil.policy(policy):
            threads = [threading.Thread(target=calibrate, args=(device,)) for device in devices]
            for thread in threads:
                thread.start()
            start = time.perf_counter()
            barrier.wait()
            for thread in threads:
                thread.join()
            return time.perf_counter() - start

    return run


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    repeats = 3 if options.quick else 11
    loop = {
        "alone": loop_alone,
        "beside a calibration": loop_beside("auto", ENDLESS),
        "the same, GIL held": loop_beside("hold", SAMPLES),
    }
    threads = {
        "one": calibrations("auto", 1),
        "two threads": calibrations("auto", 2),
        "two threads, GIL held": calibrations("hold", 2),
    }
    figures = {
        "a Python loop on the main thread": harness.take_turns(loop, repeats),
        "calibrations of 2^22 samples": harness.take_turns(threads, repeats),
    }
    harness.report(figures, "ms", 1e3, options.json)


if __name__ == "__main__":
    main()
