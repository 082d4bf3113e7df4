"""The end of the interpreter while threads are in calls: no crash, no abort, no hang, every time.

Before 3.14 CPython ends a thread that asks for the GIL too late by unwinding its stack, through the
library and the binding; from 3.14 on the thread hangs. Each kind of place where that can happen is
tried often, for it happens at another moment each time; and more often by `make proof`.
"""

from __future__ import annotations

import pytest

from conftest import LIMIT, run_script

# The processes that end are forked from one that has imported everything, which is quicker. Each
# runs one of the functions in daemon threads, and ends when these have said that they are busy.
SETUP = """
    import faulthandler, math, os, signal, sys, threading, warnings
    import numpy as np
    import hwsim
    from calls import IMAGE

    warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
    AT_ONCE = 5

    def end(functions, in_child):
        for function in functions:
            for _ in range(int(sys.argv[1]) // AT_ONCE):
                for _ in range(AT_ONCE):
                    if not os.fork():
                        faulthandler.dump_traceback_later(20, exit=True)  # if it hangs
                        return in_child(function)
                for _ in range(AT_ONCE):
                    status = os.waitstatus_to_exitcode(os.wait()[1])
                    assert status == 0, (function, status)

    def in_threads(function, threads=2):
        global device, quiet
        device = hwsim.open("hwsim://exit?latency=100us&timeout=inf&timer=100us")
        quiet = hwsim.open("hwsim://quiet?latency=0s&timeout=inf")
        begun = threading.Semaphore(0)

        def run():
            said = []
            function(lambda *_: said or said.append(begun.release()))

        for _ in range(threads):
            threading.Thread(target=run, daemon=True).start()
        for _ in range(threads):
            assert begun.acquire(timeout=15)

    def loop(busy, call):
        while True:
            try:
                call()
            except (RuntimeError, OSError, LookupError):
                pass
            busy()
"""
PROGRESS = """
    def calibrates(busy):
        device.calibrate(0, samples=2**24, progress=busy)

    def programs(busy):
        loop(busy, lambda: device.program_firmware(IMAGE, progress=busy))

    def programs_alone(busy):
        loop(busy, lambda: device.program_firmware(IMAGE, progress=busy, exclusive=True))

    def raises(busy):
        def progress(done, total):
            busy()
            raise LookupError
        loop(busy, lambda: quiet.calibrate(0, samples=2**22, progress=progress))

    FUNCTIONS = calibrates, programs, programs_alone, raises
"""
CALLBACKS = """
    def calls(busy):
        def callback(event):
            busy()
            for n in range(9):
                device[0x40] = n
        device.on_event(callback, queue=4)

    def waits(busy):
        def callback(event):
            busy()
            threading.Event().wait(0.05)
        device.on_event(callback, queue=1)

    def raises(busy):
        def callback(event):
            busy()
            raise LookupError
        device.on_event(callback, on_error=lambda error: device.trigger())

    def subscribes(busy):
        loop(busy, lambda: device.on_event(len).close())

    FUNCTIONS = calls, waits, raises, subscribes
"""
CALLS = """
    def is_short(busy):
        loop(busy, lambda: quiet[0x40])

    def fails(busy):
        loop(busy, lambda: quiet.read_register(0x41))

    def waits(busy):
        loop(busy, lambda: device.read_register(0x40, timeout=1))

    def times_out(busy):
        loop(busy, lambda: quiet.wait_register(0x40, 1, 1, timeout=0.0005))

    def waits_without_end(busy):
        busy()
        quiet.wait_register(0x40, 1, 1)

    def is_cancelled(busy):
        threading.Thread(target=loop, args=(busy, device.cancel), daemon=True).start()
        loop(busy, lambda: device.wait_register(0x40, 1, 1))

    def is_released_throughout(busy):
        with hwsim.gil.policy("release"):
            loop(busy, lambda: quiet.read_voltage(0))

    FUNCTIONS = (is_short, fails, waits, times_out, waits_without_end, is_cancelled,
                 is_released_throughout)
"""
BUFFERS = """
    def reads_a_block(busy):
        values = np.zeros(8, np.uint32)
        loop(busy, lambda: device._read_block(0x40, values))

    def streams(busy):
        loop(busy, device.stream(1e6, buffer=2**20).read)

    def streams_into_a_bytearray(busy):
        out, stream = memoryview(bytearray(512)).cast("h"), device.stream(1e5)
        loop(busy, lambda: stream.read_into(out))

    def reads_events(busy):
        loop(busy, lambda: next(device.events(queue=4)))

    FUNCTIONS = reads_a_block, streams, streams_into_a_bytearray, reads_events
"""

exits = pytest.mark.parametrize("exits", ["3", pytest.param("50", marks=pytest.mark.long)])


@exits
@pytest.mark.parametrize(
    "functions",
    [PROGRESS, CALLBACKS, CALLS, BUFFERS],
    ids=["progress", "callbacks", "calls", "buffers"],
)
def test_exit_while_daemon_threads_are_in_a_call_is_clean(functions: str, exits: str) -> None:
    run_script(
        "end(FUNCTIONS, in_threads)", exits, setup=SETUP + functions, limit=10 * LIMIT
    ).check()


@exits
def test_exit_by_a_signal_in_a_wait_beside_threads_in_calls_is_clean(exits: str) -> None:
    """A signal handler raises SystemExit in the main thread's call."""
    run_script(
        """
        def waits():
            quiet.wait_register(0x40, 1, 1)

        def waits_with_the_gil():
            hwsim.gil.policy("hold")
            quiet.wait_register(0x40, 1, 1)

        def waits_for_an_event():
            next(quiet.events())

        def streams():
            quiet.stream(0.001).read(1)

        def calibrates():
            device.calibrate(0, samples=2**26)

        def calibrates_with_progress():
            device.calibrate(0, samples=2**26, progress=lambda *_: None)

        def programs():
            while True:
                device.program_firmware(IMAGE, progress=lambda *_: None, exclusive=True)

        def in_child(function):
            in_threads(lambda busy: loop(busy, lambda: quiet[0x40]), threads=1)
            signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            function()

        end([waits, waits_with_the_gil, waits_for_an_event, streams, calibrates,
             calibrates_with_progress, programs], in_child)
        """,
        exits,
        setup=SETUP,
        limit=10 * LIMIT,
    ).check()
