"""Can parent and child both use a module after fork?

A process makes some calls, forks, and both make more at the same time: once when idle, and once
while another thread is in a call, which then holds what the module locks. Nobody may hang or crash;
an error that says that the child cannot use the module is fine. The results are compared with those
of a process that did not fork: where they are the same each time, whoever gets others has got what
was the other process's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import operator
import os
import pickle
import queue
import select
import signal
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

from hwsim.proof import child
from hwsim.proof.child import Channel, Ended, die_with_parent
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import (
    BUDGET,
    INCONCLUSIVE,
    UNSUPPORTED,
    Finding,
    confirmed,
    endless,
    inconclusive,
    too_dear,
)
from hwsim.proof.verdict import milliseconds as ms

ORACLE = "fork"
SPAN = 0.3  # seconds that the calls after the fork take, if they are short
BEFORE, FEWEST, MOST = 3, 3, 50  # calls before it, and after it, if they are shorter than SPAN
FORKS = 3  # in the process that is busy, if the call is short
PATIENCE = 5.0  # seconds more than expected after which a process is taken to hang
ADVICE = {
    "hangs": "the child has the locks of threads that it does not have: take the module's locks in "
    "pthread_atfork()'s prepare step and release them after it, restart its threads in the child, "
    "or refuse there with an error",
    "crashes": "what belongs to the parent's threads or devices is used in the child: make it anew "
    "in pthread_atfork()'s child step, or refuse there with an error",
    "breaks": "the child took something from the parent: what they share must not be closed or "
    "consumed by the child",
    "crosses": "parent and child share a descriptor or its position, so that one gets what the "
    "other asked for: open it again in the child, or refuse there with an error",
    "repeats": "parent and child go on from the same state and get the same data: seed it anew in "
    "the child (os.register_at_fork)",
}
# The worst first.
VERDICTS = (
    "crashes",
    "fails",
    "hangs",
    "breaks",
    "crosses",
    "repeats",
    INCONCLUSIVE,
    "refuses",
    "survives",
)


@dataclass(frozen=True)
class Usual:
    """What the calls give when nobody forks.

    Attributes:
        count: Calls after the fork.
        seconds: That one takes.
        parent: Results of those that the parent is to make.
        child: Of those that the child is to make.
        same: Whether they are the same each time.
        before: Results of those before the fork.
        fresh: Whether no result ever came twice, in no process.
    """

    count: int
    seconds: float
    parent: list[str]
    child: list[str]
    same: bool
    before: list[str]
    fresh: bool

    @property
    def constant(self) -> bool:
        """Whether a call always gives the same, however many came before it."""
        return self.same and len({*self.before, *self.parent}) == len(set(self.child)) == 1


def check_fork(
    subject: Subject,
    *,
    child_args: tuple[Any, ...] | None = None,
    limit: float = 60.0,
    budget: float = BUDGET,
    patience: float = PATIENCE,
) -> Finding:
    """Tells whether parent and child can both make a call after fork.

    Args:
        subject: The call.
        child_args: What the child calls it with, if not with the same: an answer that went to the
            wrong process is seen only where the two ask for different things.
        limit: Seconds after which the first call is given up.
        budget: Seconds for all calls, which are nine at least, or 13 with ``child_args``; if
            they would take longer, they are not made.
        patience: Seconds more than usual that a process gets before it is taken to hang.

    Returns:
        ``"survives"``; ``"refuses"``: the child gets an exception; ``"hangs"``; ``"crashes"``;
        ``"breaks"``: the parent gets one; ``"crosses"``: one gets the other's data; ``"repeats"``:
        both get the same random data; or ``"inconclusive"``. The figures have the verdict of each
        case, and whether data could be compared.

    Raises:
        TypeError: The call cannot be made in a fresh process; or ``child_args`` is no tuple.
    """
    if not (child_args is None or isinstance(child_args, (tuple, list))):
        raise TypeError(f"child_args must be a tuple of arguments, got {child_args!r}")
    if not hasattr(os, "fork"):
        return Finding(ORACLE, UNSUPPORTED, advice="this system has no fork()")
    known = Usual(FEWEST, 0.001, ["-"] * FEWEST, ["-"] * FEWEST, False, [], False)
    return confirmed(
        judge(subject, child_args=child_args, limit=limit, budget=budget, patience=patience),
        ("hangs", lambda: _case(Subject(_hanging), None, "idle", known, 1.0)),
        ("survives", lambda: _case(Subject(time.sleep, (0.001,)), None, "idle", known, PATIENCE)),
    )


def judge(
    subject: Subject,
    *,
    child_args: tuple[Any, ...] | None,
    limit: float,
    patience: float,
    budget: float = BUDGET,
) -> Finding:
    """The same, without the controls that say whether it can be trusted here."""
    usual = _usual(subject, child_args, limit, budget)
    if isinstance(usual, Finding):
        return usual
    cases = {
        case: _case(subject, child_args, case, usual, patience) for case in ("idle", "in a call")
    }
    worst = min(cases.values(), key=lambda finding: VERDICTS.index(finding.verdict))
    figures: dict[str, Any] = {case: finding.verdict for case, finding in cases.items()}
    figures["data"] = "compared" if usual.same or usual.fresh else "not comparable"
    figures["call_ms"] = ms(usual.seconds)
    advice = worst.advice
    if worst.verdict == "survives" and figures["data"] == "not comparable":
        advice = "its results differ each time, so that a crossed one would not be noticed: give a "
        advice += "call whose result follows from its arguments"
    return Finding(ORACLE, worst.verdict, figures, advice, worst.evidence)


def _usual(
    subject: Subject, child_args: tuple[Any, ...] | None, limit: float, budget: float
) -> Usual | Finding:
    """Makes the calls in processes that do not fork; each sequence twice, to compare."""
    alike = 4 if child_args is None else 6  # processes that make as many calls, with the forks
    plan: list[int] = []
    seconds = 0.0
    sequences: list[list[str]] = []
    for args in (None, None, child_args, child_args):
        if len(sequences) >= 2 and child_args is None:
            sequences.append(sequences[len(sequences) - 2])
            continue
        ended = child.run(_undisturbed, subject, args, plan, alike, budget, limit=limit + budget)
        if not ended.result:
            evidence = ended.evidence("without fork")
            if ended.status is None:
                return endless(ORACLE, limit + budget, evidence)
            return inconclusive(ORACLE, f"the call cannot be made: {ended.reason}", evidence)
        plan = ended.result["plan"]
        seconds = max(seconds, ended.result["seconds"])
        if not plan:
            return too_dear(ORACLE, seconds, alike * 2 + 1, budget)
        sequences.append(ended.result["results"])
    parent, again, other, other_again = sequences
    before, count = plan
    return Usual(
        count=count,
        seconds=seconds,
        parent=parent[before:],
        child=other[before:],
        same=parent == again and other == other_again,
        before=parent[:before],
        fresh=count > 1 and len({*parent, *again}) == len(parent) + len(again),
    )


def _case(
    subject: Subject, child_args: tuple[Any, ...] | None, case: str, usual: Usual, patience: float
) -> Finding:
    expected = 4 * usual.count * usual.seconds + patience
    busy = case != "idle"
    forks = FORKS if busy and usual.seconds < 0.1 else 1
    ended = child.run(
        _fork,
        subject,
        child_args,
        len(usual.before) or 1,
        usual.count,
        usual.seconds if busy else None,
        forks,
        expected,
        limit=(forks + 1) * (2 * expected + child.GRACE) + PATIENCE,
    )
    evidence = ended.evidence(f"fork, {case}")
    verdicts = [_verdict(ended, forked, usual, busy) for forked in (ended.result or [None])]
    verdict = min(verdicts, key=VERDICTS.index)
    return Finding(ORACLE, verdict, {}, ADVICE.get(verdict, ""), evidence)


def _verdict(ended: Ended, forked: dict[str, Any] | None, usual: Usual, busy: bool) -> str:
    """What one fork says."""
    if forked is None:  # the parent itself ended without telling
        return INCONCLUSIVE if ended.error else ended.trouble or INCONCLUSIVE
    if forked["child"] != "returned":
        return str(forked["child"])
    parent, other = forked["parent"], forked["results"]
    known = usual.before != []
    verdict = "survives"
    if known and _errors(parent) - _errors(usual.parent):
        verdict = "breaks"
    elif _errors(other) - (_errors(usual.child) if known else set()):
        verdict = "refuses"
    elif usual.constant or (usual.same and not busy):
        if (parent, other) != (usual.parent, usual.child):
            verdict = "crosses"
    elif usual.fresh and not busy and sum(map(operator.eq, parent, other)) > 1:
        verdict = "repeats"
    return verdict


def _errors(results: list[str]) -> set[str]:
    return {result for result in results if result.startswith("!")}


# ------------------------------------------------------------------- in the fresh process


def _result(subject: Subject, args: tuple[Any, ...] | None = None) -> str:
    """Makes the call; what it gave, in a form that can be compared in another process."""
    function, values = subject.load(), subject.arguments(args)
    try:
        value = function(*values)
    except Exception as error:
        return "!" + type(error).__name__
    try:
        data = pickle.dumps(value)
    except Exception:
        data = repr(value).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def _undisturbed(
    channel: Channel,
    subject: Subject,
    args: tuple[Any, ...] | None,
    plan: list[int],
    alike: int,
    budget: float,
) -> dict[str, Any]:
    """Makes the calls before the fork, and those after it with other arguments, without it.

    Args:
        channel: Not used.
        subject: The call.
        args: What it is called with after the fork.
        plan: How many calls are made before and after it. Empty: to be found out, and told; again
            empty, if so many cannot be made in the budget.
        alike: Processes that make as many.
        budget: Seconds for all of them.
    """
    del channel
    begin = start = time.monotonic()
    results = [_result(subject)]
    if not plan:
        if time.monotonic() - begin <= budget:  # the first may take longer than the others
            start = time.monotonic()
            results.append(_result(subject))
        seconds = time.monotonic() - start
        count = min(max(int(SPAN / max(seconds, 1e-9)), FEWEST), MOST)
        left = begin + budget - start
        for before, after, share in ((BEFORE, count, 0.5), (1, 1, 1.0)):
            if alike * (before + after) * seconds < left * share:
                plan = [before, after]
                break
        else:
            return {"plan": [], "seconds": seconds}
    before, after = plan
    while len(results) < before + after:
        start = time.monotonic()
        results.append(_result(subject, None if len(results) < before else args))
        seconds = time.monotonic() - start
    return {"plan": plan, "seconds": seconds, "results": results}


def _fork(
    channel: Channel,
    subject: Subject,
    child_args: tuple[Any, ...] | None,
    before: int,
    count: int,
    busy: float | None,
    forks: int,
    patience: float,
) -> list[dict[str, Any]]:
    """Forks, with a thread in a call of so many seconds or without; tells what both got."""
    del channel
    warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads is the point
    for _ in range(before):
        _result(subject)
    forked: list[dict[str, Any]] = []
    while len(forked) < forks and not any(fork["child"] == "hangs" for fork in forked):
        forked.append(_fork_once(subject, child_args, count, busy, patience))
    return forked


def _fork_once(
    subject: Subject,
    child_args: tuple[Any, ...] | None,
    count: int,
    busy: float | None,
    patience: float,
) -> dict[str, Any]:
    stop, entering = threading.Event(), queue.SimpleQueue[None]()

    def keep_busy() -> None:
        while not stop.is_set():
            entering.put(None)
            _result(subject)

    thread = threading.Thread(target=keep_busy, daemon=True)
    if busy is not None:
        thread.start()
        entering.get()
        time.sleep(min(busy / 3, 0.5))
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            die_with_parent(parent)
            os.write(
                writer, json.dumps([_result(subject, child_args) for _ in range(count)]).encode()
            )
        finally:
            os._exit(0)
    os.close(writer)
    stop.set()
    if busy is not None:  # what two threads of a process may not use at once is not fork's fault
        thread.join(patience)
    with open(reader, "rb") as answer:
        results = [_result(subject) for _ in range(count)]
        outcome, text = _child_outcome(pid, answer.fileno(), patience)
    return {"parent": results, "child": outcome, "results": json.loads(text) if text else []}


def _child_outcome(pid: int, answer: int, patience: float) -> tuple[str, bytes]:
    """Waits for the child; what became of it, and what it wrote."""
    ready, _, _ = select.select([answer], [], [], patience)
    text = os.read(answer, 1 << 20) if ready else b""
    if not ready:  # it hangs: it writes its stacks, and goes
        os.kill(pid, signal.SIGABRT)
        end = time.monotonic() + child.GRACE
        while not os.waitpid(pid, os.WNOHANG)[0]:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                break
            time.sleep(0.01)
        return "hangs", text
    _, status = os.waitpid(pid, 0)
    return ("returned" if status == 0 and text else "crashes"), text


_asked: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
_started = threading.Lock()


def _hanging() -> None:
    """Asks a thread that is not there after fork: the control."""

    def answer() -> None:
        while True:
            _asked.get().set()

    if _started.acquire(blocking=False):
        threading.Thread(target=answer, daemon=True).start()
    done = threading.Event()
    _asked.put(done)
    with contextlib.suppress(KeyboardInterrupt):
        done.wait()
