"""Assertions about calls of the standard library, good and bad; who cannot tell says so."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hwsim import proof
from hwsim.proof import interrupt
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import Finding, confirmed

LOSSY = """
def lossy(callback):
    try:
        callback()
    except Exception:
        pass
"""
ABORTS = "import atexit, os, time; atexit.register(os.abort)"


def test_good_calls_pass() -> None:
    assert proof.assert_interruptible("time:sleep", 0.4).verdict == "obeys"
    assert proof.assert_exits_cleanly("time:sleep", 0.1).verdict == "clean"
    assert proof.assert_no_leak("math:factorial", 5, errors=[(-1,)]).verdict == "clean"
    found = proof.assert_survives_fork("math:factorial", 5, child_args=(6,))
    assert found.verdict == "survives"
    assert found.figures["data"] == "compared"
    found = proof.assert_callbacks_safe("lambda callback: sorted([2, 1], key=callback)")
    assert found.figures["raise"] == "raised"


BAD: dict[str, Callable[[], Finding]] = {
    "interrupt: deaf": lambda: proof.assert_interruptible(interrupt._deaf, 0.4),
    "exit: aborts": lambda: proof.assert_exits_cleanly("time.sleep", 0.1, setup=ABORTS),
    "leak: leaks": lambda: proof.assert_no_leak("lambda: kept.append(object())", setup="kept = []"),
    "fork: crosses": lambda: proof.assert_survives_fork(
        "file.read", 5, setup=f"file = open({__file__!r}, 'rb', 0)"
    ),
    "callbacks: loses": lambda: proof.assert_callbacks_safe("lossy", setup=LOSSY),
}


@pytest.mark.parametrize("text", BAD)
def test_bad_call_is_named_with_advice(text: str) -> None:
    with pytest.raises(AssertionError, match=text) as caught:
        BAD[text]()
    assert not isinstance(caught.value, proof.Inconclusive)
    assert len(str(caught.value).splitlines()) >= 3  # verdict, figures, advice


def test_call_too_short_to_interrupt_is_inconclusive() -> None:
    with pytest.raises(proof.Inconclusive, match="too short"):
        proof.assert_interruptible("time:sleep", 0.001)


def test_call_that_cannot_be_made_is_inconclusive() -> None:
    with pytest.raises(proof.Inconclusive, match="No module named 'nowhere'"):
        proof.assert_no_leak("nowhere:nothing")


def test_callback_that_never_comes_is_inconclusive() -> None:
    with pytest.raises(proof.Inconclusive, match="not called"):
        proof.assert_callbacks_safe("lambda callback: None", limit=0.2)


def test_oracle_that_cannot_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its known bad call is replaced by a good one: what it says of others is worth nothing."""
    monkeypatch.setattr(interrupt, "_deaf", time.sleep)
    finding = interrupt.check_interrupt(Subject("time:sleep", (0.4,)))
    assert finding.verdict == "inconclusive"
    assert "'deaf' got 'obeys'" in finding.advice


def test_finding_stands_when_its_controls_do() -> None:
    good = Finding("x", "good")
    assert confirmed(good, ("bad", lambda: Finding("x", "bad"))) is good
    told = confirmed(good, ("bad", lambda: good))
    assert told.verdict == "inconclusive"
    assert "'bad' got 'good'" in told.advice
