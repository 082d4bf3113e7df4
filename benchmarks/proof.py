"""What does it cost to be watched by hwsim.proof, and to import it?

``python -m benchmarks.proof [--json] [--quick]``. The calls are the shortest there are, of an
extension that knows nothing of the proof. A real one takes longer, and its ratio is nearer to 1.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import harness, peers
from benchmarks.harness import ROOT, Goal, Question, Run, Unavailable

CALLS = 100_000  # a figure


def extension() -> Any:
    """Builds and imports ``release.c``."""
    source = ROOT / "benchmarks/release.c"

    def make(folder: Path) -> None:
        target = folder / f"release{sysconfig.get_config_var('EXT_SUFFIX')}"
        peers.run("cc", *peers.C_FLAGS, *peers.LINK_FLAGS, source, "-o", target)

    folder = peers.cached("release", make, source, *peers.C_FLAGS, sys.version)
    sys.path.insert(0, str(folder))
    return importlib.import_module("release")


@contextmanager
def traced() -> Any:
    """The hooks alone."""
    from hwsim.proof import _trace

    _trace.install()
    try:
        yield
    finally:
        _trace.remove()


def audited() -> AbstractContextManager[object]:
    """All that an audit does."""
    from hwsim.proof import audit

    return audit()


def call(name: str, watched: Callable[[], AbstractContextManager[object]]) -> Run:
    """Seconds a call."""
    from hwsim.proof import _trace

    if not _trace.supported():
        raise Unavailable("releases of the GIL cannot be seen on this system")
    function = getattr(extension(), name)

    def run() -> float:
        with watched():
            start = time.perf_counter()
            for _ in range(CALLS):
                function()
            return (time.perf_counter() - start) / CALLS

    return run


def start(code: str) -> Run:
    """Seconds that a Python takes to run the code, from its start to its end."""

    def run() -> float:
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - before

    return run


QUESTIONS = [
    Question(
        "release and retake the GIL, a call",
        "ns",
        {
            "not watched": partial(call, "release", nullcontext),
            "traced": partial(call, "release", traced),
            "audited": partial(call, "release", audited),
        },
        turns=15,
        quick=3,
        goals=[Goal("traced", 2.5, against="not watched")],
    ),
    Question(
        "hold the GIL, a call",
        "ns",
        {
            "not watched": partial(call, "hold", nullcontext),
            "traced": partial(call, "hold", traced),
            "audited": partial(call, "hold", audited),
        },
        turns=15,
        quick=3,
        goals=[Goal("audited", 5, against="not watched")],
    ),
    Question(
        "start of Python",
        "ms",
        {
            "empty": partial(start, "pass"),
            "import hwsim.proof": partial(start, "import hwsim.proof"),
        },
        turns=21,
        quick=5,
        goals=[Goal("import hwsim.proof", 1.5, against="empty")],
    ),
]

if __name__ == "__main__":
    harness.main(__doc__, QUESTIONS)
