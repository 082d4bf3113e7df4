"""What does ``import hwsim`` cost, against ``import numpy``, which it needs?

``python -m benchmarks.import_time [--json] [--quick]``. Each in a fresh process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks import harness


def case(statement: str) -> Callable[[], float]:
    """Runs the statement in a fresh interpreter; returns seconds."""

    def run() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        return time.perf_counter() - start

    return run


def main() -> None:
    """Measures and prints."""
    options = harness.options(__doc__)
    cases = {statement: case(statement) for statement in ("import numpy", "import hwsim", "pass")}
    figures = harness.take_turns(cases, 3 if options.quick else 15)
    harness.report({"a fresh process": figures}, "ms", 1e3, options.json)


if __name__ == "__main__":
    main()
