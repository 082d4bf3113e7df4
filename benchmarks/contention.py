"""How many calls a second are left beside one CPU-bound Python thread?

``python -m benchmarks.contention [--json] [--quick]``, on two processors or more. A binding that
releases the GIL around each call has to get it back from the other thread, which takes up to the
switch interval (5 ms). hwsim releases it only for waits that are long enough; which ones,
``benchmarks.threshold`` shows. Left to itself, the scheduler at times puts both threads on one
processor, where the other one hardly gets the GIL while it is free; so each has a processor of its
own, and the other way stands beside it.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial

from benchmarks import harness, peers
from benchmarks.harness import Goal, Question, Run

SECONDS = 0.25  # a turn
PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(index: int) -> None:
    """Keeps the calling thread on one of the processors, where the system can."""
    if PROCESSORS:
        os.sched_setaffinity(0, {PROCESSORS[index]})


class Counter(threading.Thread):
    """The CPU-bound thread, on the last processor; counts its own progress in a with statement."""

    def __init__(self, pinned: bool = True) -> None:
        super().__init__()
        self.pinned = pinned
        self.count = 0
        self.done = False

    def run(self) -> None:
        """Counts until told to stop."""
        if self.pinned:
            pin(-1)
        while not self.done:
            self.count += 1

    def __enter__(self) -> Counter:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.done = True
        self.join()


def case(binding: str, latency: str, pinned: bool) -> Run:
    """Reads a second beside the thread."""
    read = peers.open_device(binding, f"hwsim://contention?latency={latency}").read_register
    if pinned:
        pin(0)

    def run() -> float:
        with Counter(pinned):
            calls, start = 0, time.perf_counter()
            while (now := time.perf_counter()) - start < SECONDS:
                for _ in range(10):  # so that looking at the clock costs little
                    read(64)
                calls += 10
        return calls / (now - start)

    return run


def question(latency: str, place: str, bindings: tuple[str, ...], goals: list[Goal]) -> Question:
    """Reads of one latency, by each binding."""
    cases = {binding: partial(case, binding, latency, place == PINNED) for binding in bindings}
    return Question(f"reads of {latency}, {place}", "calls/s", cases, turns=9, quick=3, goals=goals)


PINNED, FREE = "a processor for each thread", "where the scheduler puts the threads"
ALL, SOME = ("hwsim", *peers.TOOLS), ("hwsim", "handwritten", "nanobind")
QUESTIONS = [
    question("0s", PINNED, ALL, [Goal("hwsim", 2, "nanobind", at_least=True)]),
    question("20us", PINNED, ALL, [Goal("hwsim", 20, "nanobind", at_least=True)]),
    question("0s", FREE, SOME, []),
    question("20us", FREE, SOME, []),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
