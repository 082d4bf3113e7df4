"""Does a call obey Ctrl-C, and does the module work afterwards?

A first process makes the call to its end, to know how long it takes. Others get a real SIGINT while
they are in it, one early and one late. A call that obeys ends soon after the signal; one that is
deaf ends when it would have ended anyway. What keeps the processor busy is compared in processor
time, so that other programs do not matter; nor is it taken to wait where they keep it waiting.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from hwsim.proof import child
from hwsim.proof.child import Channel
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import (
    BUDGET,
    INCONCLUSIVE,
    UNSUPPORTED,
    Finding,
    confirmed,
    inconclusive,
    milliseconds,
)

ORACLE = "interrupt"
SHORTEST = 0.25  # seconds that a call must last to be interrupted in its midst
MOMENTS = 0.1, 0.25  # of its duration at which the signal comes, and of a second at the latest
OBEYS = 0.35  # of what was left of it: a call that ends within this obeys
DEAF = 0.6  # one that takes more than this of what was left is deaf
MARGIN = 0.005  # seconds after which a process that said that it calls does so
LATE = 1.0  # seconds after which Ctrl-C seems not to work
TRIES = 3  # for a signal that missed the call
ADVICE = {
    INCONCLUSIVE: "the signal missed the call, or came close to its end: give the call arguments "
    "with which it takes longer",
    "deaf": "wait in slices, and call PyErr_CheckSignals() with the GIL held between them; or end "
    "the wait from signal.set_wakeup_fd()",
    "late": "look for signals more often: PyErr_CheckSignals() about every 50 ms",
    "swallowed": "the handler's exception was dropped or replaced: when PyErr_CheckSignals() "
    "returns -1, return NULL at once and leave the exception set",
    "broken": "undo what a call began on the way out of an interrupted one",
    "hangs": "release what a call locked, and forget what it asked for, on the way out of an "
    "interrupted one",
    "crashes": "leave nothing behind that refers to the stack or objects of an interrupted call",
}


class Measured(NamedTuple):
    """What a call took until it ended.

    Attributes:
        wall: Seconds.
        cpu: Seconds of processor time of the process.
        outcome: ``"returned"``, the name of the exception, or ``"never ended"``.
        queued: Seconds that its thread waited for a processor; 0 where the system does not tell.
    """

    wall: float
    cpu: float
    outcome: str
    queued: float = 0.0

    @property
    def computes(self) -> bool:
        """Whether it keeps a processor busy, or would if others left it one.

        What waits in slices is queued after each, but has hardly used a processor.
        """
        return self.cpu + self.queued > 0.5 * self.wall and self.cpu > 0.05 * self.wall


def check_interrupt(subject: Subject, *, limit: float = 60.0, budget: float = BUDGET) -> Finding:
    """Tells whether a call obeys Ctrl-C.

    Args:
        subject: The call; it should last at least half a second, or not end at all.
        limit: Seconds after which a call is taken not to end.
        budget: Seconds for the calls; where they are too few for two signals, there is one.

    Returns:
        ``"obeys"``; ``"late"``: only after more than a second; ``"deaf"``: KeyboardInterrupt comes
        when the call ends by itself; ``"swallowed"``: it never comes, but nothing or another
        exception; ``"broken"``, ``"hangs"``, ``"crashes"``: the module does not work afterwards; or
        ``"inconclusive"``.

    Raises:
        TypeError: The call cannot be made in a fresh process.
    """
    if sys.platform == "win32":
        return Finding(ORACLE, UNSUPPORTED, advice="Windows has no SIGINT for one process")
    known = Measured(0.3, 0.0, "returned")
    return confirmed(
        judge(subject, limit, budget),
        ("deaf", lambda: _attempt(Subject(_deaf, (known.wall,)), known, 0.25, 10.0)),
        ("obeys", lambda: _attempt(Subject(time.sleep, (known.wall,)), known, 0.25, 10.0)),
    )


def judge(subject: Subject, limit: float, budget: float = BUDGET) -> Finding:
    """The same, without the controls that say whether it can be trusted here."""
    whole = child.run(_measure, subject, 1, limit=limit)
    if not whole.result and whole.status is not None:
        return inconclusive(
            ORACLE, f"the call cannot be made: {whole.reason}", whole.evidence("undisturbed")
        )
    full = Measured(*whole.result) if whole.result else Measured(limit, 0.0, "never ended")
    if full.wall < SHORTEST:
        return inconclusive(
            ORACLE,
            f"the call takes {full.wall * 1e3:.1f} ms, too short to interrupt: give it arguments "
            f"with which it takes {SHORTEST * 1e3:.0f} ms at least",
            call_ms=milliseconds(full.wall),
            outcome=full.outcome,
        )
    # Each signal may take two whole calls: one that is deaf, and one afterwards.
    moments = MOMENTS if 5 * full.wall < budget else MOMENTS[-1:]
    for _ in range(TRIES):
        findings = [_interrupted(subject, full, moment, limit) for moment in moments]
        verdicts = {finding.verdict for finding in findings}
        mixed = len(verdicts) > 1 and "deaf" in verdicts
        if not mixed:  # else one may have met a machine that was busy for as long as the call
            break
    for verdict in ("crashes", "hangs", "broken", "swallowed", INCONCLUSIVE):
        for finding in findings:
            if finding.verdict == verdict:
                return finding
    worst = max(findings, key=lambda finding: float(finding.figures.get("interrupt_ms", 0)))
    if mixed:
        return inconclusive(
            ORACLE,
            f"two signals had different effects, {' and '.join(sorted(verdicts))}: give the call "
            "arguments with which it takes longer, or try on a quiet machine",
            "\n".join(finding.report() for finding in findings),
            **worst.figures,
        )
    return worst


def _interrupted(subject: Subject, full: Measured, moment: float, limit: float) -> Finding:
    """Interrupts the call at a moment; again if the signal missed it."""
    for _ in range(TRIES):
        finding = _attempt(subject, full, moment, limit)
        if finding.verdict != INCONCLUSIVE:
            break
    return finding


def _attempt(subject: Subject, full: Measured, moment: float, limit: float) -> Finding:
    delay = min(moment * full.wall, moment)
    sent: list[float] = []
    seen: dict[str, Any] = {}

    def listen(message: Any, pid: int) -> None:
        if message == "calling":
            time.sleep(delay)
            sent.append(time.monotonic())
            os.kill(pid, signal.SIGINT)
        else:
            seen.update(message)

    endless = full.outcome == "never ended"
    patience = limit + 15.0 if endless else 4 * full.wall + min(limit, 15.0)
    ended = child.run(_be_interrupted, subject, endless, limit=patience, on_message=listen)
    figures: dict[str, Any] = {"call_ms": milliseconds(full.wall)}
    if not seen:
        verdict = "deaf" if endless and ended.trouble == "hangs" else ended.trouble
    else:
        took = max(seen["ended"] - sent[0], 0.0)
        figures |= {"interrupt_ms": milliseconds(took), "ended_by": seen["outcome"]}
        figures["afterwards"] = ended.how if ended.result is None else ended.result
        if not seen["handled"] or seen["entered"] + MARGIN > sent[0]:
            verdict = INCONCLUSIVE
        elif seen["outcome"] != "KeyboardInterrupt":  # nobody who waits for that gets it
            verdict = "swallowed"
        elif ended.result is None:
            verdict = ended.trouble
        else:
            verdict = _speed(seen, full, took, delay)
        usual = "KeyboardInterrupt" if endless else full.outcome
        if verdict in ("obeys", "late") and ended.result != usual:
            changes = _changes(subject, ended.result, patience)
            verdict = verdict if changes else "broken"
    return Finding(
        ORACLE,
        verdict or INCONCLUSIVE,
        figures,
        ADVICE.get(verdict, ""),
        ended.evidence(f"SIGINT {delay * 1e3:.0f} ms after the call began"),
    )


def _speed(seen: dict[str, Any], full: Measured, took: float, delay: float) -> str:
    """Whether it ended because of the signal."""
    if full.computes:  # wall time says more about the other programs
        before = delay * full.cpu / full.wall
        share = (seen["cpu"] - before) / (full.cpu - before)
        if seen["completed"]:  # only a call that waits may return early because of a signal
            return "deaf"
    else:
        share = took / (full.wall - delay)
    if share >= DEAF:
        return "deaf"
    if share > OBEYS:
        return INCONCLUSIVE
    return "late" if took > LATE else "obeys"


def _changes(subject: Subject, outcome: str, limit: float) -> bool:
    """Whether the second call ends like that also when nothing has interrupted the first."""
    second = child.run(_measure, subject, 2, limit=limit)
    return bool(second.result) and Measured(*second.result).outcome == outcome


# ------------------------------------------------------------------- in the fresh process


def _measure(channel: Channel, subject: Subject, times: int) -> Measured:
    """Makes the call to its end so many times; tells of the last."""
    del channel
    call = subject.bound()
    for _ in range(times):
        wall, cpu, queued = time.monotonic(), time.process_time(), _queued()
        outcome = _outcome(call)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        measured = Measured(wall, cpu, outcome, _queued() - queued)
    return measured


def _queued() -> float:
    """Seconds that this thread has waited for a processor; 0 where the system does not tell."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0.0


def _be_interrupted(channel: Channel, subject: Subject, endless: bool) -> str:
    """Makes the call, tells when each thing happened, and how it ends when made again."""
    function, arguments = subject.load(), subject.arguments()
    handled = []

    def handle(*_: object) -> None:
        handled.append(time.monotonic())
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handle)
    results: list[Any] = []
    outcome = "returned"
    channel.send("calling")
    entered, cpu = time.monotonic(), time.process_time()
    try:
        try:
            # Within one C function: no handler runs between the end of the call and the list.
            results.extend(itertools.starmap(function, (arguments,)))
        except BaseException as error:
            outcome = type(error).__name__
    except KeyboardInterrupt:  # the call has raised by itself, and the handler runs only now
        outcome = "KeyboardInterrupt"
    ended, cpu = time.monotonic(), time.process_time() - cpu
    try:
        while not handled:  # it is under way, and must not hit what follows
            time.sleep(0.1)
    except KeyboardInterrupt:
        handled.clear()
    channel.send(
        {
            "entered": entered,
            "ended": ended,
            "cpu": cpu,
            "outcome": outcome,
            "handled": bool(handled),
            "completed": bool(results),
        }
    )
    if endless:
        channel.send("calling")
    return _outcome(subject.bound())


def _outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except (Exception, KeyboardInterrupt) as error:
        return type(error).__name__
    return "returned"


def _deaf(seconds: float) -> None:
    """Waits, and no signal ends it: the control."""
    library = ctypes.CDLL(None)
    mutex, condition = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
    library.pthread_mutex_init(mutex, None)
    library.pthread_cond_init(condition, None)
    library.pthread_mutex_lock(mutex)
    end = time.time_ns() + int(seconds * 1e9)
    until = (ctypes.c_long * 2)(end // 10**9, end % 10**9)
    library.pthread_cond_timedwait(condition, mutex, until)
