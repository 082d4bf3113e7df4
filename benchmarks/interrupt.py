"""How long from SIGINT to KeyboardInterrupt, in a blocking call on the main thread?

``python -m benchmarks.interrupt [--json] [--quick]``. Beside it a pure Python loop, which sees the
signal at once. A turn is one interruption.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run


def interruption(wait: Callable[[], object], ready: Callable[[], object]) -> Run:
    """Interrupts ``wait`` once ``ready`` returned, in another thread; seconds to the exception."""
    main = threading.main_thread().ident
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored

    def run() -> float:
        sent = 0.0

        def interrupt() -> None:
            nonlocal sent
            ready()
            sent = time.perf_counter()
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        try:
            thread.start()
            wait()
        except KeyboardInterrupt:
            caught = time.perf_counter()
        thread.join()
        return caught - sent

    return run


def loop() -> Run:
    """A pure Python loop."""

    def forever() -> None:
        while True:
            pass

    return interruption(forever, lambda: time.sleep(0.02))


def read() -> Run:
    """A read that takes an hour."""
    import hwsim

    device = hwsim.open("hwsim://interrupt?timeout=inf&latency=3600s")
    return interruption(
        lambda: device.read_register(64), lambda: device.wait_pending(1, timeout=math.inf)
    )


def calibrate() -> Run:
    """A calibration, which computes."""
    import hwsim

    device = hwsim.open("hwsim://interrupt")
    return interruption(lambda: device.calibrate(0, samples=2**26), lambda: time.sleep(0.02))


QUESTIONS = [
    Question(
        "SIGINT to KeyboardInterrupt",
        "ms",
        {
            "pure Python loop": loop,
            "read_register of an hour": read,
            "calibrate": calibrate,
        },
        turns=200,
        quick=20,
        goals=[
            Goal("read_register of an hour", 0.1, percentile=99),
            Goal("calibrate", 0.1, percentile=99),
        ],
    )
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
