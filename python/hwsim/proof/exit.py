"""Does the interpreter end cleanly while a call is under way?

A process ends its main program: after a call, and at some moments while a daemon thread makes one
after the other, so that some end during the interpreter's own end. What counts is how the process
ended: its status, the signal that killed it, or that it did not end.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import threading
import time
from typing import Any

from hwsim.proof import child
from hwsim.proof.child import Channel, Ended
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import BUDGET, INCONCLUSIVE, Finding, confirmed, inconclusive
from hwsim.proof.verdict import milliseconds as ms

ORACLE = "exit"
PATIENCE = 10.0  # seconds more than the call takes after which a process is taken to hang
MOMENTS = 0.0, 0.3, 0.6, 0.95  # of the call's duration into it, at which the main program ends
ADVICE = {
    "aborts": "stop the module's threads and calls in an atexit step (Python's, not C's), joining "
    "them with the GIL released; let abi::__forced_unwind pass every catch (...); destroy no "
    "std::thread that is joinable",
    "crashes": "what the clean-up at exit frees is still in use by a call: stop the calls first, "
    "or do not free it",
    "hangs": "the clean-up at exit waits for a thread that needs the GIL, or that the interpreter "
    "has ended: do it in Python's atexit step with the GIL released",
    "fails": "the clean-up at exit raises or calls exit() with a status: see the evidence",
}
VERDICTS = ("crashes", "aborts", "hangs", "fails", INCONCLUSIVE, "clean")  # the worst first


def check_exit(
    subject: Subject, *, limit: float = 60.0, budget: float = BUDGET, patience: float = PATIENCE
) -> Finding:
    """Tells whether the interpreter ends cleanly during a call.

    Args:
        subject: The call; it may block for ever.
        limit: Seconds after which a call is taken not to end.
        budget: Seconds after which no further moment of the call is tried.
        patience: Seconds more than the call takes that a process gets to end.

    Returns:
        ``"clean"``; ``"aborts"``; ``"crashes"``: killed by another signal; ``"hangs"``;
        ``"fails"``: with a status other than 0; or ``"inconclusive"``. The figures have the verdict
        of each case, and the status of the worst.

    Raises:
        TypeError: The call cannot be made in a fresh process.
    """
    return confirmed(
        judge(subject, limit=limit, budget=budget, patience=patience),
        ("aborts", lambda: _case(Subject(_ends_badly, ("abort",)), "after a call", 0, 30.0)),
        ("hangs", lambda: _case(Subject(_ends_badly, ("hang",)), "after a call", 0, 1.5)),
        ("clean", lambda: _case(Subject(time.sleep, (10.0,)), "in a call", 0, 30.0)),
    )


def judge(subject: Subject, *, limit: float, patience: float, budget: float = BUDGET) -> Finding:
    """The same, without the controls that say whether it can be trusted here."""
    end = time.monotonic() + budget
    usual = child.run(_timed, subject, limit=limit)
    seconds = usual.result if usual.result is not None else limit
    if usual.result is None and usual.error:
        return inconclusive(
            ORACLE, f"the call cannot be made: {usual.reason}", usual.evidence("undisturbed")
        )
    cases = [("after a call", _finding(usual, "after a call"))]
    if usual.result is None:  # it does not end, and so the process could not
        cases.clear()
    for moment in MOMENTS:
        if any(finding.verdict != "clean" for _, finding in cases):
            break
        if moment and time.monotonic() > end:
            break
        delay = min(moment * seconds, 1.0)
        cases.append(("in a call", _case(subject, "in a call", delay, seconds + patience)))
    _, worst = min(cases, key=lambda case: VERDICTS.index(case[1].verdict))
    figures: dict[str, Any] = {}
    for case, finding in cases:
        other = figures.get(case, "clean")
        figures[case] = min(other, finding.verdict, key=VERDICTS.index)
    return Finding(
        ORACLE,
        worst.verdict,
        figures | dict(worst.figures) | {"call_ms": ms(seconds)},
        worst.advice,
        worst.evidence,
    )


def _case(subject: Subject, case: str, delay: float, limit: float) -> Finding:
    """One process that ends."""
    if case == "after a call":
        return _finding(child.run(_timed, subject, limit=limit), case)
    return _finding(child.run(_end_within, subject, delay, limit=limit + delay), case)


def _finding(ended: Ended, case: str) -> Finding:
    verdict = ended.trouble or "clean"
    if ended.error or (ended.result is None and ended.status == 0):
        verdict = INCONCLUSIVE
    elif ended.status == -signal.SIGABRT:
        verdict = "aborts"
    figures: dict[str, Any] = {"status": ended.status}
    if ended.seconds is not None:
        figures["end_ms"] = ms(ended.seconds)
    return Finding(ORACLE, verdict, figures, ADVICE.get(verdict, ""), ended.evidence(case))


# ------------------------------------------------------------------- in the fresh process


def _timed(channel: Channel, subject: Subject) -> float:
    """Makes the call; the process then ends."""
    del channel
    subject.load()
    subject.arguments()
    start = time.monotonic()
    _make(subject)
    return time.monotonic() - start


def _end_within(channel: Channel, subject: Subject, delay: float) -> bool:
    """Returns while a daemon thread makes the call, again and again."""
    del channel
    entering: queue.SimpleQueue[None] = queue.SimpleQueue()
    subject.load()

    def work() -> None:
        while True:
            entering.put(None)
            _make(subject)

    threading.Thread(target=work, daemon=True).start()
    entering.get()
    time.sleep(delay)
    return True


def _make(subject: Subject) -> None:
    with contextlib.suppress(Exception):  # that it fails is not judged here
        subject.call()


def _ends_badly(how: str) -> None:
    """Spoils the end of its process: the control."""
    if how == "abort":
        atexit.register(os.abort)
    else:
        atexit.register(threading.Event().wait)
