"""What does one short call cost, against an extension written by hand that releases the GIL?

``python -m benchmarks.call [--json] [--quick]``, from the root of the repository. A register of a
device without latency is read and written.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import hwsim
from benchmarks import harness, peers

STATEMENTS = {
    "read a register": {
        "handwritten, releases": "theirs.read_register(64)",
        "hwsim, read_register": "ours.read_register(64)",
        "hwsim, device[address]": "ours[64]",
        "hwsim, policy release": "ours.read_register(64)",
    },
    "write a register": {
        "handwritten, releases": "theirs.write_register(64, 5)",
        "hwsim, write_register": "ours.write_register(64, 5)",
        "hwsim, device[address] =": "ours[64] = 5",
        "hwsim, policy release": "ours.write_register(64, 5)",
    },
}


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    repeats, number = (5, 50_000) if options.quick else (21, 200_000)
    names = {
        "theirs": peers.handwritten().Device("hwsim://theirs?latency=0s"),
        "ours": hwsim.open("hwsim://ours?latency=0s"),
    }

    def case(name: str, statement: str) -> Callable[[], float]:
        timer = timeit.Timer(statement, globals=names)

        def run() -> float:
            with hwsim.gil.policy("release" if "policy" in name else "auto"):
                return timer.timeit(number) / number

        return run

    questions = {
        question: harness.take_turns(
            {name: case(name, statement) for name, statement in statements.items()}, repeats
        )
        for question, statements in STATEMENTS.items()
    }
    harness.report(questions, "ns", 1e9, options.json)


if __name__ == "__main__":
    main()
