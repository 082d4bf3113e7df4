"""What do short operations cost beside one CPU-bound Python thread?

``python -m benchmarks.contention [--json] [--quick]``. A binding that releases the GIL around each
call has to get it back from the other thread, which costs up to the switch interval. hwsim releases
only for waits that are long enough (GIL_THRESHOLD_NS, 100 us): the sweep goes from below to above.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import hwsim
from benchmarks import harness, peers

LATENCIES = ("0s", "20us", "50us", "100us", "200us", "500us", "2ms")


class Counter(threading.Thread):
    """The CPU-bound thread; counts its own progress."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self.done = False

    def run(self) -> None:
        """Counts until told to stop."""
        while not self.done:
            self.count += 1


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    repeats, seconds = (3, 0.1) if options.quick else (7, 0.3)
    theirs = peers.handwritten()
    questions: dict[str, harness.Figures] = {}
    for latency in LATENCIES:
        uri = f"latency={latency}"
        hand = theirs.Device(f"hwsim://hand-{latency}?{uri}")
        with hwsim.open(f"hwsim://ours-{latency}?{uri}") as device:

            def case(read: Callable[[int], int], policy: hwsim.gil.Policy) -> Callable[[], float]:
                def run() -> float:
                    with hwsim.gil.policy(policy):
                        calls, start = 0, time.perf_counter()
                        while time.perf_counter() - start < seconds:
                            read(64)
                            calls += 1
                        return (time.perf_counter() - start) / calls

                return run

            cases = {
                "handwritten, releases": case(hand.read_register, "auto"),
                "hwsim, as declared": case(device.read_register, "auto"),
                "hwsim, policy release": case(device.read_register, "release"),
                "hwsim, policy hold": case(device.read_register, "hold"),
            }
            counter = Counter()
            counter.start()
            questions[f"a read of {latency}, microseconds a call"] = harness.take_turns(
                cases, repeats
            )
            counter.done = True
            counter.join()
    harness.report(questions, "us", 1e6, options.json)


if __name__ == "__main__":
    main()
