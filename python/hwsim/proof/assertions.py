"""Assertions about native calls, for the test suite of whoever ships them.

Each makes the call in fresh processes with a time limit. A call that the assertion does not hold
for raises AssertionError, with what was measured, what to do, standard output and error, and where
each thread stood. :class:`Inconclusive` says that this machine cannot tell.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Sequence
from typing import Any

from hwsim.proof.callbacks import check_callbacks
from hwsim.proof.exit import check_exit
from hwsim.proof.fork import check_fork
from hwsim.proof.gil import check_gil
from hwsim.proof.interrupt import check_interrupt
from hwsim.proof.leak import check_leak
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import BUDGET, INCONCLUSIVE, UNSUPPORTED, Finding

Function = Callable[..., Any] | str


class Inconclusive(AssertionError):
    """The oracle could not tell; its text says what to do."""


def assert_interruptible(
    function: Function, *args: Any, setup: str = "", limit: float = 60.0
) -> Finding:
    """Asserts that Ctrl-C ends a call early, and that the module works afterwards.

    Args:
        function: The call: a function that another process can import, ``"MODULE:CALLABLE"``, or a
            Python expression. Called with ``args`` it should last half a second at least.
        args: Its arguments.
        setup: Python code that runs first, in the fresh process.
        limit: Seconds after which the call is taken not to end.

    Returns:
        What was found.

    Raises:
        AssertionError: The call is deaf, or late, or leaves the module broken.
        Inconclusive: It could not be told.
        TypeError: The call cannot be made in a fresh process.
        unittest.SkipTest: The system has no SIGINT.
    """
    return _expect(check_interrupt(Subject(function, args, setup), limit=limit), "obeys")


def assert_releases_gil(
    function: Function, *args: Any, setup: str = "", limit: float = 60.0
) -> Finding:
    """Asserts that other Python threads run during a call.

    Args:
        function: The call; see :func:`assert_interruptible`. Called with ``args`` it should last
            some 10 ms at least.
        args: Its arguments.
        setup: Python code that runs first, in the fresh process.
        limit: Seconds after which the call is given up.

    Returns:
        What was found.

    Raises:
        AssertionError: The call holds the GIL, for all of its time or too much of it; on
            free-threaded Python it stays attached.
        Inconclusive: It could not be told.
        TypeError: The call cannot be made in a fresh process.
    """
    finding = check_gil(Subject(function, args, setup), limit=limit)
    return _expect(finding, "released", "python", "short")


def assert_survives_fork(
    function: Function,
    *args: Any,
    child_args: tuple[Any, ...] | None = None,
    setup: str = "",
    limit: float = 60.0,
    budget: float = BUDGET,
) -> Finding:
    """Asserts that parent and child can both make a call after fork, or the child gets an error.

    Args:
        function: The call; see :func:`assert_interruptible`.
        args: Its arguments.
        child_args: What the child calls it with, if not with the same.
        setup: Python code that runs first, in the fresh process.
        limit: Seconds after which the first call is given up.
        budget: Seconds for all calls, which are nine at least.

    Returns:
        What was found.

    Raises:
        AssertionError: One hangs, crashes, or gets what is the other's.
        Inconclusive: It could not be told.
        TypeError: The call cannot be made in a fresh process.
        unittest.SkipTest: The system has no fork.
    """
    subject = Subject(function, args, setup)
    finding = check_fork(subject, child_args=child_args, limit=limit, budget=budget)
    return _expect(finding, "survives", "refuses")


def assert_exits_cleanly(
    function: Function, *args: Any, setup: str = "", limit: float = 60.0
) -> Finding:
    """Asserts that the interpreter ends with status 0 while a thread is in a call.

    Args:
        function: The call; see :func:`assert_interruptible`.
        args: Its arguments.
        setup: Python code that runs first, in the fresh process.
        limit: Seconds after which the call is taken not to end.

    Returns:
        What was found.

    Raises:
        AssertionError: The process aborts, crashes, hangs or fails at its end.
        Inconclusive: It could not be told.
        TypeError: The call cannot be made in a fresh process.
    """
    return _expect(check_exit(Subject(function, args, setup), limit=limit), "clean")


def assert_no_leak(
    function: Function,
    *args: Any,
    errors: Sequence[tuple[Any, ...]] = (),
    setup: str = "",
    limit: float = 60.0,
    budget: float = BUDGET,
) -> Finding:
    """Asserts that a call leaves no memory, object, reference, descriptor or thread behind.

    Args:
        function: The call; see :func:`assert_interruptible`.
        args: Its arguments.
        errors: Arguments with which it fails: one tuple for each error path.
        setup: Python code that runs first, in the fresh process.
        limit: Seconds after which the first call is given up.
        budget: Seconds for all calls of one path, which are nine at least.

    Returns:
        What was found.

    Raises:
        AssertionError: Something grows with every call.
        Inconclusive: It could not be told.
        TypeError: The call cannot be made in a fresh process.
    """
    subject = Subject(function, args, setup)
    return _expect(check_leak(subject, errors=errors, limit=limit, budget=budget), "clean")


def assert_callbacks_safe(
    make: Function,
    *args: Any,
    run: Function | None = None,
    close: Function | None = None,
    setup: str = "",
    limit: float = 10.0,
) -> Finding:
    """Asserts that a callback's error reaches somebody, and that it may close what calls it.

    Args:
        make: Called with ``args`` and then the callback; returns the object, if there is one.
        args: Its first arguments.
        run: Called with the object; makes it call back. None: it does so by itself.
        close: Called with the object. None: it cannot be closed.
        setup: Python code that runs first, in the fresh process.
        limit: Seconds after which a case is taken to hang.

    Returns:
        What was found.

    Raises:
        AssertionError: The error is lost, or a process hangs or crashes.
        Inconclusive: It could not be told.
        TypeError: They cannot be called in a fresh process.
    """
    subject = Subject(make, args, setup)
    return _expect(check_callbacks(subject, run=run, close=close, limit=limit), "safe")


def _expect(finding: Finding, *good: str) -> Finding:
    if finding.verdict in good:
        return finding
    if finding.verdict == UNSUPPORTED:
        raise unittest.SkipTest(f"{finding.oracle}: {finding.advice}")
    kind = Inconclusive if finding.verdict == INCONCLUSIVE else AssertionError
    raise kind(finding.report())
