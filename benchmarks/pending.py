"""Does an operation cost the same, however many are pending on its device?

``python -m benchmarks.pending [--json] [--quick]``. Operations are submitted to one device with a
manual clock, without threads; then time passes and all of them happen, or each is cancelled by a
token of its own, from the first on or from the last on. ``O(n log n)`` for all of them is
``O(log n)`` for each: the slope from 100 to 100,000 must stay flat.
"""

from __future__ import annotations

import ctypes
from functools import partial

from benchmarks import harness, peers
from benchmarks.harness import Goal, Question, Run

COUNTS = (100, 1000, 10_000, 100_000)
TOTAL = 100_000  # operations a turn
HOW = {"settled": 0, "cancelled from the first on": 1, "cancelled from the last on": 2}


def case(count: int, how: int) -> Run:
    """Seconds an operation, when ``count`` are pending."""
    pending = ctypes.CDLL(str(peers.build_library("pending"))).pending
    pending.restype, pending.argtypes = ctypes.c_double, (ctypes.c_size_t, ctypes.c_int)

    def run() -> float:
        nanoseconds = [pending(count, how) for _ in range(max(1, TOTAL // count))]
        if min(nanoseconds) < 0:
            raise RuntimeError("an operation has not ended")
        return sum(nanoseconds) / len(nanoseconds) / 1e9

    return run


def question(title: str, how: int) -> Question:
    """One way in which the operations end."""
    return Question(
        f"{count_text(COUNTS[-1])} operations pending on one device, {title}, an operation",
        "ns",
        {f"n = {count_text(count)}": partial(case, count, how) for count in COUNTS},
        turns=15,
        quick=3,
        goals=[Goal(f"n = {count_text(count)}", 3, against="n = 100") for count in COUNTS[1:]],
    )


def count_text(count: int) -> str:
    """Returns a number as people write it."""
    return f"{count:,}"


QUESTIONS = [question(title, how) for title, how in HOW.items()]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
