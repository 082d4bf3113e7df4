"""What the proof says about a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

INCONCLUSIVE = "inconclusive"
UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Finding:
    """What one oracle found out about one call.

    Attributes:
        oracle: Its name: ``"gil"``, ``"interrupt"``, ``"fork"``, ``"exit"``, ``"leak"``,
            ``"callbacks"``.
        verdict: One word of the oracle's own; ``"inconclusive"``: it cannot tell, and the advice
            says what to do; ``"unsupported"``: this system lacks what it needs.
        figures: What it measured; plain enough for JSON, times in milliseconds.
        advice: What to do about it; may be empty.
        evidence: Standard output and error, and the stacks, of the processes that went wrong.
    """

    oracle: str
    verdict: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    evidence: str = ""

    def report(self) -> str:
        """The finding as text, with what supports it."""
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        lines = [f"{self.oracle}: {self.verdict}", figures, self.advice, self.evidence]
        return "\n".join(line for line in lines if line)


def inconclusive(oracle: str, advice: str, evidence: str = "", **figures: Any) -> Finding:
    """A finding that says that the oracle cannot tell, and what to do."""
    return Finding(oracle, INCONCLUSIVE, figures, advice, evidence)


def endless(oracle: str, seconds: float, evidence: str) -> Finding:
    """A finding that says that a call, or some of them together, did not end in so many seconds."""
    advice = f"it did not end within {seconds:g} s: give the call a time limit of its own"
    return inconclusive(oracle, advice, evidence)


def too_dear(oracle: str, seconds: float, calls: int, budget: float) -> Finding:
    """A finding that says that so many calls of so many seconds are more than the budget."""
    return inconclusive(
        oracle,
        f"not measured: a call takes {seconds:.2g} s, and {calls} are needed, for which the budget "
        f"of {budget:g} s is too small: give it arguments with which it is shorter, or a budget of "
        f"{calls * seconds * 1.2:.0f} s",
        call_ms=milliseconds(seconds),
    )


Control = tuple[str, Callable[[], Finding]]  # the verdict that it must get, and what judges it
TRIES = 3  # of a control, before the oracle is not to be trusted here
BUDGET = 30.0  # seconds for the calls of one oracle
TRUST = 60.0  # seconds for which it then is: in a suite each control is tried once a minute
_trusted: dict[tuple[str, str], float] = {}  # an oracle and the verdict of its control: since when


def confirmed(finding: Finding, *controls: Control) -> Finding:
    """Returns a finding, if its oracle tells right from wrong here and now.

    Args:
        finding: What it found.
        controls: Calls of which the verdict is known, good and bad.

    Returns:
        The finding; or an inconclusive one, if a control did not get its verdict.
    """
    for expected, judge in controls:
        if finding.verdict in (INCONCLUSIVE, UNSUPPORTED):
            return finding
        key = finding.oracle, expected
        if time.monotonic() - _trusted.get(key, -TRUST) < TRUST:
            continue
        for _ in range(TRIES):
            told = judge()
            if told.verdict == expected:
                _trusted[key] = time.monotonic()
                break
        else:
            return Finding(
                finding.oracle,
                INCONCLUSIVE,
                finding.figures,
                f"here the oracle cannot tell: a call for which it should say {expected!r} got "
                f"{told.verdict!r}. Try again on a quieter machine",
                told.evidence,
            )
    return finding


def milliseconds(seconds: float) -> float:
    """Seconds as a figure."""
    return round(seconds * 1e3, 1)
