"""Who holds the GIL: what is said of a call besides the verdict, and the slots that are rewritten.

The verdicts on calls that are known are in test_proof_oracles.py.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

import controls
from conftest import GIL, run_script
from hwsim import proof
from hwsim.proof import child, gil
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import Finding

_trace = pytest.importorskip("hwsim.proof._trace")
seen = pytest.mark.skipif(not _trace.supported(), reason="no trace on this system")


def test_figures_add_up_to_the_duration() -> None:
    figures = proof.check("time:sleep", 0.1, oracles=["gil"])["gil"].figures
    assert figures["wall_ms"] >= 100
    assert figures["held_ms"] + figures["released_ms"] == pytest.approx(figures["wall_ms"], rel=0.2)


@pytest.mark.skipif(GIL, reason="nobody stops for the garbage collector where there is a GIL")
def test_call_that_stays_attached_delays_the_garbage_collector() -> None:
    """By nearly all of its time; one that detaches by nothing that counts."""
    delays = {}
    for control in ("holds", "right"):
        finding = gil.check_gil(Subject(f"{controls.build(control)}:wait", (0.4,)))
        delays[control] = finding.figures["gc_delay_ms"]
    assert delays["holds"] >= 300
    assert delays["right"] <= 200


def test_assertion_says_what_holds_and_how_long() -> None:
    proof.assert_releases_gil("time:sleep", 0.1)
    with pytest.raises(AssertionError, match=r"held(.|\n)*held_ms"):
        proof.assert_releases_gil("ctypes.PyDLL(None).usleep", 100_000, setup="import ctypes")


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ("held", "held"),
        ("partly released", "released"),
        ("inconclusive partly partly held", "held"),
        ("partly partly partly partly released", "partly"),
        ("inconclusive inconclusive inconclusive partly released", "partly"),
        ("inconclusive inconclusive inconclusive inconclusive released", "inconclusive"),
    ],
)
def test_a_part_is_believed_when_no_process_of_four_knows_better(
    told: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert believed([(each, 100.0) for each in told.split()], monkeypatch) == (verdict, 100.0)


@pytest.mark.parametrize(
    ("walls", "believed_wall"),
    [
        ([1.2, 5.0], 1.2),
        ([5.0, 2.3, 1.9, 1.2], 1.9),
        ([9.0, 2.2, 2.1, 3.0, 1.0], 2.1),
        ([10.0], 10.0),
    ],
)
def test_the_shortest_of_four_brief_calls_is_believed(
    walls: list[float], believed_wall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [("short" if wall < 2 else "held", wall) for wall in walls]
    verdict = "short" if believed_wall < 2 else "held"
    assert believed(told, monkeypatch) == (verdict, believed_wall)


def believed(told: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch) -> tuple[str, float]:
    """What is said of a call that gets these verdicts in its processes, and took so many ms."""
    ended = child.Ended(result=(), error="", status=0, seconds=0.0, stdout="", stderr="")
    findings = iter([Finding("gil", verdict, {"wall_ms": wall}) for verdict, wall in told])
    monkeypatch.setattr(child, "run", lambda *given, limit: ended)
    monkeypatch.setattr(gil, "_judge", lambda ended: next(findings))
    finding = gil.check_gil(Subject("time:sleep"))
    return finding.verdict, finding.figures["wall_ms"]


@pytest.mark.parametrize(
    ("wall", "near"), [(0.0005, False), (0.0015, True), (0.003, True), (0.005, False)]
)
def test_a_call_that_takes_about_two_ms_says_that_it_is_at_the_border(
    wall: float, near: bool
) -> None:
    seen = replace(HELD, wall=wall, held=wall, longest=wall, tick_longest=wall)
    assert ("close to the 2 ms" in seen.finding().advice) == near


def test_call_that_raises_is_judged_and_says_so() -> None:
    finding = gil.check_gil(Subject("builtins:int", ("x",)))
    assert finding.verdict == "short"
    assert "invalid literal" in finding.figures["raised"]
    assert "raised at once" in finding.advice


def test_call_that_does_not_end_is_given_up() -> None:
    finding = gil.check_gil(Subject("time:sleep", (100,)), limit=1.0)
    assert finding.verdict == "inconclusive"
    assert "did not end within 1 s" in finding.advice


def test_call_that_cannot_be_made_says_why_in_its_advice() -> None:
    """Which is in the JSON as well; the evidence is not."""
    checked = proof.check("nowhere:nothing")
    for finding in checked.findings:
        assert finding.verdict == "inconclusive"
        assert "cannot be made: ModuleNotFoundError: No module named 'nowhere'" in finding.advice


def test_call_that_crashes_is_inconclusive_with_evidence() -> None:
    finding = gil.check_gil(Subject("os:abort"))
    assert finding.verdict == "inconclusive"
    assert "SIGABRT" in finding.evidence


def test_wrong_oracle_is_refused() -> None:
    with pytest.raises(ValueError, match="one of gil, interrupt"):
        proof.check("time:sleep", 0.1, oracles=["gill"])


# ------------------------------------------------------------------------------- the judgement

RELEASED = gil.Observed(
    traced=True,
    wall=0.2,
    held=0.0,
    longest=0.0,
    released=0.2,
    wait=0.0,
    samples=200,
    attached=0,
    ticks=200,
    tick_longest=0.001,
    raised="",
    free_threaded=False,
)
HELD = replace(RELEASED, held=0.2, longest=0.2, released=0, attached=200, tick_longest=0.19)
JUDGED = {
    "all agree that it releases": (RELEASED, "released"),
    "all agree that it holds": (HELD, "held"),
    "others run while it has the GIL: Python code": (replace(HELD, tick_longest=0.004), "python"),
    "released where only the sampler sees it": (
        replace(HELD, attached=0, tick_longest=0.001),
        "released",
    ),
    "it released, but others waited": (replace(RELEASED, tick_longest=0.15), "inconclusive"),
    "it had the GIL, but never released": (replace(RELEASED, attached=200), "inconclusive"),
    "a half": (
        replace(RELEASED, held=0.1, longest=0.1, attached=100, tick_longest=0.1),
        "partly",
    ),
    "a long hold in a longer call": (
        replace(RELEASED, wall=5.0, held=0.5, longest=0.5, attached=20, tick_longest=0.5),
        "partly",
    ),
    "holds in pieces": (replace(HELD, longest=0.01, tick_longest=0.01), "partly"),
    "Python code that makes others wait for long once": (
        replace(HELD, wall=2.0, held=2.0, longest=2.0, tick_longest=0.3),
        "partly",
    ),
    "held, and nobody asked for it": (replace(HELD, ticks=0, tick_longest=0.0), "inconclusive"),
    "no time at all": (replace(HELD, wall=0.001), "short"),
    "the ticker alone": (replace(HELD, traced=False), "held"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_judgement(case: str) -> None:
    observed, verdict = JUDGED[case]
    assert observed.verdict() == verdict


# ---------------------------------------------------------------------------------- the slots


@seen
def test_installing_nests_and_the_last_removal_restores() -> None:
    script = """
        import hwsim._native
        from hwsim.proof import _trace

        assert _trace.redirected() == 0
        _trace.install()
        _trace.install()
        many = _trace.redirected()
        _trace.remove()
        assert _trace.redirected() == many > 0
        _trace.remove()
        assert _trace.redirected() == 0
    """
    run_script(script).check()


@seen
def test_slots_hold_the_same_addresses_after_removal() -> None:
    """The memory of every loaded object's tables, byte for byte."""
    script = """
        import re, zlib, select
        from hwsim.proof import _trace

        def tables():
            found = {}
            with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb") as memory:
                for line in maps:
                    match = re.match("([0-9a-f]+)-([0-9a-f]+) (r..)p", line)
                    if match and ("/zlib." in line or "/select." in line):
                        start, end = int(match[1], 16), int(match[2], 16)
                        memory.seek(start)
                        found[line.split()[0], match[3]] = memory.read(end - start)
            return found

        zlib.compress(b"x" * 100_000)
        before = tables()
        _trace.install()
        during = tables()
        _trace.remove()
        after = tables()
        assert before == after
        print(len(before) > 2 and before != during)
    """
    expected = "True" if "zlib" not in sys.builtin_module_names else "False"
    assert run_script(script).check() == f"{expected}\n"


@seen
def test_extension_that_is_loaded_later_is_seen() -> None:
    name = controls.build("right")
    script = f"""
        import sys
        sys.path.insert(0, {str(controls.folder())!r})
        from hwsim.proof import _trace
        _trace.install()
        import {name}
        seen = _trace.measure({name}.wait, (0.02,), 1_000_000)
        assert seen["releases"] >= 1 and seen["released"] > 0.5 * seen["wall"], seen
    """
    run_script(script).check()


@seen
def test_extensions_that_are_unloaded_and_loaded_again() -> None:
    """After the removal no slot is redirected, of those that are loaded and the others."""
    names = [controls.build(name) for name in ("right", "holds", "deaf")]
    script = f"""
        import _ctypes, ctypes, sys
        sys.path.insert(0, {str(controls.folder())!r})
        from importlib.util import find_spec
        from hwsim.proof import _trace

        paths = [find_spec(name).origin for name in {names}]
        _trace.install()
        before = _trace.redirected()
        for path in paths * 3:
            library = ctypes.CDLL(path)
            assert _trace.redirected() > before
            _ctypes.dlclose(library._handle)
            with open("/proc/self/maps") as maps:
                assert path not in maps.read()
        _trace.remove()
        assert _trace.redirected() == 0

        _trace.install()
        import right
        seen = _trace.measure(right.wait, (0.02,), 1_000_000)
        assert seen["releases"] >= 1, seen
        _trace.remove()
        count = _trace.releases()
        right.wait(0.02)
        assert _trace.releases() == count
    """
    run_script(script).check()


@seen
def test_threads_that_end_and_forks_while_it_is_on() -> None:
    script = """
        import os, threading, time, zlib
        from hwsim.proof import _trace

        _trace.install()
        data = bytes(100_000)

        def work():
            for _ in range(20):
                zlib.compress(data, 1)

        for _ in range(5):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            child = os.fork()
            if not child:
                work()
                again = threading.Thread(target=work)
                again.start()
                again.join()
                _trace.remove()
                assert _trace.redirected() == 0
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            for thread in threads:
                thread.join()
        _trace.remove()
        work()
    """
    assert run_script(script).returncode == 0


@seen
@pytest.mark.skipif(not GIL, reason="late threads end differently without a GIL")
def test_exit_while_daemon_threads_release() -> None:
    script = """
        import threading, time, zlib
        from hwsim.proof import _trace

        _trace.install()
        data = bytes(100_000)

        def work():
            while True:
                zlib.compress(data, 1)

        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)
    """
    assert run_script(script).check() == ""


# -------------------------------------------------------------------------------- the command


def run_check(*arguments: str) -> str:
    script = "import sys; from hwsim.cli import main; sys.exit(main(['check', *sys.argv[1:]]))"
    done = run_script(script, *arguments)
    assert done.returncode == 0, done
    return done.stdout


def test_command_prints_json() -> None:
    found = json.loads(
        run_check("time:sleep", "delay", "--setup", "delay = 0.1", "--only=gil", "--json")
    )
    assert set(found) == {"gil"}
    assert found["gil"]["verdict"] == "released"
    assert {"wall_ms", "released_ms", "held_ms"} <= set(found["gil"])


def test_command_prints_a_table() -> None:
    text = run_check("builtins:sum", "range(4_000_000)", "--only", "gil")
    assert "builtins:sum(range(4_000_000))" in text
    assert "held" in text
    assert "others waited" in text
