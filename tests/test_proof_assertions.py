"""Assertions about calls of the standard library, good and bad; who cannot tell says so."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from conftest import run_script
from hwsim import proof
from hwsim.cli import main
from hwsim.proof import checked, child, exit, gil, interrupt, leak, verdict
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


GOOD: dict[str, Callable[[], Finding]] = {
    "obeys": lambda: proof.assert_interruptible("time:sleep", 0.4),
    "clean": lambda: proof.assert_exits_cleanly("time:sleep", 0.1),
    "survives": lambda: proof.assert_survives_fork("math:factorial", 5, child_args=(6,)),
    "safe": lambda: proof.assert_callbacks_safe("lambda callback: sorted([2, 1], key=callback)"),
}


@pytest.mark.parametrize("told", GOOD)
def test_good_call_passes(told: str) -> None:
    figures = {"survives": {"data": "compared"}, "safe": {"raise": "raised"}}
    finding = GOOD[told]()
    assert finding.verdict == told
    assert figures.get(told, {}).items() <= finding.figures.items()


def test_call_that_leaks_nothing_passes() -> None:
    assert proof.assert_no_leak("math:factorial", 5, errors=[(-1,)]).verdict == "clean"


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


def test_what_no_oracle_asks_for_is_refused() -> None:
    with pytest.raises(ValueError, match="errors is for the oracle 'leak', which is not asked"):
        proof.check("math:factorial", 5, oracles=["gil"], errors=[(-1,)])
    with pytest.raises(TypeError, match="a tuple for each error path, got -1"):
        proof.check("math:factorial", 5, oracles=["leak"], errors=[-1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="child_args must be a tuple of arguments, got 6"):
        proof.assert_survives_fork("math:factorial", 5, child_args=6)  # type: ignore[arg-type]


def run_check(*arguments: str) -> Any:
    script = "import sys; from hwsim.cli import main; sys.exit(main(['check', *sys.argv[1:]]))"
    return json.loads(run_script(script, *arguments, "--json").check())


def test_command_takes_error_paths() -> None:
    """Expressions, as the arguments of the call are; what they see is of the same setup."""
    setup = "import math; kept = []; n = 9\ndef f(x): return kept.append(math.factorial(x))"
    found = run_check("f", "n", "--setup", setup, "--only=leak", "--error=-n", "--error", "'x',")
    assert found["leak"]["verdict"] == "leaks"
    paths = [found["leak"][path]["outcome"] for path in ("success", "error 1", "error 2")]
    assert paths == ["returned", "ValueError", "TypeError"]


def test_command_takes_what_the_child_asks_for() -> None:
    """Expressions as well; the function is the same, and so has the descriptor of the parent."""
    setup = f"n = 4; file = open({__file__!r}, 'rb', 0)"
    found = run_check("file.read", "n", "--setup", setup, "--only=fork", "--child-args", "n + 1")
    assert (found["fork"]["verdict"], found["fork"]["data"]) == ("crosses", "compared")


def test_command_judges_callbacks() -> None:
    setup = "class Source:\n  def __init__(self, f): self.f = f\n  def go(self): self.f(1)\n"
    setup += "  def stop(self): self.f = None"
    options = ("--run", "lambda source: source.go()", "--close", "lambda source: source.stop()")
    found = run_check("Source", "--setup", setup, "--only=callbacks", *options)["callbacks"]
    assert found["verdict"] == "safe"
    assert found["raise"] == "raised"
    assert "close inside" in found


@pytest.mark.parametrize("text", ["x y", "x) or (1", "*[1]", "n=1"])
def test_command_refuses_what_are_no_arguments(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "math:factorial", "5", "--error", text])
    assert ended.value.code == 2
    assert f"separated by commas, got {text!r}" in capsys.readouterr().err


def test_call_that_cannot_be_made_is_inconclusive() -> None:
    with pytest.raises(proof.Inconclusive, match="No module named 'nowhere'"):
        proof.assert_no_leak("nowhere:nothing")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["math factorial"], "what is called must be MODULE:CALLABLE or .* 'math factorial': "),
        (["math:factorial", "n=5"], "each argument must be a Python expression, got 'n=5': "),
        (["f", "--setup", "import math\ndef f(:"], "setup must be Python code, .*, line 2"),
        (["f", "--setup", "f = '\0'"], "setup must be Python code, .* null"),
    ],
)
def test_text_that_is_no_python_is_refused(
    texts: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *texts]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_name_that_is_not_defined_says_how_to_write_it() -> None:
    finding = proof.check("math.factorial", 5, oracles=["gil"])["gil"]
    assert "name 'math' is not defined in 'math.factorial': import" in finding.advice
    assert "or write MODULE:CALLABLE" in finding.advice


def test_evidence_shows_the_traceback_of_the_users_code_alone() -> None:
    setup = "def f():\n    raise RuntimeError('no camera')\nf()"
    evidence = proof.check("f", setup=setup, oracles=["gil"])["gil"].evidence
    assert re.search(
        r"Traceback.*\n.*<setup>.*line 3, in .*\n.*line 2, in f\nRuntimeError", evidence
    )
    assert "proof" not in evidence


def test_call_that_others_keep_from_the_processor_computes() -> None:
    """It was not ended early: a call that computes is done only when it is done."""
    full = interrupt.Measured(0.42, 0.14, "returned", queued=0.27)
    assert full.computes
    assert interrupt._speed({"cpu": 0.14, "completed": True}, full, 0.1, 0.04) == "deaf"
    assert not interrupt.Measured(0.42, 0.14, "returned").computes
    assert not interrupt.Measured(0.42, 0.01, "returned", queued=0.3).computes


@pytest.mark.parametrize("oracle", ["leak", "fork"])
def test_what_many_calls_would_cost_is_said_before_they_are_made(oracle: str) -> None:
    """Two calls at most were made."""
    finding = proof.check("time:sleep", 0.2, oracles=[oracle], budget=1.0)[oracle]
    assert finding.verdict == "inconclusive"
    assert re.search("not measured: a call takes .* s, and 9 are needed", finding.advice)


def test_slow_call_is_made_less_often() -> None:
    """As often as the budget allows; once after the fork, in place of three times."""
    findings = proof.check("stand_ins:counts", 0.2, oracles=["leak", "fork"], budget=8.0)
    assert findings["leak"].verdict == "clean"
    assert findings["leak"].figures["success"]["calls"] == 5
    assert (findings["fork"].verdict, findings["fork"].figures["data"]) == ("survives", "compared")


def test_cache_is_not_told_from_a_leak_by_a_few_calls() -> None:
    finding = proof.check("stand_ins:fills_slowly", 0.05, oracles=["leak"], budget=3.0)["leak"]
    assert finding.verdict == "inconclusive"
    assert "so few may only fill a cache" in finding.advice
    assert re.search(r"a budget of [0-9]+ s$", finding.advice)


def test_how_long_a_call_takes_is_not_what_one_took_on_a_busy_machine() -> None:
    """Else a call that is short would be made too few times."""
    delays = iter([0.05])
    seconds, _ = leak._usual(lambda: time.sleep(next(delays, 0.0)), ())
    assert seconds < 0.05


@pytest.mark.parametrize("oracle", ["leak", "fork"])
def test_endless_call_needs_a_time_limit(oracle: str) -> None:
    finding = proof.check("time:sleep", 99, oracles=[oracle], limit=0.3, budget=0.2)[oracle]
    assert finding.verdict == "inconclusive"
    assert "did not end within 0.5 s: give the call a time limit" in finding.advice


def test_endless_call_is_waited_for_by_one_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {}

    def judge(oracle: str, subject: Subject, *, limit: float, budget: float) -> Finding:
        limits[oracle] = limit
        time.sleep(limit)
        return Finding(oracle, "inconclusive")

    monkeypatch.setattr(checked, "ENDLESS", 0.01)
    for oracle, module in {"gil": gil, "exit": exit}.items():
        monkeypatch.setattr(module, f"check_{oracle}", functools.partial(judge, oracle))
    proof.check("time:sleep", 99, oracles=["gil", "exit"], limit=0.05)
    assert limits == {"gil": 0.05, "exit": 0.01}


def test_callback_that_never_comes_is_inconclusive() -> None:
    with pytest.raises(proof.Inconclusive, match="not called"):
        proof.assert_callbacks_safe("lambda callback: None", limit=0.2)


def test_oracle_that_cannot_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its known bad call is replaced by a good one: what it says of others is worth nothing."""
    monkeypatch.setattr(interrupt, "_deaf", time.sleep)
    monkeypatch.setattr(interrupt, "judge", lambda *given: Finding("interrupt", "obeys"))
    monkeypatch.setattr(verdict, "_trusted", {})
    finding = interrupt.check_interrupt(Subject("time:sleep", (0.4,)))
    assert finding.verdict == "inconclusive"
    assert "'deaf' got 'obeys'" in finding.advice


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("obeys obeys", "obeys"),
        ("obeys deaf obeys obeys", "obeys"),
        ("deaf obeys deaf deaf", "deaf"),
        ("obeys deaf obeys deaf obeys deaf", "inconclusive"),
    ],
)
def test_signals_that_disagree_are_sent_again(
    told: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = child.Ended([1.0, 0.0, "returned"], "", 0, 0.0, "", "")
    findings = iter([Finding("interrupt", each) for each in told.split()])
    monkeypatch.setattr(child, "run", lambda *given, limit: usual)
    monkeypatch.setattr(interrupt, "_attempt", lambda *given: next(findings))
    assert interrupt.judge(Subject("time:sleep", (1,)), limit=1.0).verdict == expected
    assert not list(findings)


def test_finding_stands_when_its_controls_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "_trusted", {})
    good = Finding("x", "good")
    told = confirmed(good, ("bad", lambda: good))
    assert told.verdict == "inconclusive"
    assert "'bad' got 'good'" in told.advice
    assert confirmed(good, ("bad", lambda: Finding("x", "bad"))) is good


def test_control_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "_trusted", {})
    good = Finding("x", "good")
    told = [good, good, good, Finding("x", "bad")]
    control = ("bad", told.pop)
    assert confirmed(good, control) is good
    assert confirmed(good, control) is good
    assert len(told) == 3
    verdict._trusted["x", "bad"] -= verdict.TRUST
    assert confirmed(good, control).verdict == "inconclusive"
