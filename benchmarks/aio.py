"""What does it cost to await an operation, and how many can wait at once?

``python -m benchmarks.aio [--json] [--quick]``. Against asyncio's own floor: the same coroutines
over futures that ``call_soon`` sets; a thread that makes blocking calls and reports by
``call_soon_threadsafe``; ``asyncio.to_thread``. Operations take 1 us of the bus's time, so that
each has to be waited for.
"""

from __future__ import annotations

import asyncio
import queue
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from benchmarks import harness, overlap
from benchmarks.harness import Goal, Question, Run, Unavailable

MANY = 10_000
URI = "hwsim://aio?latency=1us&timeout=60s"
LOOPS = ("asyncio", "uvloop")
Case = Callable[[Any], Awaitable[float]]


def on(loop: str, case: Case) -> Run:
    """Returns what runs a case on a loop of this kind, with a device."""
    import hwsim.aio

    factory = asyncio.new_event_loop
    if loop == "uvloop":
        try:
            import uvloop
        except ImportError:
            raise Unavailable("uvloop is not installed") from None
        factory = uvloop.new_event_loop
    runner = asyncio.Runner(loop_factory=factory)
    device = hwsim.aio.Device(hwsim.open(URI))

    def run() -> float:
        return runner.run(case(device))

    return run


async def timed(one: Callable[[], Awaitable[object]]) -> float:
    """Awaits MANY at once; returns seconds each."""

    async def await_one() -> object:
        return await one()

    start = time.perf_counter()
    await asyncio.gather(*(await_one() for _ in range(MANY)))
    return (time.perf_counter() - start) / MANY


async def many(device: Any) -> float:
    """Operations."""
    return await timed(lambda: device.read_voltage(0))


async def floor(device: Any) -> float:
    """Futures."""
    loop = asyncio.get_running_loop()

    def future() -> asyncio.Future[float]:
        made = loop.create_future()
        loop.call_soon(made.set_result, 1.0)
        return made

    return await timed(future)


async def each(count: int, one: Callable[[], Awaitable[object]]) -> float:
    """Awaits one after another; returns the median of the seconds that each took."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await one()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def one_by_one(device: Any) -> float:
    """Operations."""
    return await each(2000, lambda: device.read_voltage(0))


async def in_native_thread(device: Any) -> float:
    """Blocking calls in a thread that is there already."""
    loop = asyncio.get_running_loop()
    wanted: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        while (future := wanted.get()) is not None:
            value = device.blocking.read_voltage(0)
            loop.call_soon_threadsafe(future.set_result, value)

    def call() -> asyncio.Future[float]:
        future = loop.create_future()
        wanted.put(future)
        return future

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return await each(1000, call)
    finally:
        wanted.put(None)
        thread.join()


async def to_thread(device: Any) -> float:
    """Blocking calls, each handed to a pool."""
    return await each(500, lambda: asyncio.to_thread(device.blocking.read_voltage, 0))


def crowd(loop: str) -> Run:
    """10,000 devices, each with an operation of 1 s; returns seconds for all."""
    import hwsim.aio

    devices = [
        hwsim.aio.Device(hwsim.open(f"hwsim://crowd{i}?latency=1s&timeout=60s"))
        for i in range(MANY)
    ]

    async def wait(_: Any) -> float:
        start = time.perf_counter()
        await asyncio.gather(*(device.read_voltage(0) for device in devices))
        return time.perf_counter() - start

    return on(loop, wait)


def resident() -> Run:
    """Returns KiB of resident memory for each open device."""
    import hwsim.aio

    def now() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4

    try:
        now()
    except OSError:
        raise Unavailable("there is no /proc") from None
    devices: list[hwsim.aio.Device] = []  # kept: memory that is freed would be used again

    def run() -> float:
        before, first = now(), len(devices)
        for i in range(first, first + MANY):
            devices.append(hwsim.aio.Device(hwsim.open(f"hwsim://m{i}")))
        return (now() - before) / MANY

    return run


def cases(named: dict[str, Case]) -> dict[str, Callable[[], Run]]:
    """Returns the cases on every loop."""
    return {
        f"{name}, {loop}": partial(on, loop, case) for loop in LOOPS for name, case in named.items()
    }


QUESTIONS = [
    Question(
        "10,000 coroutines at once, a coroutine",
        "us",
        cases({"futures": floor, "operations": many}),
        turns=15,
        quick=3,
        goals=[Goal(f"operations, {loop}", 1.1, against=f"futures, {loop}") for loop in LOOPS],
    ),
    Question(
        "one at a time, an operation",
        "us",
        cases({"awaited": one_by_one, "a thread": in_native_thread, "to_thread": to_thread}),
        turns=15,
        quick=3,
        goals=[
            *(Goal(f"awaited, {loop}", 0.6, against=f"a thread, {loop}") for loop in LOOPS),
            *(
                Goal(f"to_thread, {loop}", 5, against=f"awaited, {loop}", at_least=True)
                for loop in LOOPS
            ),
        ],
    ),
    Question(
        "10,000 devices, an operation of 1 s each, in one thread",
        "s",
        {loop: partial(crowd, loop) for loop in LOOPS},
        turns=5,
        quick=2,
        goals=[Goal(loop, 1.3) for loop in LOOPS],
    ),
    Question(
        "resident memory of an open device",
        "KiB",
        {"device": resident},
        turns=3,
        quick=2,
        goals=[Goal("device", 8)],
    ),
    Question(
        "threads, each with 50 operations of 20 ms in a row, an operation",
        "ms",
        {
            "1 thread": partial(overlap.reads, 1, 50),
            "64 threads": partial(overlap.reads, 64, 50),
            "64 threads, time.sleep": partial(overlap.sleeps, 64, 50),
        },
        turns=7,
        quick=2,
        goals=[Goal("64 threads", 1.15, against="1 thread")],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
