"""Each oracle finds what is wrong with its controls, and nothing wrong with the right one.

Short form: once each. ``make proof`` does it 20 times, quiet and beside programs that compute.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator

import pytest

from oracles import CASES, Case, interrupted, leaked

ROUNDS = 20
BUSY = "while True: pass"


found = functools.cache(Case.judge)  # for the short form, once for all tests


@pytest.mark.parametrize("case", [case for case in CASES if case.short], ids=str)
def test_oracle_tells_right_from_wrong(case: Case) -> None:
    finding = found(case)
    assert finding.verdict == case.verdict, finding.report()


@pytest.fixture(params=["quiet", "busy"])
def neighbour(request: pytest.FixtureRequest) -> Iterator[str]:
    """A program that computes beside the test, or none."""
    if request.param == "quiet":
        yield "quiet"
        return
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    yield "busy"
    process.kill()
    process.wait()


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=str)
def test_oracle_tells_right_from_wrong_every_time(case: Case, neighbour: str) -> None:
    for number in range(ROUNDS):
        finding = case.judge()
        assert finding.verdict == case.verdict, f"{neighbour}, {number}: {finding.report()}"


def test_interrupt_says_how_long_it_took() -> None:
    figures = found(Case(interrupted, "deaf", "deaf")).figures
    assert figures["call_ms"] >= 400
    assert figures["interrupt_ms"] >= 200
    assert figures["ended_by"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("control", "path", "kind"),
    [
        ("leaks_memory", "success", "memory"),
        ("leaks_on_error", "error 1", "memory"),
        ("leaks_result", "success", "objects"),
        ("leaks_argument", "error 1", "references"),
        ("leaks_descriptor", "error 1", "descriptors"),
        ("leaks_thread", "success", "threads"),
    ],
)
def test_leak_names_the_path_and_what_leaks(control: str, path: str, kind: str) -> None:
    figures = found(Case(leaked, control, "leaks")).figures
    assert figures[path][kind] >= 0.9
    counted = {"outcome", "calls"}
    if control == "leaks_on_error":
        assert set(figures["success"]) == counted
    if control in ("leaks_memory", "leaks_result", "leaks_thread"):
        assert set(figures["error 1"]) == counted
