"""How long from SIGINT to KeyboardInterrupt, in a blocking call on the main thread?

``python -m benchmarks.interrupt [--json] [--quick]``. Against a pure Python loop, which sees it at
once. The figure is one interruption; look at the maximum.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable

import hwsim
from benchmarks import harness

sent = 0.0


def interrupt_after(ready: Callable[[], object]) -> None:
    """Sends SIGINT to the main thread from another one, once it is ready."""
    global sent  # noqa: PLW0603 - the one thing that both threads share
    ready()
    sent = time.perf_counter()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def measure(wait: Callable[[], object], ready: Callable[[], object]) -> float:
    """Interrupts ``wait``; returns seconds from the signal to the exception."""
    thread = threading.Thread(target=interrupt_after, args=(ready,))
    try:
        thread.start()
        wait()
    except KeyboardInterrupt:
        caught = time.perf_counter()
    thread.join()
    return caught - sent


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    device = hwsim.open("hwsim://interrupt?timeout=inf&latency=3600s")
    other = hwsim.open("hwsim://busy")

    def loop() -> None:
        while True:
            pass

    cases = {
        "pure Python loop": lambda: measure(loop, lambda: other.read_register(64)),
        "read_register of an hour": lambda: measure(
            lambda: device.read_register(64), lambda: device.wait_pending(1, timeout=math.inf)
        ),
        "calibrate": lambda: measure(
            lambda: device.calibrate(0, samples=2**26), lambda: other.read_register(64)
        ),
    }
    figures = harness.take_turns(cases, 20 if options.quick else 100)
    harness.report({"SIGINT to KeyboardInterrupt": figures}, "ms", 1e3, options.json)


if __name__ == "__main__":
    main()
