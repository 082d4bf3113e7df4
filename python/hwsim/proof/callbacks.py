"""What becomes of a callback's error, and of an object that is closed while it calls back?

Each case in a process of its own: the callback raises; it closes the object; another thread closes
it during the callback; the callback drops the last reference to it; the interpreter ends during the
callback, or while callbacks come. Nobody may hang or crash, and the error must reach somebody.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hwsim.proof import child
from hwsim.proof.child import Channel, Ended
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import INCONCLUSIVE, Finding, confirmed

ORACLE = "callbacks"
MARK = "raised by the callback of a check"
PATIENCE = 10.0  # seconds that a case may take, beyond what the run takes
SETTLE = 0.2  # seconds that the other side gets to go on
CASES = (
    "raise",
    "close inside",
    "close meanwhile",
    "destroy inside",
    "exit during",
    "exit between",
)
ADVICE = {
    "loses": "raise the callback's error from the call that it came through or from the next one, "
    "or give it to sys.unraisablehook (PyErr_WriteUnraisable); do not PyErr_Clear() it",
    "crashes": "hold a reference to what the callback may close or destroy until it has returned; "
    "at exit stop the callbacks in an atexit step",
    "hangs": "do not wait in close() for the callback that called it, and release the GIL and "
    "every lock that a callback may want while close() waits",
}
VERDICTS = ("crashes", "hangs", "loses", INCONCLUSIVE, "safe")  # the worst first


class CallbackError(Exception):
    """What the callback raises."""


@dataclass(frozen=True)
class Caller:
    """Something that calls back.

    Attributes:
        make: Called with its arguments and then the callback; returns the object, if there is one.
        run: Called with the object: makes it call back. None: it does so by itself.
        close: Called with the object. None: it cannot be closed.
    """

    make: Subject
    run: Subject | None = None
    close: Subject | None = None


def check_callbacks(
    make: Subject,
    *,
    run: Callable[..., Any] | str | None = None,
    close: Callable[..., Any] | str | None = None,
    limit: float = PATIENCE,
) -> Finding:
    """Tells what becomes of callbacks that raise, close or destroy.

    Args:
        make: Called with its arguments and then the callback; returns the object, if there is one.
        run: Called with the object: makes it call back. None: it does so by itself.
        close: Called with the object. None: it cannot be closed.
        limit: Seconds after which a case is taken to hang.

    Returns:
        ``"safe"``; ``"loses"``: the callback's error reaches nobody; ``"crashes"``; ``"hangs"``; or
        ``"inconclusive"``. The figures have each case: where the error went (``"raised"``,
        ``"raised as TYPE"``, ``"reported"`` on standard error, ``"lost"``), and what the others
        did.

    Raises:
        TypeError: It cannot be made in a fresh process.
    """
    caller = Caller(
        make,
        Subject(run, (), make.setup) if run else None,
        Subject(close, (), make.setup) if close else None,
    )

    def control(how: str) -> Finding:
        known = Caller(Subject(_StandIn, (how,)), Subject(_StandIn.run))
        return _case(known, "raise", 30.0)

    return confirmed(
        judge(caller, patience=limit),
        ("loses", lambda: control("loses")),
        ("safe", lambda: control("right")),
        ("crashes", lambda: control("crashes")),
    )


def judge(caller: Caller, *, patience: float) -> Finding:
    """The same, without the controls that say whether it can be trusted here."""
    cases: tuple[str, ...] = CASES
    if not caller.close:
        cases = tuple(case for case in CASES if not case.startswith("close"))
    findings = {case: _case(caller, case, patience) for case in cases}
    worst = min(findings.values(), key=lambda finding: VERDICTS.index(finding.verdict))
    figures = {case: finding.figures["outcome"] for case, finding in findings.items()}
    return Finding(ORACLE, worst.verdict, figures, worst.advice, worst.evidence)


def _case(caller: Caller, case: str, patience: float) -> Finding:
    called: list[Any] = []
    ended = child.run(
        _experiment,
        caller,
        case,
        limit=patience,
        on_message=lambda message, _: called.append(message),
    )
    verdict, outcome = _verdict(ended, case, bool(called))
    advice = ADVICE.get(verdict, "")
    if verdict == INCONCLUSIVE:
        advice = (
            "the callback was not called: give 'run', what makes the object call it, or see in "
        )
        advice += "the evidence why the object cannot be made"
    return Finding(ORACLE, verdict, {"outcome": outcome}, advice, ended.evidence(case))


def _verdict(ended: Ended, case: str, called: bool) -> tuple[str, str]:
    """The verdict on a case, and what happened."""
    result: dict[str, Any] = ended.result or {}
    reported = MARK in ended.stderr or MARK in ended.stdout
    raised = result.get("raised", "")
    if not called or ended.error:
        verdict, outcome = INCONCLUSIVE, "not called"
    elif ended.trouble:
        verdict, outcome = "hangs" if ended.status is None else "crashes", ended.how
    elif case == "raise" and not raised:
        verdict, outcome = ("safe", "reported") if reported else ("loses", "lost")
    else:
        verdict, outcome = "safe", raised or "fine"
    return verdict, outcome


# ------------------------------------------------------------------- in the fresh process


class _Experiment:
    """A case under way."""

    def __init__(self, channel: Channel, caller: Caller, case: str) -> None:
        self.channel = channel
        self.case = case
        self.calls = itertools.count()
        self.raised = ""
        self.entered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.go_on = threading.Event()
        self.returned = threading.Event()
        self.finished = threading.Event()
        self.objects: list[Any] = []
        self.make = caller.make
        self.run = caller.run.load() if caller.run else None
        self.close = caller.close.load() if caller.close else None

    def callback(self, *_: Any) -> Any:
        """What is called back; the first time it does what the case says."""
        first = next(self.calls) == 0
        if first:
            self.channel.send("called")
            self.entered.put(None)
        if self.case == "exit during":
            time.sleep(3600)
        if first:
            try:
                self.act()
            finally:
                self.finished.set()
        return 0

    def act(self) -> None:
        """What the case is about."""
        if self.case == "raise":
            raise CallbackError(MARK)
        if self.case == "close inside":
            self.attempt(self.close_all)
        elif self.case == "close meanwhile":
            self.go_on.wait()
        elif self.case == "destroy inside":
            self.returned.wait(SETTLE)  # who called may have a reference until then
            self.objects.clear()
            gc.collect()

    def attempt(self, action: Callable[[], object]) -> None:
        """Does something, and keeps the error."""
        try:
            action()
        except Exception as error:
            self.raised = self.raised or _chained(error)

    def start(self) -> None:
        """Makes the object, and makes it call back."""
        self.objects.append(self.make.load()(*self.make.arguments(), self.callback))
        if self.run and self.objects:
            self.run(self.objects[0])

    def close_all(self) -> None:
        """Closes the object, if there is one already."""
        for made in tuple(self.objects):
            if self.close and made is not None:
                self.close(made)

    def in_thread(self, action: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=self.attempt, args=(action,), daemon=True)
        thread.start()
        return thread


def _experiment(channel: Channel, caller: Caller, case: str) -> dict[str, Any]:
    """Goes through one case; hanging is noticed by its limit."""
    experiment = _Experiment(channel, caller, case)
    if case.startswith("exit"):
        experiment.in_thread(experiment.start)
        experiment.entered.get()
        return {"raised": ""}
    if case == "close meanwhile":
        running = experiment.in_thread(experiment.start)
        experiment.entered.get()
        closing = experiment.in_thread(experiment.close_all)
        closing.join(SETTLE)  # it may wait for the callback
        experiment.go_on.set()
        closing.join()
        running.join()
    else:
        experiment.attempt(experiment.start)
        experiment.returned.set()
        experiment.finished.wait()
        time.sleep(SETTLE)
        if case != "destroy inside":
            experiment.attempt(experiment.close_all)
    experiment.objects.clear()
    gc.collect()
    return {"raised": experiment.raised}


def _chained(error: BaseException) -> str:
    """How an error relates to what the callback raised."""
    link: BaseException | None = error
    while link:
        if isinstance(link, CallbackError):
            return "raised" if link is error else f"raised as {type(error).__name__}"
        link = link.__cause__ or link.__context__
    return f"raised as {type(error).__name__}"


class _StandIn:
    """Calls back once, rightly or wrongly: the controls."""

    def __init__(self, how: str, callback: Callable[[int], object]) -> None:
        self.how = how
        self.callback = callback

    def run(self) -> None:
        """Calls back."""
        try:
            self.callback(1)
        except CallbackError:
            if self.how == "crashes":
                ctypes.string_at(0)
            if self.how == "right":
                raise
