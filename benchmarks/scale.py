"""Does a device cost the same whether there are 10 or 10,000 of them?

``python -m benchmarks.scale [--json] [--quick]``. Opening, one read and closing, for each device.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import hwsim
from benchmarks import harness


def case(count: int, rounds: int) -> Callable[[], float]:
    """Opens, reads and closes ``count`` devices; returns seconds a device."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(rounds):
            devices = [hwsim.open(f"hwsim://scale{i}?latency=0s") for i in range(count)]
            for device in devices:
                device.read_register(64)
            for device in devices:
                device.close()
        return (time.perf_counter() - start) / (rounds * count)

    return run


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    total = 10_000
    cases = {f"{n} devices": case(n, total // n) for n in (10, 100, 1000, 10_000)}
    figures = harness.take_turns(cases, 3 if options.quick else 9)
    harness.report({"open, read and close, a device": figures}, "us", 1e6, options.json)


if __name__ == "__main__":
    main()
