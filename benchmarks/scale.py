"""Does a device cost the same whether there are 1 or 10,000 of them?

``python -m benchmarks.scale [--json] [--quick]``. Opening, one read and closing, for each device.
"""

from __future__ import annotations

import time
from functools import partial

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run

TOTAL = 10_000  # devices a turn


def case(count: int) -> Run:
    """Opens, reads and closes ``count`` devices, over and over; returns seconds a device."""
    import hwsim

    uris = [f"hwsim://scale{i}?latency=0s" for i in range(count)]

    def run() -> float:
        start = time.perf_counter()
        for _ in range(TOTAL // count):
            devices = [hwsim.open(uri) for uri in uris]
            for device in devices:
                device.read_register(64)
            for device in devices:
                device.close()
            del device, devices  # freeing them counts
        return (time.perf_counter() - start) / TOTAL

    return run


COUNTS = (1, 10, 100, 1000, 10_000)
QUESTIONS = [
    Question(
        "open, read and close N devices, a device",
        "us",
        {f"N = {count}": partial(case, count) for count in COUNTS},
        turns=15,
        quick=3,
        goals=[Goal(f"N = {count}", 1.5, against="N = 1") for count in COUNTS[1:]],
    )
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
