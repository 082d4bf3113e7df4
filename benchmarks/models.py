"""What do models cost: a read, a rule, a behaviour, opening a large map, its memory?

``python -m benchmarks.models [--json] [--quick]``. On a device without latency: a read of a model's
register is compared with one of the built-in model's, a write that sets off a rule with one that
does not, and one that calls a behaviour with a call of a Python function from C, by ctypes. Memory
is what the process grows by for each register of the devices that are opened.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from pathlib import Path
from typing import Any

import hwsim
from benchmarks import harness
from benchmarks.harness import Goal, Question, Run
from hwsim.models import (
    Field,
    Map,
    Register,
    RegisterInfo,
    at_least,
    on_write,
    unequal,
    when_written,
)

WRITES = 200_000
REGISTERS = 10_000


class Model(hwsim.Model):
    """Registers of which some do something."""

    class PLAIN(Register, at=0):
        """Holds what is written."""

    class RULED(Register, at=4):
        """Sets a flag."""

    class FLAG(Register, at=8):
        """Is set."""

        ON = Field(0)

    class CODED(Register, at=12):
        """Calls a method."""

    class ASKED(Register, at=16):
        """Sets a flag, if two conditions hold."""

    rules = (
        when_written(RULED).set(FLAG.ON),
        when_written(ASKED, at_least(0)).given(PLAIN, unequal(1)).set(FLAG.ON),
    )

    @on_write(CODED)
    def method(self, value: int) -> None:
        """Does nothing."""


def write(address: int) -> Run:
    """Seconds a write."""
    device = hwsim.open("hwsim://models?latency=0s", model=Model)

    def run() -> float:
        start = time.perf_counter()
        for value in range(WRITES):
            device[address] = value
        return (time.perf_counter() - start) / WRITES

    return run


def read(address: int, model: Any = None) -> Run:
    """Seconds a read."""
    device = hwsim.open(f"hwsim://reads-{address}-{model is None}?latency=0s", model=model)

    def run() -> float:
        start = time.perf_counter()
        for _ in range(WRITES):
            device.read_register(address)
        return (time.perf_counter() - start) / WRITES

    return run


def callback() -> Run:
    """Seconds a call of a Python function by one in C, which keeps the GIL."""
    call = ctypes.PYFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32)(lambda address, value: None)

    def run() -> float:
        start = time.perf_counter()
        for value in range(WRITES):
            call(12, value)
        return (time.perf_counter() - start) / WRITES

    return run


INFOS = [RegisterInfo(f"R{i}", 4 * i, writable=255) for i in range(REGISTERS)]


def large() -> Map:
    """A map of many registers."""
    return Map("large", INFOS)


def opening(anew: bool = False) -> Run:
    """Seconds until a device of a large map, which may be made first, is open and closed again."""
    entries = large()

    def run() -> float:
        start = time.perf_counter()
        hwsim.open("hwsim://large", model=large() if anew else entries).close()
        return time.perf_counter() - start

    return run


def resident() -> int:
    """Bytes of the process that are in memory; Linux only."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        raise harness.Unavailable("there is no /proc/self/statm") from None
    return int(pages) * mmap.PAGESIZE


def memory() -> Run:
    """Bytes a register: the model in the library, and a device of it."""
    entries = large()
    kept = []

    def run() -> float:
        before = resident()
        for _ in range(10):
            model = type(entries.native)(entries.native._description())
            kept.append((model, hwsim._native.Device(f"hwsim://m{len(kept)}", model)))
        return (resident() - before) / (10 * REGISTERS)

    return run


QUESTIONS = [
    Question(
        "a plain read",
        "ns",
        {
            "built-in": lambda: read(0x40),
            "of a class": lambda: read(0, Model),
            "of 10,000 registers": lambda: read(20_000, large()),
        },
        turns=15,
        quick=3,
        goals=[
            Goal("of a class", 1.1, against="built-in"),
            Goal("of 10,000 registers", 1.1, against="built-in"),
        ],
    ),
    Question(
        "a write that sets off a rule",
        "ns",
        {
            "plain": lambda: write(0),
            "with a rule": lambda: write(4),
            "with two conditions": lambda: write(16),
        },
        turns=15,
        quick=3,
        goals=[
            Goal("with a rule", 2, against="plain"),
            Goal("with two conditions", 2, against="plain"),
        ],
    ),
    Question(
        "a write that calls a behaviour",
        "ns",
        {"a callback": callback, "with a behaviour": lambda: write(12)},
        turns=15,
        quick=3,
        goals=[Goal("with a behaviour", 3, against="a callback")],
    ),
    Question(
        "opening a device of 10,000 registers",
        "ms",
        {"open": opening, "with the map": lambda: opening(anew=True)},
        turns=15,
        quick=3,
        goals=[Goal("open", 0.05), Goal("with the map", 0.05)],
    ),
    Question(
        "memory of a model and a device, a register",
        "B",
        {"memory": memory},
        turns=5,
        quick=3,
        goals=[Goal("memory", 200)],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
