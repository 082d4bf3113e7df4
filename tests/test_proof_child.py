"""Fresh processes: their limit, their end with their parent's, and what gets into them."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest

from conftest import LIMIT, run_script
from hwsim.proof import child
from hwsim.proof.child import Channel
from hwsim.proof.subject import Subject


def sleep_for_ever(channel: Channel) -> None:
    channel.send("asleep")
    time.sleep(3600)


def say(channel: Channel, subject: Subject) -> Any:
    del channel
    print("out")
    return subject.call()


def test_result_and_output_come_back() -> None:
    ended = child.run(say, Subject("math:factorial", (5,)), limit=LIMIT)
    assert (ended.result, ended.status, ended.stdout, ended.stderr) == (120, 0, "out\n", "")


def test_process_at_its_limit_says_where_it_stood() -> None:
    ended = child.run(sleep_for_ever, limit=0.5)
    assert ended.status is None
    assert "in sleep_for_ever" in ended.stderr
    assert "still running" in ended.evidence("it")


def test_crash_is_told_from_an_error() -> None:
    crashed = child.run(say, Subject("ctypes:string_at", (0,)), limit=LIMIT)
    assert crashed.trouble == "crashes"
    assert "in string_at" in crashed.stderr
    failed = child.run(say, Subject("math:factorial", (-1,)), limit=LIMIT)
    assert failed.trouble == ""
    assert "ValueError" in failed.error


def test_setup_and_expressions() -> None:
    subject = Subject("double", ("three",), "three = 3\ndef double(n): return 2 * n", True)
    assert child.run(say, subject, limit=LIMIT).result == 6


def test_setup_runs_once_for_all_that_share_it() -> None:
    setup = "made = object()"
    first, second = Subject("lambda: made", setup=setup), Subject("lambda: made", setup=setup)
    assert first.call() is second.call()


@pytest.mark.parametrize("function", ["3", "math:pi", "nothing"])
def test_what_cannot_be_called_is_named(function: str) -> None:
    assert function in child.run(say, Subject(function), limit=LIMIT).error


@pytest.mark.parametrize("cloudpickle", [None, pickle], ids=["missing", "there"])
def test_what_another_process_cannot_get_at_is_refused(
    cloudpickle: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", cloudpickle)  # which cannot do that either
    with pytest.raises(TypeError, match="top level of a module"):
        child.run(say, Subject(threading.Lock().acquire), limit=LIMIT)


def test_lambda_needs_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(TypeError, match="install cloudpickle"):
        child.run(say, Subject(lambda: 1), limit=LIMIT)


def test_lambda_is_called_with_cloudpickle() -> None:
    pytest.importorskip("cloudpickle")
    assert child.run(say, Subject(lambda: 1), limit=LIMIT).result == 1


def test_unguarded_program_is_told_what_to_do() -> None:
    script = run_script("""
        from hwsim.proof import child
        from hwsim.proof.subject import Subject
        from test_proof_child import say

        def answer():
            return 42

        print(child.run(say, Subject(answer), limit=60).error)
    """)
    assert '__name__ == "__main__"' in script.stdout


def test_no_process_outlives_its_parent() -> None:
    pids = []

    def kill(line: str, pid: int) -> None:
        pids.append(int(line))
        os.kill(pid, 9)

    script = run_script(
        """
        from hwsim.proof import child
        from test_proof_child import sleep_for_ever

        if __name__ == "__main__":
            child.run(
                sleep_for_ever, limit=60, on_message=lambda _, pid: print(pid, flush=True)
            )
        """,
        on_line=kill,
    )
    assert script.returncode == -9
    end = time.monotonic() + LIMIT
    while alive(pids[0]):
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")")[1].split()[0] != "Z"
