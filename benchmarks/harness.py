"""What the benchmarks share: options, interleaved repeats, and the table of ratios.

A benchmark gives a name and a function to each case; every function does the same kind of work once
and returns a figure, such as seconds. The cases take turns, so that a change of the machine's speed
meets all of them, and each repeat is compared with the first case's of the same turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence

Figures = dict[str, list[float]]


def options(description: str | None) -> argparse.Namespace:
    """Parses ``--json`` and ``--quick``."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    return parser.parse_args()


def take_turns(cases: Mapping[str, Callable[[], float]], repeats: int) -> Figures:
    """Calls the cases in turn, ``repeats`` times after a warm-up."""
    figures: Figures = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, case in cases.items():
            figure = case()
            if repeat:
                figures[name].append(figure)
    return figures


def environment() -> str:
    """Describes what the figures were measured with."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    compiler = sysconfig.get_config_var("CC") or "unknown compiler"
    return (
        f"Python {platform.python_version()}, GIL {'on' if gil else 'off'}, built with {compiler}; "
        f"{platform.machine()}, {os.cpu_count()} processors"
    )


def report(questions: Mapping[str, Figures], unit: str, scale: float, as_json: bool) -> None:
    """Prints each question's figures, times ``scale`` in ``unit``, and their ratios."""
    if as_json:
        print(json.dumps({"environment": environment(), "unit": unit, "figures": questions}))
        return
    print(environment())
    width = 2 + max(len(name) for figures in questions.values() for name in figures)
    for question, figures in questions.items():
        print(f"\n{question}")
        titles = f"{unit + ': min':>12}{'median':>10}{'max':>10}   ratio: min  median     max"
        print(" " * width + titles)
        first = next(iter(figures.values()))
        for name, values in figures.items():
            ratios = [value / yardstick for value, yardstick in zip(values, first, strict=True)]
            low, middle, high = (x * scale for x in _spread(values))
            print(f"{name:{width}}{low:12.4g}{middle:10.4g}{high:10.4g}", end="")
            print("{:13.2f}{:8.2f}{:8.2f}".format(*_spread(ratios)))


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)
