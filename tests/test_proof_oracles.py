"""Each oracle finds what is wrong with its controls, and nothing wrong with the right one.

Short form: once each. ``make proof`` does it 20 times, quiet and beside programs that compute.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from hwsim.proof.verdict import Finding
from oracles import CASES, Case, interrupted, leaked

ROUNDS = 20
BUSY = "while True: pass"


DEAF = Case(interrupted, "deaf", "deaf")
LEAKING = {
    Case(leaked, control, "leaks"): where
    for control, where in {
        "leaks_memory": ("success", "memory"),
        "leaks_on_error": ("error 1", "memory"),
        "leaks_result": ("success", "objects"),
        "leaks_argument": ("error 1", "references"),
        "leaks_descriptor": ("error 1", "descriptors"),
        "leaks_thread": ("success", "threads"),
    }.items()
}
IN_DETAIL = {DEAF, *LEAKING}


def judge(case: Case) -> Finding:
    finding = case.judge()
    assert finding.verdict == case.verdict, finding.report()
    return finding


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.short and case not in IN_DETAIL], ids=str
)
def test_oracle_tells_right_from_wrong(case: Case) -> None:
    judge(case)


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
    figures = judge(DEAF).figures
    assert figures["call_ms"] >= 400
    assert figures["interrupt_ms"] >= 200
    assert figures["ended_by"] == "KeyboardInterrupt"


@pytest.mark.parametrize("case", LEAKING, ids=str)
def test_leak_names_the_path_and_what_leaks(case: Case) -> None:
    figures = judge(case).figures
    path, kind = LEAKING[case]
    assert figures[path][kind] >= 0.9
    counted = {"outcome", "calls"}
    if case.control == "leaks_on_error":
        assert set(figures["success"]) == counted
    if path == "success":
        assert set(figures["error 1"]) == counted


def test_what_is_judged_in_detail_is_a_case() -> None:
    assert set(CASES) >= IN_DETAIL
