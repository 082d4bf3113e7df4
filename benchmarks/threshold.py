"""From which wait on is it worth releasing the GIL?

``python -m benchmarks.threshold [--json] [--quick]``, on two processors or more. Reads that wait
for a rising time, with the GIL held and released. To release costs the reader up to the switch
interval (5 ms), if a CPU-bound thread is there to take the GIL. To hold costs that thread half its
speed, and threads that read from other devices the overlap; waits below 60 us spin, and do not
overlap much anyway. hwsim releases for waits longer than GIL_THRESHOLD_NS (``gil.i``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from benchmarks import harness
from benchmarks.contention import Counter, pin
from benchmarks.harness import Question, Run

LATENCIES = ("0s", "20us", "50us", "80us", "100us", "200us", "500us", "2ms")
POLICIES = {"held": "hold", "released": "release"}
SECONDS = 0.15  # a turn


def readers(count: int, latency: str, policy: str) -> list[Callable[[], float]]:
    """Returns functions that read from a device each, and return seconds a read."""
    import hwsim

    hwsim.gil.policy(policy)

    def reader(name: str) -> Callable[[], float]:
        device = hwsim.open(f"hwsim://{name}?latency={latency}&timeout=60s")

        def run() -> float:
            calls, start = 0, time.perf_counter()
            while (now := time.perf_counter()) - start < SECONDS:
                device.read_register(64)
                calls += 1
            return (now - start) / calls

        return run

    return [reader(f"reader{i}") for i in range(count)]


def contended(latency: str, policy: str) -> Run:
    """Seconds a read beside a CPU-bound thread."""
    pin(0)
    (read,) = readers(1, latency, policy)

    def run() -> float:
        with Counter():
            return read()

    return run


def remaining(latency: str, policy: str) -> Run:
    """Speed of the CPU-bound thread beside the reader, in percent of its speed alone."""
    pin(0)
    (read,) = readers(1, latency, policy)

    def speed(beside: Callable[[], object]) -> float:
        with Counter() as counter:
            before, start = counter.count, time.perf_counter()
            beside()
            return (counter.count - before) / (time.perf_counter() - start)

    return lambda: 100 * speed(read) / speed(lambda: time.sleep(SECONDS))


def overlapped(latency: str, policy: str) -> Run:
    """Seconds a read of 8 threads, each of which reads from a device of its own."""
    reads = readers(8, latency, policy)

    def run() -> float:
        figures: list[float] = []
        threads = [threading.Thread(target=lambda r=r: figures.append(r())) for r in reads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(figures) / len(figures)

    return run


QUESTIONS = [
    Question(
        title,
        unit,
        {
            f"{latency} {word}": partial(case, latency, policy)
            for latency in LATENCIES
            for word, policy in POLICIES.items()
        },
        turns=5,
        quick=2,
    )
    for title, unit, case in (
        ("a read, beside a CPU-bound thread", "us", contended),
        ("what the CPU-bound thread keeps of its speed", "%", remaining),
        ("a read, 8 threads on 8 devices", "us", overlapped),
    )
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
