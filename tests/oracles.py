"""Which oracle must say what of which control: for its own, and for the one that is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import controls
from hwsim.proof import callbacks, exit, fork, gil, interrupt, leak
from hwsim.proof.callbacks import Caller
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import Finding

LIMIT = 30.0  # seconds after which a call is taken not to end; generous, for loaded machines
PATIENCE = 0.8  # for what is known to hang


def wait(control: str, seconds: float) -> Subject:
    """A call of a control that takes so long."""
    return Subject(f"{controls.build(control)}:wait", (seconds,))


def holding(control: str) -> Finding:
    return gil.check_gil(wait(control, 0.2), limit=LIMIT)


def interrupted(control: str) -> Finding:
    return interrupt.judge(wait(control, 0.4), limit=LIMIT)


def forked(control: str) -> Finding:
    hangs = control in ("hangs_after_fork", "deadlocks_after_fork")
    return fork.judge(
        wait(control, 0.002),
        child_args=None if hangs else (0.003,),  # only other data can cross
        limit=LIMIT,
        patience=PATIENCE if hangs else LIMIT,
    )


def exited(control: str) -> Finding:
    patience = PATIENCE if control.startswith("hangs") else LIMIT
    return exit.judge(wait(control, 0.1), limit=LIMIT, patience=patience)


def leaked(control: str) -> Finding:
    return leak.judge(wait(control, 0.0002), errors=[(-1.0,)], limit=LIMIT)


def called_back(control: str, method: str) -> Finding:
    controls.build(control)
    run, close = Subject(f"lambda source: source.{method}(20)"), Subject("lambda s: s.close()")
    patience = PATIENCE if control.startswith("hangs") else LIMIT
    return callbacks.judge(Caller(Subject(f"{control}:Source"), run, close), patience=patience)


class Case(NamedTuple):
    """A control, who judges it, and what must be found."""

    oracle: Callable[[str], Finding]
    control: str
    verdict: str
    short: bool = True  # whether it is in the short form

    def __str__(self) -> str:
        return f"{self.oracle.__name__}-{self.control}"

    def judge(self) -> Finding:
        """The finding of the oracle."""
        return self.oracle(self.control)


def in_caller(control: str) -> Finding:
    """Callbacks in the thread that calls."""
    return called_back(control, "run")


def in_native_thread(control: str) -> Finding:
    """Callbacks in a thread that Python does not know."""
    return called_back(control, "start")


def interrupted_stand_in(function: str) -> Finding:
    """A Python function of stand_ins.py that is wrong after Ctrl-C."""
    limit = 4 * PATIENCE if function == "stays_locked" else LIMIT
    return interrupt.judge(Subject(f"stand_ins:{function}", (0.5,)), limit=limit)


def forked_stand_in(function: str) -> Finding:
    """One that knows when it is in a child."""
    return fork.judge(
        Subject(f"stand_ins:{function}"), child_args=None, limit=LIMIT, patience=LIMIT
    )


def leaked_stand_in(function: str) -> Finding:
    """One that leaves things behind now and then, or for a while."""
    return leak.judge(Subject(f"stand_ins:{function}"), errors=[], limit=LIMIT)


BIG = "data = bytes(range(256)) * 80_000"
QUERY = "with recursive t(n) as (select 1 union all select n+1 from t where n<600000) "
QUERY += "select count(*) from t"
LOOP = "def loop(n):\n    for i in range(n): pass"
# Calls of the standard library and NumPy, of which it is known who has the GIL meanwhile.
KNOWN = {
    "sleep": ("time:sleep", ["0.1"], ""),
    "compress": ("zlib:compress", ["data"], BIG),
    "sha256": ("hashlib:sha256", ["data * 2"], BIG),
    "select": ("select:select", ["[]", "[]", "[]", "0.1"], ""),
    "query": ("c.execute", [repr(QUERY)], "import sqlite3; c=sqlite3.connect('')"),
    "CDLL": ("ctypes.CDLL(None).usleep", ["100000"], "import ctypes"),
    "dot": ("numpy.dot", ["a", "a"], "import numpy; a = numpy.ones((900, 900))"),
    "PyDLL": ("ctypes.PyDLL(None).usleep", ["100000"], "import ctypes"),
    "sum": ("builtins:sum", ["range(4_000_000)"], ""),
    "match": ("re:match", ["'(a*)*b'", "'a' * 21"], ""),
    "sorted": ("builtins:sorted", ["a"], "a = list(range(400_000, 0, -1)) * 3"),
    "loop": ("loop", ["4_000_000"], LOOP),
}


def known(name: str) -> Finding:
    """A call of which the answer is known."""
    function, args, setup = KNOWN[name]
    return gil.check_gil(Subject(function, tuple(args), setup, expressions=True), limit=LIMIT)


def is_short(name: str) -> bool:
    """One of each kind; of the others test_proof_gil.py asks for some besides."""
    return name in ("compress", "query", "dot", "match", "loop")


CASES = [
    *(
        Case(known, name, "released", is_short(name))
        for name in ("sleep", "compress", "sha256", "select", "query", "CDLL", "dot")
    ),
    *(Case(known, name, "held", is_short(name)) for name in ("PyDLL", "sum", "match", "sorted")),
    Case(known, "loop", "python"),
    Case(holding, "right", "released"),
    Case(holding, "holds", "held"),
    Case(holding, "half", "partly"),
    Case(interrupted, "right", "obeys"),
    Case(interrupted, "holds", "obeys", short=False),
    Case(interrupted, "deaf", "deaf"),
    Case(interrupted, "fails_late", "deaf"),
    Case(forked, "right", "survives"),
    Case(forked, "deaf", "survives", short=False),
    Case(forked, "hangs_after_fork", "hangs"),
    Case(forked, "deadlocks_after_fork", "hangs"),
    Case(forked, "crosses_after_fork", "crosses"),
    Case(exited, "right", "clean"),
    Case(exited, "holds", "clean", short=False),
    Case(exited, "aborts_at_exit", "aborts"),
    Case(exited, "hangs_at_exit", "hangs"),
    Case(leaked, "right", "clean"),
    Case(leaked, "leaks_memory", "leaks"),
    Case(leaked, "leaks_on_error", "leaks"),
    Case(leaked, "leaks_result", "leaks"),
    Case(leaked, "leaks_argument", "leaks"),
    Case(leaked, "leaks_descriptor", "leaks"),
    Case(leaked, "leaks_thread", "leaks"),
    Case(in_caller, "right", "safe"),
    Case(in_native_thread, "right", "safe"),
    Case(in_caller, "loses_error", "loses"),
    Case(in_native_thread, "loses_error", "loses", short=False),
    Case(in_caller, "crashes_in_callback", "crashes"),
    Case(in_caller, "hangs_in_callback", "hangs"),
    Case(interrupted_stand_in, "swallows", "swallowed"),
    Case(interrupted_stand_in, "translates", "swallowed"),
    Case(interrupted_stand_in, "breaks", "broken"),
    Case(interrupted_stand_in, "stays_locked", "hangs", short=False),
    Case(interrupted_stand_in, "crashes", "crashes", short=False),
    Case(interrupted_stand_in, "works_once", "obeys", short=False),
    Case(forked_stand_in, "refuses_in_child", "refuses"),
    Case(forked_stand_in, "is_alone", "survives"),
    Case(forked_stand_in, "crashes_in_child", "crashes", short=False),
    Case(leaked_stand_in, "leaks_seldom", "leaks"),
    Case(leaked_stand_in, "fills_cache", "clean", short=False),
    Case(leaked_stand_in, "fills_slowly", "clean"),
    Case(leaked_stand_in, "starts_thread", "clean", short=False),
]
