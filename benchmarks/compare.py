"""Two builds of hwsim, case by case: what a change cost.

``python -m benchmarks.compare BEFORE [BENCHMARK...] [--quick]``, where BEFORE is the Python of an
environment that has the other build installed. A case of both builds takes turns, in processes of
their own; the ratio is above 1 where this build is the worse one. The peers are left out.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks import harness, peers
from benchmarks.__main__ import BENCHMARKS
from benchmarks.harness import Goal, Question, command

PEERS = {*peers.TOOLS, "soapysdr", "pypylon", "NumPy", "numpy", "np.copyto", "time.sleep"}


def main() -> None:
    """Compares what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", help="the Python that has the other build")
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=" ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    options = parser.parse_args()
    print(harness.environment(), end="\n\n")
    print(f"{'after / before, above 1 is worse':96}{'min':>8}{'median':>8}{'max':>8}")
    for name in options.benchmarks or BENCHMARKS:
        for question in importlib.import_module(f"benchmarks.{name}").QUESTIONS:
            turns = question.quick if options.quick else question.turns
            for case in question.cases:
                if case.partition(",")[0] not in PEERS:
                    label = f"{name}: {question.title}: {case}"
                    spread = compare(name, question, case, options.before, turns)
                    print(f"{label:96}{spread}", flush=True)


def compare(name: str, question: Question, case: str, before: str, turns: int) -> str:
    """Measures a case with both builds, and returns the spread of their ratio."""
    module = f"benchmarks.{name}"
    commands = {
        "before": command(before, module, question, case),
        "after": command(sys.executable, module, question, case),
    }
    figures, missing = harness.measure(commands, turns)
    if missing:
        return f"  not measured: {missing}"
    more_is_better = question.unit.endswith(("/s", "%"))
    worse = Goal("before", 0, "after") if more_is_better else Goal("after", 0, "before")
    return "".join(f"{number:>8}" for number in harness.spread(worse.values(figures)))


if __name__ == "__main__":
    main()
