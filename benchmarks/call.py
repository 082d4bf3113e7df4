"""What does one short call cost?

``python -m benchmarks.call [--json] [--quick]``, from the root of the repository. A register of a
device without latency is read and written. The peers release the GIL around each call, as a binding
must that cannot tell how long a call will wait. hwsim can, and here nothing waits.

A second thread sleeps in every process. Locks are cheaper in a process that has only one, and hwsim
would not be in such a process, because NumPy starts threads.
"""

from __future__ import annotations

import threading
import timeit
from functools import partial

from benchmarks import harness, peers
from benchmarks.harness import Goal, Question, Run

CALLS = 200_000  # a turn


def case(binding: str, statement: str, policy: str = "auto") -> Run:
    """Seconds of a statement."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    device = peers.open_device(binding, "hwsim://call?latency=0s")
    if binding == "hwsim":
        import hwsim

        hwsim.gil.policy(policy)
    timer = timeit.Timer(statement, globals={"device": device})
    return lambda: timer.timeit(CALLS) / CALLS


def question(title: str, slot: str, method: str, soapysdr: str, goals: list[Goal]) -> Question:
    """One kind of call, by every binding."""
    cases = {
        "hwsim, device[address]": partial(case, "hwsim", slot),
        "hwsim": partial(case, "hwsim", method),
        "hwsim, policy release": partial(case, "hwsim", method, "release"),
        **{tool: partial(case, tool, method) for tool in peers.TOOLS},
        "soapysdr": partial(case, "soapysdr", soapysdr),
    }
    return Question(title, "ns", cases, turns=31, quick=5, goals=goals)


READ = {"handwritten": 0.8, "nanobind": 0.65, "pybind11": 0.25, "ctypes": 0.2, "soapysdr": 0.2}
SLOT, METHOD = "hwsim, device[address]", "hwsim"
QUESTIONS = [
    question(
        "read a register",
        "device[64]",
        "device.read_register(64)",
        "device.readRegister(64)",
        [Goal(ours, bound, peer) for ours in (SLOT, METHOD) for peer, bound in READ.items()],
    ),
    question(
        "write a register",
        "device[64] = 5",
        "device.write_register(64, 5)",
        "device.writeRegister(64, 5)",
        [Goal(SLOT, 1.0, "handwritten"), Goal(METHOD, 1.2, "handwritten")],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
