"""How long is a heartbeat thread kept waiting while 8 threads are in slow calls?

``python -m benchmarks.responsiveness [--json] [--quick]``. The heartbeat asks for 1 ms; the figure
is the longest that it waited beyond that. Beside it the idle interpreter, and the GIL held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import hwsim
from benchmarks import harness


def longest_stall(seconds: float) -> float:
    """Runs the heartbeat and returns the longest wait beyond 1 ms, in seconds."""
    never = threading.Event()
    longest, end = 0.0, time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        never.wait(0.001)
        longest = max(longest, time.perf_counter() - start - 0.001)
    return longest


def case(policy: hwsim.gil.Policy, seconds: float) -> Callable[[], float]:
    """The heartbeat beside 8 threads that read without a break."""

    def run() -> float:
        devices = [hwsim.open(f"hwsim://stall{i}?latency=20ms") for i in range(8)]
        token = hwsim.CancelToken()

        def work(device: hwsim.Device) -> None:
            try:
                while True:
                    device.read_voltage(0, cancel=token)
            except hwsim.errors.OperationCancelled:
                pass

        with hwsim.gil.policy(policy):
            threads = [threading.Thread(target=work, args=(device,)) for device in devices]
            for thread in threads:
                thread.start()
            longest = longest_stall(seconds)
            token.cancel()
            for thread in threads:
                thread.join()
        for device in devices:
            device.close()
        return longest

    return run


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    seconds = 0.3 if options.quick else 1.0
    cases = {
        "idle interpreter": lambda: longest_stall(seconds),
        "8 threads in slow calls": case("auto", seconds),
        "the same, GIL held": case("hold", seconds),
    }
    figures = harness.take_turns(cases, 3 if options.quick else 9)
    harness.report({"longest stall of a 1 ms heartbeat": figures}, "ms", 1e3, options.json)


if __name__ == "__main__":
    main()
