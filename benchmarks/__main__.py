"""Runs all benchmarks, and writes RESULTS.md and the figure: what ``make bench`` does.

``python -m benchmarks [--quick]``. RESULTS.md has a section for each version of Python, and a run
replaces that of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import figure, harness, threshold
from benchmarks.harness import Results

BENCHMARKS = (
    "call",
    "contention",
    "threshold",
    "overlap",
    "responsiveness",
    "stream",
    "events",
    "pending",
    "models",
    "calibration",
    "interrupt",
    "scale",
    "aio",
    "import_time",
    "proof",
)
RESULTS = Path(__file__).with_name("RESULTS.md")
INTRODUCTION = """\
# Benchmark results

Written by `make bench`; `make bench PYTHON=python3.13 VENV=.venv-3.13` replaces the section of that
version. Every case runs in a process of its own, and all take turns: a ratio is that of two figures
of the same turn. A goal is for the median, unless it names a percentile. The peers, in `peers/`,
bind the same objects of the C library with the same flags, and release the GIL around each call.
What a benchmark does is told in its file; `python -m benchmarks.call` runs one of them.

![What a call costs](../docs/call-cost.svg)

"""


def main() -> None:
    """Runs and writes."""
    results: dict[str, list[Results]] = {}
    for name in BENCHMARKS if harness.has_gil() else ("free_threading",):
        print(f"benchmarks.{name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *sys.argv[1:]]
        output = subprocess.run(command, cwd=harness.ROOT, stdout=subprocess.PIPE, check=True)
        results[name] = json.loads(output.stdout)["questions"]
    old = RESULTS.read_text() if RESULTS.exists() else ""
    sections = {text.split("\n")[0]: text for text in re.split(r"(?m)^(?=## )", old)[1:]}
    new = section(results)
    sections[new.split("\n")[0]] = new
    RESULTS.write_text(INTRODUCTION + "".join(sections[heading] for heading in sorted(sections)))
    if harness.has_gil():
        figure.draw(results["call"][0], results["contention"][0])


def section(results: Mapping[str, Sequence[Results]]) -> str:
    """Returns the section of this Python."""
    goals = [
        [f"`{name}`: {result['title']}", *line]
        for name, answers in results.items()
        for result in answers
        for line in harness.goals(result)
    ]
    heads = ["question", "case", "against", "min", "median", "max", "goal", ""]
    python = "{}.{}{}".format(*sys.version_info[:2], sys.abiflags)
    turns = "; fewer turns (--quick)" if "--quick" in sys.argv else ""
    parts = [f"## CPython {python}\n\n{harness.environment()}{turns}\n", table(heads, goals)]
    if "threshold" in results:
        parts += [
            "### Where to release the GIL\n",
            "Medians. Waits that are longer than `GIL_THRESHOLD_NS` release it: `threshold.py`.\n",
            sweep(results["threshold"]),
        ]
    parts.append("<details><summary>All figures</summary>\n")
    for name, answers in results.items():
        for result in answers if name != "threshold" else ():
            heads = [f"`{name}`: {result['title']}", f"{result['unit']}: min", "median", "max"]
            heads += ["ratio: min", "median", "max"]
            missing = [[case, why, *[""] * 5] for case, why in result["missing"].items()]
            parts.append(table(heads, [*harness.rows(result), *missing]))
    return "\n".join([*parts, "</details>\n\n"])


def sweep(results: Sequence[Results]) -> str:
    """Returns the threshold's medians: a line for each wait, a column for question and policy."""
    medians = [{case: median for case, _, median, *_ in harness.rows(result)} for result in results]
    heads = [
        f"{result['title']}, {policy} ({result['unit']})"
        for result in results
        for policy in threshold.POLICIES
    ]
    lines = [
        [
            latency,
            *(median[f"{latency} {policy}"] for median in medians for policy in threshold.POLICIES),
        ]
        for latency in threshold.LATENCIES
    ]
    return table(["wait", *heads], lines)


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    rule = ["---"] * len(heads)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rule, *lines))


if __name__ == "__main__":
    main()
