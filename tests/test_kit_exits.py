"""Python ends while daemon threads are in calls of a module: wherever they are, it is no crash.

Before 3.14 a thread that asks for the GIL too late is ended by unwinding its stack, through C++.
"""

from __future__ import annotations

import os

import pytest

import bindings
from conftest import run_script

SETUP = """
    import sys, threading, time
    sys.path.insert(0, sys.argv[1])
    import doors

    def begin(call, *arguments):
        started = threading.Event()
        def run():
            started.set()
            call(*arguments)
        threading.Thread(target=run, daemon=True).start()
        started.wait()
        time.sleep(0.05)  # to be inside: if it is not, the test is easier
"""
IN_A_CALL = {
    "a call": "begin(doors.wait)",
    "close()": "begin(doors.door(True).close)",
    "a destructor": "begin(lambda: doors.door(True))",
    "an open that fails": "begin(doors.open_badly)",
    "a queue": "door = doors.door(False); begin(door._pass); begin(door.knock)",
}


@pytest.mark.parametrize("kind", bindings.KINDS)
@pytest.mark.parametrize("place", IN_A_CALL)
def test_exit_is_clean_while_a_thread_is_in(place: str, kind: str) -> None:
    script = run_script(IN_A_CALL[place], bindings.module("doors", kind), setup=SETUP)
    assert (script.returncode, script.stderr) == (0, ""), script


@pytest.mark.long
@pytest.mark.parametrize("kind", bindings.KINDS)
def test_exit_is_clean_while_a_thread_is_in_a_callback(kind: str) -> None:
    """It is given 5 seconds, and then named."""
    source = "begin(doors.call_back, doors.wait)"
    script = run_script(source, bindings.module("doors", kind), setup=SETUP)
    assert script.returncode == 0, script
    assert script.stderr.startswith("Python ends without a callback that has not returned"), script


@pytest.mark.parametrize("kind", bindings.KINDS)
def test_calls_queue_after_a_sub_interpreter_was_made(kind: str) -> None:
    """CPython then says of every thread that it has the GIL."""
    source = """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        interpreters.destroy(interpreters.create())
        door = doors.door(False)
        def stay():
            for _ in range(50):
                door.stay()
        threads = [threading.Thread(target=stay) for _ in range(4)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
    """
    script = run_script(source, bindings.module("doors", kind), setup=SETUP)
    assert (script.returncode, script.stderr) == (0, ""), script


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork()")
@pytest.mark.parametrize("kind", bindings.KINDS)
def test_a_child_knows_nothing_of_callbacks_in_its_parent(kind: str) -> None:
    """It neither waits for them at its end, nor says that they have not returned."""
    source = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads is the point
        inside, go_on = threading.Event(), threading.Event()
        def wait():
            inside.set()
            go_on.wait()
        thread = threading.Thread(target=doors.call_back, args=[wait])
        thread.start()
        inside.wait()
        child = os.fork()
        if not child:
            doors.call_back(lambda: 5)
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        go_on.set()
        thread.join()
    """
    script = run_script(source, bindings.module("doors", kind), setup=SETUP)
    assert (script.returncode, script.stderr) == (0, ""), script
