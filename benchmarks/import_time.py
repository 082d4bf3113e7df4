"""What does hwsim's import cost, its parts included, against ``import numpy``, which it needs?

``python -m benchmarks.import_time [--json] [--quick]``. Each import in a fresh interpreter, whose
own start is not counted.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks import harness
from benchmarks.harness import Goal, Question, Run

TIMED = """
import time
start = time.perf_counter()
{}
print(time.perf_counter() - start)
"""


STATEMENTS = {"numpy": "import numpy", "hwsim": "from hwsim import *"}


def case(statement: str) -> Run:
    """Runs the import in a new interpreter; returns seconds."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    return lambda: float(subprocess.run(command, capture_output=True, check=True).stdout)


QUESTIONS = [
    Question(
        "import",
        "ms",
        {module: partial(case, statement) for module, statement in STATEMENTS.items()},
        turns=21,
        quick=3,
        goals=[Goal("hwsim", 1.3, against="numpy")],
    )
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
