"""What does an event cost on its way to a Python callback, and how late is it?

``python -m benchmarks.events [--json] [--quick]``. A manual clock is moved on, so that the timer of
the device ticks many times; a turn ends with the callback for the last tick. The native source is
the same for all bindings: the library's thread, which is none of Python's. The peers' callbacks are
called for one event at a time, as their manuals show. "a batch": what the library gives at once, up
to 256 events, goes to Python, which loops over it; a binding in C or C++ could do so as well.

Latency is from the time of a tick to the time that its callback reads. A thread that is busy in
Python gives the GIL up when it has been asked to for the switch interval, which is 5 ms unless it
is set. Beside it the ticks are further apart than that, so that none waits for the callback of
another, and each thread has a processor of its own.
"""

from __future__ import annotations

import atexit
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import harness, peers
from benchmarks.contention import Counter, pin
from benchmarks.harness import Goal, Question, Run

EVENTS = 50_000  # a turn
FEW = 5_000  # for bindings that take a hundred times as long
IDLE, BUSY = "idle interpreter, median", "beside a busy Python thread, p95"


def bulk(binding: str, method: str = "on_event", events: int = EVENTS) -> Run:
    """Seconds an event."""
    device = peers.open_device(binding, "hwsim://events?clock=manual&timer=1us")
    done = threading.Lock()
    done.acquire()
    last = -1

    def callback(event: Any) -> None:
        if event.sequence == last:
            done.release()

    options = {"kinds": ["timer"], "queue": events} if binding == "hwsim" else {}
    getattr(device, method)(callback, **options)
    atexit.register(device.close)

    def run() -> float:
        nonlocal last
        last += events
        start = time.perf_counter()
        device.advance(events * 1e-6)
        done.acquire()
        return (time.perf_counter() - start) / events

    return run


def rate() -> Run:
    """Events a second, the whole process on one core."""
    pin(0)
    run = bulk("hwsim")
    return lambda: 1 / run()


def idle() -> Run:
    """The median latency of 200 ticks, in seconds."""
    run = latency("1ms", 200)
    return lambda: statistics.median(run())


def busy(switch_interval: float) -> Run:
    """The 95th percentile of the latency of 50 ticks beside a CPU-bound thread, in seconds."""
    sys.setswitchinterval(switch_interval)
    pin(0)
    run = latency("10ms", 50)

    def beside() -> float:
        with Counter():
            return sorted(run())[math.ceil(50 * 0.95) - 1]

    return beside


def latency(timer: str, events: int) -> Callable[[], list[float]]:
    """The latencies of some ticks, in seconds."""
    import hwsim

    device = hwsim.open(f"hwsim://latency?timer={timer}")

    def run() -> list[float]:
        latencies: list[float] = []
        done = threading.Event()

        def callback(event: hwsim.Event) -> None:
            latencies.append(device.now - event.time_s)
            if len(latencies) == events:
                done.set()

        with device.on_event(callback, kinds=["timer"]):
            done.wait()
        return latencies[:events]

    return run


QUESTIONS = [
    Question(
        "an event to a Python callback",
        "ns",
        {
            "hwsim": partial(bulk, "hwsim"),
            **{tool: partial(bulk, tool, events=FEW) for tool in peers.TOOLS if tool != "cffi"},
            "cffi": partial(bulk, "cffi"),
            "cffi, a batch": partial(bulk, "cffi", "on_batch"),
            "ctypes, a batch": partial(bulk, "ctypes", "on_batch"),
        },
        turns=21,
        quick=5,
        goals=[
            *(Goal("hwsim", 0.1, peer) for peer in ("nanobind", "pybind11", "ctypes")),
            Goal("hwsim", 1.0, "cffi"),
        ],
    ),
    Question(
        "events to a Python callback, on one core",
        "events/s",
        {"hwsim": rate},
        turns=21,
        quick=5,
        goals=[Goal("hwsim", 500_000, at_least=True)],
    ),
    Question(
        "from an event to its callback",
        "us",
        {
            IDLE: idle,
            BUSY: partial(busy, 5e-3),
            f"{BUSY}, switch interval 1 ms": partial(busy, 1e-3),
        },
        turns=11,
        quick=3,
        goals=[
            Goal(IDLE, 99e-6),
            Goal(BUSY, 6e-3),
            Goal(f"{BUSY}, switch interval 1 ms", 2e-3),
        ],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
