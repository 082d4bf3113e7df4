"""Ctrl-C and other signals during a call; each in a process of its own, with real signals."""

from __future__ import annotations

import os
import signal

import pytest

from calls import BLOCKING, UNSEEN
from conftest import run_script

# The call waits for ever, and its caller knows that it really was in it when the signal came: it is
# on the bus, or has released the GIL. If the signal was too early, it tries again.
INTERRUPT = """
    import sys
    import hwsim
    from calls import BLOCKING, UNSEEN

    device = hwsim.open("hwsim://interrupt?latency=0s&timeout=inf")

    def interrupt(name):
        while True:
            if name not in ("wait_register", *UNSEEN):
                device.inject("timeout")
            before = device.transactions, hwsim.gil.releases()
            try:
                print("waiting", flush=True)
                BLOCKING[name](device)
            except KeyboardInterrupt:
                device.clear_faults()
                if (device.transactions, hwsim.gil.releases()) != before:
                    return

    name, *policies = sys.argv[1:]
    for policy in policies:
        hwsim.gil.policy(policy)
        interrupt(name)
        assert device.pending == 0
        device[0x40] = 7
        assert device.read_register(0x40, timeout=0) == 7
        print(policy)
"""


def interrupt(line: str, process: int) -> None:
    """Sends SIGINT to a process that says that it waits."""
    if line == "waiting":
        os.kill(process, signal.SIGINT)


@pytest.mark.parametrize("call", BLOCKING)
def test_ctrl_c_ends_every_blocking_call_and_the_device_works(call: str) -> None:
    policies = ["auto", "release", "hold"]
    if call in UNSEEN:  # it uses no bus: where it releases nothing, nobody can see that it waits
        policies.remove("hold")
    output = run_script(INTERRUPT, call, *policies, on_line=interrupt).check()
    assert [line for line in output.splitlines() if line != "waiting"] == policies


# The main thread waits for a register; another thread sends a signal as soon as it does.
HANDLER = """
    import math, os, signal, sys, threading, time
    import hwsim

    hwsim.gil.policy(sys.argv[1])
    device = hwsim.open("hwsim://handler?latency=0s&timeout=inf")
    other = hwsim.open("hwsim://other?latency=1ms&timeout=inf")
    token = hwsim.CancelToken()
    handled = threading.Event()

    def kill():
        device.wait_pending(1, timeout=math.inf)
        os.kill(os.getpid(), signal.SIGINT)

    def wait(**options):
        return device.wait_register(0x40, 0xFF, 7, **options)

    threading.Thread(target=kill).start()
"""


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_handler_that_does_not_raise_lets_the_call_go_on(policy: str) -> None:
    source = """
        signal.signal(signal.SIGINT, lambda *_: handled.set())

        def answer():
            handled.wait()
            device[0x40] = 0xF07

        threading.Thread(target=answer).start()
        print(hex(wait()))
    """
    assert run_script(source, policy, setup=HANDLER).check() == "0xf07\n"


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_handler_may_use_the_device_during_the_wait(policy: str) -> None:
    """Calls within a call: also some that wait themselves, and the one that ends the outer."""
    source = """
        def handle(*_):
            other[0x40] = 3
            assert other.read_block(0x40, 2).tolist() == [3, 0]
            assert device.read_register(0x00) == 0x48575349
            try:
                device.wait_register(0x44, 1, 1, timeout=0.12)
            except TimeoutError:
                print("nested timeout")
            print(device.pending)
            device[0x40] = 7

        signal.signal(signal.SIGINT, handle)
        print(wait())
    """
    assert run_script(source, policy, setup=HANDLER).check() == "nested timeout\n1\n7\n"


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("device.close()", "DeviceClosed"),
        ("device.cancel()", "OperationCancelled"),
        ("token.cancel()", "OperationCancelled"),
        ("device.inject('disconnect')", "DeviceDisconnected"),
    ],
)
@pytest.mark.parametrize("policy", ["auto", "release"])
def test_handler_that_ends_the_operation_gives_its_error(
    policy: str, action: str, error: str
) -> None:
    source = f"""
        signal.signal(signal.SIGINT, lambda *_: {action})
        try:
            wait(cancel=token)
        except hwsim.HwsimError as error:
            print(type(error).__name__)
        other[0x40] = 1
    """
    assert run_script(source, policy, setup=HANDLER).check() == f"{error}\n"


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_exception_of_the_handler_is_raised_as_it_is(policy: str) -> None:
    source = """
        class Stop(BaseException):
            pass

        def handle(*_):
            raise Stop("now")

        signal.signal(signal.SIGINT, handle)
        try:
            wait()
        except Stop as stop:
            print(stop, stop.__context__, device.pending)
    """
    assert run_script(source, policy, setup=HANDLER).check() == "now None 0\n"


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_interrupt_in_a_call_of_the_handler_ends_both(policy: str) -> None:
    source = """
        def kill_again():
            device.wait_pending(2, timeout=math.inf)
            os.kill(os.getpid(), signal.SIGINT)

        def handle(*_):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            threading.Thread(target=kill_again).start()
            device.wait_register(0x44, 1, 1)
            print("not reached")

        signal.signal(signal.SIGINT, handle)
        try:
            wait()
        except KeyboardInterrupt:
            print(device.pending)
        device[0x40] = 1
    """
    assert run_script(source, policy, setup=HANDLER).check() == "0\n"


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
def test_many_signals_disturb_no_result(policy: str) -> None:
    """A timer fires every 2 ms; reads of 1 to 120 ms come back right, each in its time."""
    output = run_script(
        """
        import signal, sys
        import hwsim

        hwsim.gil.policy(sys.argv[1])
        count = 0

        def handle(*_):
            global count
            count += 1
            quick[0x40] = count
            assert quick[0x40] == count

        quick = hwsim.open("hwsim://quick?latency=0s")
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for latency in "1ms", "30ms", "60ms", "120ms":
            with hwsim.open(f"hwsim://storm?latency={latency}&timeout=inf") as device:
                device[0x40] = 5
                assert device[0x40] == 5
                assert device.now >= 2 * device.latency
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("handled" if count else "no signal came")
        """,
        policy,
    ).check()
    assert output == "handled\n"


def test_ctrl_c_stops_a_loop_over_short_calls() -> None:
    """Calls too short to look for signals themselves leave that to the interpreter."""
    output = run_script(
        """
        import hwsim

        device = hwsim.open("hwsim://loop?latency=10us")
        n = 0
        try:
            print("waiting", flush=True)
            while True:
                n += 1
                device[0x40] = n & 0xFF
        except KeyboardInterrupt:
            pass
        assert device[0x40] in ((n - 1) & 0xFF, n & 0xFF)
        print("works")
        """,
        on_line=interrupt,
    ).check()
    assert output.endswith("works\n")


def test_ctrl_c_reaches_the_main_thread_while_others_wait() -> None:
    """Signals are the main thread's; calls of other threads go on."""
    output = run_script("""
        import math, os, signal, threading
        import hwsim

        device = hwsim.open("hwsim://others?latency=0s&timeout=inf")
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(device.wait_register(0x40, 1, 1)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()

        def kill():
            device.wait_pending(5, timeout=math.inf)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=kill).start()
        try:
            device.wait_register(0x44, 1, 1)
        except KeyboardInterrupt:
            print(device.pending)
        device[0x40] = 1
        for thread in threads:
            thread.join()
        print(results)
    """).check()
    assert output == "4\n[1, 1, 1, 1]\n"


def test_interrupted_operation_gives_its_slot_back() -> None:
    """One of another thread waits behind it on the bus."""
    output = run_script("""
        import math, os, signal, threading
        import hwsim

        device = hwsim.open("hwsim://slot?latency=0s&timeout=inf&fault=timeout@1")

        def behind():
            device.wait_pending(1, timeout=math.inf)
            threading.Thread(target=kill).start()
            print(device.read_register(0x00))

        def kill():
            device.wait_pending(2, timeout=math.inf)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=behind)
        thread.start()
        try:
            device.read_register(0x40)
        except KeyboardInterrupt:
            thread.join()
            print("interrupted")
    """).check()
    assert output == f"{0x48575349}\ninterrupted\n"


@pytest.mark.parametrize("first", ["hwsim", "threading, hwsim", "hwsim._native"])
def test_ctrl_c_reaches_the_main_thread_wherever_the_first_import_was(first: str) -> None:
    output = run_script(
        f"""
        import _thread

        imported = _thread.allocate_lock()
        imported.acquire()

        def work():
            import {first}
            hwsim.open("hwsim://thread?latency=1ms")[0x40] = 1
            imported.release()

        _thread.start_new_thread(work, ())
        imported.acquire()
        import hwsim

        device = hwsim.open("hwsim://main?latency=0s&timeout=inf")
        for call in (lambda: device.wait_register(0x40, 1, 1), lambda: next(device.events())):
            try:
                print("waiting", flush=True)
                call()
            except KeyboardInterrupt:
                print("interrupted")
        """,
        on_line=interrupt,
    ).check()
    assert output == "waiting\ninterrupted\n" * 2


# Work of hours, had nobody interrupted it: comparators look at every sample of a noisy signal.
WORK = """
    import sys
    import hwsim

    device = hwsim.open(f"hwsim://work?clock={sys.argv[1]}&rate=1MHz&latency=0s")
    device.set_signal(0, "dc", noise=1)
    device.set_threshold(0, 3.4635)
    events = device.events(kinds=["threshold"])
    calls = {
        "manual": lambda: device.advance(1e6),
        "virtual": lambda: device.wait_register(0x40, 1, 1, timeout=1e6),
    }
    before = hwsim.gil.releases()
    while True:
        try:
            print("waiting", flush=True)
            calls[sys.argv[1]]()
        except KeyboardInterrupt:
            if hwsim.gil.releases() > before:
                break
    assert 0 < device.now < 1e6
    print("works", hwsim.gil.releases() - before)
"""


@pytest.mark.parametrize("clock", ["manual", "virtual"])
def test_ctrl_c_ends_the_settling_of_a_long_time(clock: str) -> None:
    output = run_script(WORK, clock, on_line=interrupt).check()
    assert output.splitlines()[-1] == "works 1"
