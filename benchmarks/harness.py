"""What the benchmarks share: questions, cases and goals; a process for each case; turns; tables.

Each case of a question is a function that prepares the work once and returns another, which does
it and returns a figure, such as seconds a call. Every case has a fresh process of its own, so that
none meets the imports, the heap or the threads of another. Each is asked for one figure a turn, so
that a change of the machine's speed meets all of them, and figures of the same turn are compared.
The first turn is the warm-up, and not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCALES = {"ns": 1e9, "us": 1e6, "ms": 1e3}  # of seconds; a figure in another unit stays as it is

Run = Callable[[], float]
Prepare = Callable[[], Run]
Figures = Mapping[str, Sequence[float]]
Results = dict[str, Any]  # of one question, as --json prints it


class Unavailable(Exception):
    """A case cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Goal:
    """A bound for a case's figure, or for its ratio to another case's figure of the same turn."""

    case: str
    bound: float  # at most
    against: str | None = None
    at_least: bool = False
    percentile: int = 50  # of the turns

    def values(self, figures: Figures) -> list[float]:
        """Returns what is bounded, one value a turn; none if a case could not be measured."""
        own = figures.get(self.case, ())
        if self.against is None:
            return list(own)
        return [x / y for x, y in zip(own, figures.get(self.against, ()), strict=False)]

    def met(self, values: Sequence[float]) -> bool:
        """Says whether the values are within the bound."""
        if self.percentile == 50:
            value = statistics.median(values)
        else:
            value = sorted(values)[math.ceil(len(values) * self.percentile / 100) - 1]
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Question:
    """Cases to compare; the first is the yardstick of the ratios that are printed."""

    title: str
    unit: str
    cases: Mapping[str, Prepare]
    turns: int
    quick: int  # turns, with --quick
    goals: Sequence[Goal] = ()


def main(description: str | None, questions: Sequence[Question]) -> None:
    """Measures and prints: all that a benchmark does when it is run."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)  # a process of a case
    options = parser.parse_args()
    if options.case:
        title, name = options.case
        serve(next(question.cases[name] for question in questions if question.title == title))
        return
    results = []
    if not options.json:
        print(environment())
    for question in questions:
        results.append(ask(question, question.quick if options.quick else question.turns))
        if not options.json:
            print(f"\n{table(results[-1])}", flush=True)
    if options.json:
        print(json.dumps({"environment": environment(), "questions": results}))


# ------------------------------------------------------------------------------- measuring ------


def serve(prepare: Prepare) -> None:
    """The process of a case: says that it is ready, then gives a figure for each line it reads."""
    try:
        run = prepare()
    except Unavailable as reason:
        print(reason)
        return
    print("ready", flush=True)
    for _ in sys.stdin:
        print(run(), flush=True)


def ask(question: Question, turns: int) -> Results:
    """Measures all cases of a question, and returns their figures."""
    module = sys.modules["__main__"].__spec__.name
    commands = {name: command(sys.executable, module, question, name) for name in question.cases}
    figures, missing = measure(commands, turns)
    return {
        "title": question.title,
        "unit": question.unit,
        "figures": figures,
        "missing": missing,
        "goals": [asdict(goal) for goal in question.goals],
    }


def command(python: str, module: str, question: Question, case: str) -> list[str]:
    """Returns what starts the process of a case."""
    return [python, "-m", module, "--case", question.title, case]


def measure(
    commands: Mapping[str, Sequence[str]], turns: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Starts the processes and asks them in turn; the second result is why some have no figures."""
    processes, missing = {}, {}
    for name, arguments in commands.items():
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=ROOT,
        )
        answer = process.stdout.readline().strip()
        if answer == "ready":
            processes[name] = process
        else:
            missing[name] = answer or f"failed with exit status {process.wait()}"
    figures: dict[str, list[float]] = {name: [] for name in processes}
    for turn in range(turns + 1):
        for name, process in processes.items():
            process.stdin.write("\n")
            figure = float(process.stdout.readline())
            if turn:
                figures[name].append(figure)
    for process in processes.values():
        process.communicate()
    return figures, missing


def has_gil() -> bool:
    """Says whether this Python runs with the GIL."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def environment() -> str:
    """Describes what the figures are measured with."""
    try:
        swig = version("swig")
    except PackageNotFoundError:
        swig = "unknown"
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False)
    return (
        f"CPython {platform.python_version()}, GIL {'on' if has_gil() else 'off'}; SWIG {swig}; "
        f"{compiler.stdout.partition(chr(10))[0]}; {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} x {processor()}"
    )


def processor() -> str:
    """Returns the model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


# ------------------------------------------------------------------------------- printing -------


def spread(values: Sequence[float], scale: float = 1) -> list[str]:
    """Returns minimum, median and maximum as text."""
    return [number(f(values) * scale) for f in (min, statistics.median, max)]


def number(value: float) -> str:
    """Returns a figure with three digits, or all that stand before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def rows(result: Results) -> list[list[str]]:
    """Returns for each case its name, its figure and its ratio to the first one, each a spread."""
    figures, scale = result["figures"], SCALES.get(result["unit"], 1)
    first = next(iter(figures), "")
    return [
        [name, *spread(values, scale), *spread(Goal(name, 0, first).values(figures))]
        for name, values in figures.items()
    ]


def goals(result: Results) -> list[list[str]]:
    """Returns for each goal: case, yardstick, spread, the goal itself, and whether it is met."""
    lines = []
    for goal in (Goal(**fields) for fields in result["goals"]):
        scale = 1 if goal.against else SCALES.get(result["unit"], 1)
        unit = "" if goal.against else f" {result['unit']}"
        bound = f"{'≥' if goal.at_least else '≤'} {number(goal.bound * scale)}{unit}"
        if goal.percentile != 50:
            bound += f" at p{goal.percentile}"
        values = goal.values(result["figures"])
        state = ("met" if goal.met(values) else "missed") if values else "not measured"
        figures = spread(values, scale) if values else [""] * 3
        lines.append([goal.case, goal.against or "", *figures, bound, state])
    return lines


def table(result: Results) -> str:
    """Returns a question's figures and goals as text."""
    cells = rows(result)
    width = 2 + max(map(len, [*result["figures"], *result["missing"]]))
    heads = [f"{result['unit']}: min", "median", "max", "ratio: min", "median", "max"]
    lines = [result["title"], " " * width + "".join(f"{head:>12}" for head in heads)]
    lines += [f"{name:{width}}" + "".join(f"{x:>12}" for x in more) for name, *more in cells]
    lines += [f"{name:{width}}not measured: {why}" for name, why in result["missing"].items()]
    for case, against, _, median, _, bound, state in goals(result):
        over = f" / {against}" if against else ""
        lines.append(f"goal: {case}{over} {bound}: {state} {median}".rstrip())
    return "\n".join(lines)
