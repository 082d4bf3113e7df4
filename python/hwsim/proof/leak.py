"""Does a call leave something behind: memory, objects, references, descriptors, threads?

A process makes the call in batches and counts after each what it has. What a cache or a first call
takes does not grow with every batch; a leak does. What seems to leak must do so again in another
process, which makes as many calls as the budget allows: a cache may need hundreds to be full, and
where they are fewer and what grew is little, nobody can tell. Success and each error path are
judged apart.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hwsim.proof import child
from hwsim.proof.child import Channel
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import (
    BUDGET,
    INCONCLUSIVE,
    Finding,
    confirmed,
    endless,
    inconclusive,
    too_dear,
)

ORACLE = "leak"
WARM_UP, BATCHES = 2, 5
FEWEST = 2 + 2 + BATCHES  # calls: two that are looked at, two before those that count, and those
LOOKS, LOOK = 5, 0.1  # calls that tell how long one takes, and seconds after which they are enough
MOST = 100  # calls in a batch: all together must find descriptors enough, should each leak one
LONG = 20  # batches before those that count, where little seems to leak: they fill most caches
ROOM = 1 << 29  # bytes that all batches may leak
SPAN = 1.0  # seconds for all batches of a short call
SETTLE = 0.2  # seconds for threads to end by themselves
PAGE = 4096
TASKS = "/proc/self/task"
# What one call must leave behind on average for it to be a leak, by kind.
LEAST = {
    "memory": 1.0,
    "mapped": 0.9 * PAGE,
    "objects": 0.05,
    "references": 0.05,
    "descriptors": 0.05,
    "threads": 0.05,
}
NOISE = {"memory": 2048}  # by which what the allocator has given out goes up and down anyway
# What fewer calls than MOST in each batch must leave behind in all, by kind: caches are smaller.
MUCH = {
    "memory": 1 << 20,
    "mapped": 1 << 20,
    "objects": 1000,
    "references": 1000,
    "descriptors": 64,
    "threads": 64,
}
ADVICE = {
    "memory": "free what the call allocated, on every path out of it",
    "mapped": "unmap what the call mapped, on every path out of it",
    "objects": "drop what the call created: what Py_BuildValue('O', x), PyList_Append and "
    "PyDict_SetItem are given still belongs to the call",
    "references": "give back what the call took of its arguments or types: Py_DECREF on every path",
    "descriptors": "close what the call opened, on every path out of it",
    "threads": "end and join the threads that the call started",
}


def check_leak(
    subject: Subject,
    *,
    errors: Sequence[tuple[Any, ...]] = (),
    limit: float = 60.0,
    budget: float = BUDGET,
) -> Finding:
    """Tells whether a call leaves something behind.

    Args:
        subject: The call.
        errors: Arguments with which it fails: one tuple for each error path.
        limit: Seconds after which the first call is given up.
        budget: Seconds for all calls of one path, which are nine at least; if they would take
            longer, they are not made. As many again for what seems to leak.

    Returns:
        ``"clean"``, ``"leaks"`` or ``"inconclusive"``. The figures have, for each path, what a call
        leaves behind: bytes of memory (allocated or mapped), objects, references to its arguments
        and types, descriptors, threads.

    Raises:
        TypeError: The call cannot be made in a fresh process; or what is in ``errors`` is no tuple.
    """
    return confirmed(
        judge(subject, errors=errors, limit=limit, budget=budget),
        ("leaks everything", _leaky_finding),
        ("clean", lambda: judge(Subject(_tidy), errors=(), limit=30.0)),
    )


def judge(
    subject: Subject, *, errors: Sequence[tuple[Any, ...]], limit: float, budget: float = BUDGET
) -> Finding:
    """The same, without the controls that say whether it can be trusted here."""
    paths = {"success": subject}
    for number, arguments in enumerate(errors, start=1):
        if not isinstance(arguments, (tuple, list)):
            raise TypeError(f"errors must have a tuple for each error path, got {arguments!r}")
        paths[f"error {number}"] = subject.with_arguments(tuple(arguments))
    findings = {path: _path(made, limit, budget) for path, made in paths.items()}
    for verdict in "leaks", INCONCLUSIVE, "clean":
        for path, finding in findings.items():
            if finding.verdict == verdict:
                advice = f"{path}: {finding.advice}" if finding.advice else ""
                figures = {path: dict(found.figures) for path, found in findings.items()}
                return Finding(ORACLE, verdict, figures, advice, finding.evidence)
    raise AssertionError("every finding has one of these verdicts")


def _path(subject: Subject, limit: float, budget: float) -> Finding:
    """Judges one path; what leaks must do so in two processes."""
    first = _once(subject, limit, budget)
    if first.verdict != "leaks":
        return first
    bounded = {"descriptors", "threads"}.intersection(first.figures)
    leaked = max(first.figures.get("memory", 0), first.figures.get("mapped", 0))
    small = not bounded and leaked * MOST * (LONG + BATCHES) < ROOM
    second = _once(subject, limit, budget, span=0.8 * budget, warm_up=LONG if small else WARM_UP)
    if second.verdict == "leaks":
        calls = second.figures["calls"]
        if calls >= MOST * BATCHES or any(
            second.figures.get(kind, 0) * calls >= much for kind, much in MUCH.items()
        ):
            return second
        enough = budget * MOST * BATCHES / calls
        return inconclusive(
            ORACLE,
            f"something grew with each of {calls} calls, but so few may only fill a cache: give it "
            f"arguments with which it is shorter, or a budget of {enough:.0f} s",
            **second.figures,
        )
    if second.verdict == INCONCLUSIVE or small:  # what grew at first did not go on
        return second
    return inconclusive(
        ORACLE,
        "what grew in one process did not in another: a cache, perhaps, or another thread; "
        "call something that depends on less",
        first.evidence,
        **first.figures,
    )


def _once(
    subject: Subject,
    limit: float,
    budget: float = BUDGET,
    *,
    span: float = SPAN,
    warm_up: int = WARM_UP,
) -> Finding:
    ended = child.run(_grow, subject, span, warm_up, budget, limit=limit + budget)
    evidence = ended.evidence("the calls")
    if not ended.result:
        if ended.status is None:
            return endless(ORACLE, limit + budget, evidence)
        return inconclusive(ORACLE, f"the call cannot be made: {ended.reason}", evidence)
    calls: int = ended.result["calls"]
    if not calls:
        return too_dear(ORACLE, ended.result["seconds"], FEWEST, budget)
    figures: dict[str, Any] = {"outcome": ended.result["outcome"], "calls": calls * BATCHES}
    leaked: list[str] = []
    for kind, growth in ended.result["growth"].items():
        least = max(LEAST[kind] * calls * BATCHES, NOISE.get(kind, 0))
        if min(growth) > 0 and sum(growth) >= least:
            leaked.append(kind)
            figures[kind] = round(sum(growth) / (calls * BATCHES), 2)
    verdict = "leaks" if leaked else "clean"
    return Finding(ORACLE, verdict, figures, "; ".join(ADVICE[kind] for kind in leaked), evidence)


def _leaky_finding() -> Finding:
    """What is said of a call that leaks everything; the verdict names what is missing."""
    finding = _once(Subject(_leaky, ([],)), 30.0)
    missing = [kind for kind in LEAST if kind not in finding.figures and kind != "mapped"]
    if sys.platform != "linux":
        missing = [kind for kind in missing if kind not in ("memory", "threads")]
    verdict = f"no {', '.join(missing)}" if missing else "leaks everything"
    return Finding(ORACLE, verdict, finding.figures, "", finding.evidence)


# ------------------------------------------------------------------- in the fresh process


def _grow(
    channel: Channel, subject: Subject, span: float, warm_up: int, budget: float
) -> dict[str, Any]:
    """Makes the calls, and tells how each count grew from batch to batch.

    Args:
        channel: Not used.
        subject: The call.
        span: Seconds for all batches.
        warm_up: Batches before those that count.
        budget: Seconds; if the fewest calls would take longer, it only tells how long one takes.
    """
    del channel
    function, arguments = subject.load(), subject.arguments()
    watched = [function, getattr(function, "__self__", None), *arguments, *_parts(arguments)]
    begin = time.monotonic()
    outcome = _call(function, arguments, watched)
    seconds = time.monotonic() - begin
    size = PAGE
    if seconds <= budget:  # the first may take longer than the others
        seconds, size = _usual(function, arguments)
    if time.monotonic() - begin + (FEWEST - 2) * seconds > budget:
        return {"calls": 0, "seconds": seconds}
    most = min(MOST, ROOM // (size * (WARM_UP + BATCHES)))
    calls = max(min(int(span / (warm_up + BATCHES) / max(seconds, 1e-9)), most), 1)
    counters = {kind: count for kind, count in _counters(watched).items() if count() >= 0}
    counts = {kind: array.array("q", bytes(8 * (BATCHES + 1))) for kind in counters}
    threads = _entries(TASKS)
    for batch in range(-warm_up if calls > 1 else -1, BATCHES + 1):
        for _ in range(calls):
            with contextlib.suppress(Exception):
                function(*arguments)
        _settle(threads)
        threads = _entries(TASKS)
        for kind, count in counters.items():  # also before: to count takes something the first time
            counts[kind][max(batch, 0)] = count()
    growth = {
        kind: [after - before for before, after in itertools.pairwise(each)]
        for kind, each in counts.items()
    }
    return {"calls": calls, "outcome": outcome, "growth": growth}


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], watched: list[Any]) -> str:
    """Makes the call; from now on the type of what it gave is watched as well."""
    try:
        watched.append(type(function(*arguments)))
    except Exception as error:
        watched.append(type(error))
        return type(error).__name__
    return "returned"


def _usual(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[float, int]:
    """Seconds that a call takes, on a busy machine as well, and bytes that it may leak."""
    resident = _statm(1)  # what a thread may use is much more
    seconds: list[float] = []
    while len(seconds) < LOOKS and sum(seconds) < LOOK:
        start = time.monotonic()
        with contextlib.suppress(Exception):
            function(*arguments)
        seconds.append(time.monotonic() - start)
    return min(seconds), max((_statm(1) - resident) // len(seconds), PAGE)


def _parts(arguments: tuple[Any, ...]) -> Iterator[Any]:
    """What the arguments contain."""
    for argument in arguments:
        if isinstance(argument, dict):
            yield from argument.values()
        elif isinstance(argument, (list, tuple, set)):
            yield from argument


def _counters(watched: list[Any]) -> dict[str, Callable[[], int]]:
    return {
        "memory": _allocator(),
        "mapped": _mapped,
        "objects": sys.getallocatedblocks,
        "references": lambda: sum(map(sys.getrefcount, watched)),
        "descriptors": lambda: _entries("/dev/fd"),
        "threads": lambda: _entries(TASKS),
    }


def _settle(threads: int) -> None:
    """Lets garbage go, and threads that are about to end until there are no more than so many."""
    gc.collect()
    end = time.monotonic() + SETTLE
    while _entries(TASKS) > threads and time.monotonic() < end:
        time.sleep(0.005)


def _entries(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return -1


def _mapped() -> int:
    return _statm(0)


def _statm(field: int) -> int:
    """A number of bytes from the kernel's count of this process's memory; -1: not here."""
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return -1
    # Not open(): what reads text keeps an object now and then, which would count as the call's.
    text = os.read(file, 100)
    os.close(file)
    return int(text.split()[field]) * PAGE


class _Mallinfo(ctypes.Structure):
    """What glibc's allocator has given out, in all its arenas."""

    _fields_ = [(f"field_{n}", ctypes.c_size_t) for n in range(10)]


def _allocator() -> Callable[[], int]:
    """Returns what counts the bytes that malloc() has given out; -1: not on this system."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return lambda: -1
    mallinfo.restype = _Mallinfo

    def count() -> int:
        info = mallinfo()
        mapped, in_use = info.field_4, info.field_7  # hblkhd, uordblks
        return int(mapped + in_use)

    return count


_kept: list[object] = []


def _leaky(argument: list[object]) -> None:
    """Leaks one of everything: the control."""
    ctypes.CDLL(None).malloc(ctypes.c_size_t(100))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(argument))
    _kept.append(object())
    if len(_kept) % 4 == 0:
        _kept.append(os.dup(2))
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def _tidy() -> None:
    """Takes one of everything and gives it back: the other control."""
    os.close(os.dup(2))
    thread = threading.Thread(target=bytearray, args=(1000,))
    thread.start()
    thread.join()
