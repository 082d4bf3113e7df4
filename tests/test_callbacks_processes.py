"""Callbacks from the native thread, and what ends the process: signals, its exit, and fork().

What would take the tests with it runs in a process of its own.
"""

from __future__ import annotations

import os
import re
import signal

import pytest

from conftest import GIL, parallelize, run_script

# ------------------------------------------------------------------------------------------ signals


INTERRUPT = """
    import faulthandler, math, sys, threading, time
    import hwsim

    device = hwsim.open("hwsim://interrupt?latency=0s&timer=100us&timeout=inf")
    quiet = hwsim.open("hwsim://quiet?latency=0s&timeout=inf")
    events = quiet.events()
    errors, called = [], threading.Semaphore(0)

    def callback(event):
        try:
            device[0x40] = event.sequence & 0xFFFF
            sum(range(200))
            called.release()
        except BaseException as error:
            errors.append(error)
            raise

    def some_callbacks():
        for _ in range(20):
            assert called.acquire(timeout=50)

    subscription = device.on_event(callback)
    some_callbacks()
    try:
        print("waiting", flush=True)
        {activity}
    except KeyboardInterrupt:
        print("interrupted")
    while called.acquire(blocking=False):
        pass
    some_callbacks()
    assert not errors, errors
    assert subscription.is_open
"""


def interrupt(line: str, process: int) -> None:
    """Sends SIGINT to a process that says that it waits."""
    if line == "waiting":
        os.kill(process, signal.SIGINT)


@pytest.mark.parametrize(
    "activity",
    [
        "quiet.wait_register(0x40, 1, 1)",
        "next(events)",
        "while True: time.sleep(0.05)",
        "while True: threading.Event().wait(0.05)",
        "while True: quiet[0x40] = 1",
        "while True: quiet.on_event(callback).close()",
    ],
    ids=["call", "iterator", "sleep", "event", "short-calls", "subscribing"],
)
def test_ctrl_c_comes_to_the_main_thread_and_to_no_callback(activity: str) -> None:
    output = run_script(INTERRUPT.format(activity=activity), on_line=interrupt).check()
    assert output == "waiting\ninterrupted\n"


def test_signal_handler_may_use_subscriptions() -> None:
    """Also while the main thread is in the middle of subscribing."""
    output = run_script("""
        import signal
        import hwsim

        device = hwsim.open("hwsim://handler?latency=0s&timer=100us&timeout=inf")
        count, callback = 0, lambda event: None

        def handle(*_):
            global count
            count += 1
            device.on_event(callback, queue=4).close()
            device.trigger(count)

        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        while count < 100:
            with device.on_event(callback), device.events(timeout=0.001) as events:
                try:
                    next(events)
                except TimeoutError:
                    pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("done")
    """).check()
    assert output == "done\n"


# --------------------------------------------------------------------------------------------- exit


# The threads of the devices' timers and the main thread are in the middle of something at the end.
LIVE = """
    import atexit, faulthandler, gc, math, os, signal, sys, threading, time
    import hwsim

    called, calls = threading.Semaphore(0), 0

    def callback(event):
        global calls
        calls += 1
        own[0x40] = calls & 0xFFFF
        called.release()

    def some_callbacks():
        for _ in range(10):
            assert called.acquire(timeout=50)

    own = hwsim.open("hwsim://own?latency=0s&timeout=inf")
    devices = [hwsim.open(f"hwsim://live{i}?latency=0s&timeout=inf&timer={period}")
               for i, period in enumerate(["20us", "100us", "1ms"])]
    subscriptions = [device.on_event(callback) for device in devices]
    iterator = devices[1].events()
    some_callbacks()
"""


@pytest.mark.parametrize(
    ("ending", "returncode", "error"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise LookupError('the end')", 1, "LookupError: the end"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(50)", -signal.SIGINT, "Interrupt"),
        ("devices[0].close(); del devices[:], subscriptions[:]; gc.collect()", 0, ""),
        ("callback.self = subscriptions, callback; del devices, subscriptions", 0, ""),
        ("threading.Thread(target=some_callbacks).start()", 0, ""),
        ("sys.stdout.flush(); os._exit(4)", 4, ""),
    ],
    ids=["end", "sys-exit", "exception", "ctrl-c", "closed", "cycle", "thread", "at-once"],
)
def test_exit_with_live_subscriptions_is_clean(ending: str, returncode: int, error: str) -> None:
    """Twice, for it happens at another moment each time."""

    def once(_: int) -> None:
        result = run_script(ending, setup=LIVE)
        assert result.returncode == returncode, result
        assert error in result.stderr.splitlines()[-1] if error else not result.stderr, result

    parallelize(once, 2)


def test_exit_with_live_subscriptions_that_raise_is_clean() -> None:
    """What they raise is reported until the end; nothing else is."""
    result = run_script(
        """
        def fail(event):
            called.release()
            raise LookupError("mine")

        more = [device.on_event(fail, on_error=policy)
                for device in devices for policy in ("unraisable", "raise", callback)]
        some_callbacks()
        sys.exit(5)
        """,
        setup=LIVE,
    )
    assert result.returncode == 5, result
    errors = {line for line in result.stderr.splitlines() if line[:1].strip()}
    assert {line for line in errors if not line.startswith("Exception ignored")} <= {
        "LookupError: mine",
        "Traceback (most recent call last):",
    }, result


def test_exit_reports_an_exception_that_no_call_has_raised() -> None:
    result = run_script("""
        import threading
        import hwsim

        device = hwsim.open("hwsim://left?latency=0s&clock=manual&timer=1s")
        done = threading.Event()

        def fail_here(event):
            if event.value == 1:
                raise LookupError("left over")
            done.set()

        device.on_event(fail_here, on_error="raise")
        device.advance(2)
        assert done.wait(50)
    """)
    assert result.returncode == 0, result
    assert result.stderr.splitlines()[-1] == "LookupError: left over"
    assert "in fail_here" in result.stderr


@pytest.mark.parametrize("policy", ["unraisable", "raise"])
def test_exit_in_a_callback_does_not_end_the_process(policy: str) -> None:
    """SystemExit is an exception like others there."""
    result = run_script(
        """
        import sys, threading
        import hwsim

        device = hwsim.open("hwsim://exit?latency=0s&clock=manual&timer=1s")
        done = threading.Event()

        def callback(event):
            if event.value == 3:
                done.set()
            else:
                sys.exit(7)

        device.on_event(callback, on_error=sys.argv[1])
        device.advance(3)
        assert done.wait(50)
        print("goes on", flush=True)
        device.read_register(0x40)
        print("to the end")
        """,
        policy,
    )
    raises = policy == "raise"
    assert result.returncode == (7 if raises else 0), result
    assert result.stdout == ("goes on\n" if raises else "goes on\nto the end\n")
    assert result.stderr.count("SystemExit: 7") == (1 if raises else 2), result


def test_exit_waits_for_the_callback_that_runs() -> None:
    """It ends as it should, with all it needs; none begins after it."""
    output = run_script("""
        import sys, threading
        import hwsim

        device = hwsim.open("hwsim://long?latency=1ms&timer=1ms")
        entered = threading.Event()

        def callback(event):
            print("begins")
            entered.set()
            threading.main_thread().join()  # until the interpreter shuts down
            for n in range(100):
                device[0x40] = n
                assert device[0x40] == n
            print("ends", flush=True)

        device.on_event(callback)
        entered.wait()
    """).check()
    assert output == "begins\nends\n"


def test_exit_lets_no_further_callback_of_a_batch_begin() -> None:
    output = run_script("""
        import threading
        import hwsim

        device = hwsim.open("hwsim://batch?latency=0s&clock=manual&timer=1s")
        entered = threading.Event()

        def callback(event):
            print(event.value, flush=True)
            entered.set()
            while True:  # until the interpreter shuts down
                try:
                    device.on_event(len).close()
                except RuntimeError:
                    return

        device.on_event(callback)
        device.advance(5)  # five ticks at once
        entered.wait()
    """).check()
    assert output == "1.0\n"


def test_exit_does_not_wait_for_ever() -> None:
    """For a callback that does not return: it is named and left behind, whatever it is in."""
    source = """
        import atexit, math, sys, threading
        import hwsim

        device = hwsim.open("hwsim://endless?latency=0s&timeout=inf&timer=1ms")
        other = hwsim.open("hwsim://other?latency=0s&timer=100us")
        entered = threading.Event()

        def callback(event):
            entered.set()
            {action}
            print("not reached")

        device.on_event(callback)
        other.on_event(print)
        entered.wait()
        sys.exit(9)
    """
    actions = [
        "threading.Event().wait()",
        "device.wait_register(0x40, 1, 1)",
        "next(other.events(kinds=['trigger'], timeout=math.inf))",
        "while True: pass",
    ]
    scripts = [source.format(action=action) for action in actions]
    for result in parallelize(lambda i: run_script(scripts[i]), len(scripts)):
        assert result.returncode == 9, result
        assert re.fullmatch(
            r"Python ends without a callback that has not returned: <function callback at 0x\w+> "
            r"\(/.*/script\.py:9\)\n",
            result.stderr,
        ), result
        assert "not reached" not in result.stdout


def test_exit_handlers_may_use_events() -> None:
    """Those registered after the import are in time for callbacks; those before it for the rest."""
    output = run_script("""
        import atexit

        @atexit.register
        def last():
            device[0x40] = 1
            subscription.close()
            for subscribe in (lambda: device.on_event(called.put), device.events):
                try:
                    made = subscribe()
                except RuntimeError as error:
                    print(error)
                else:
                    made.close()
            device.trigger(2)
            print([event.value for event in iterator.read(9)], called.qsize())
            with hwsim.open("hwsim://new?latency=0s") as new:
                new.timer = 0.001
                new[0x40] = 5
                assert new[0x40] == 5
            device.close()

        import queue
        import hwsim

        device = hwsim.open("hwsim://device?latency=0s")
        called = queue.SimpleQueue()
        iterator = device.events(kinds=["trigger"])

        @atexit.register
        def first():
            global subscription
            subscription = device.on_event(called.put, kinds=["trigger"])
            device.trigger(1)
            print(called.get(timeout=50).value, next(iterator).value)
    """).check()
    lines = output.splitlines()
    assert lines[0] == "1.0 1.0"
    assert lines[1] == "no callbacks any more: the interpreter is shutting down"
    assert lines[-1] == "[2.0] 0"


def test_destructors_at_exit_may_use_subscriptions() -> None:
    """When even the modules are being taken apart."""
    output = run_script(
        """
        class Closer:
            def __init__(self):
                self.open, self.devices = hwsim.open, list(devices)
                self.subscriptions = list(subscriptions)

            def __del__(self):
                self.subscriptions[0].close()
                for use in (lambda: self.devices[0].on_event(len), self.devices[0].events,
                            self.devices[0].trigger):
                    try:
                        use()
                    except (RuntimeError, TypeError):  # a name of the module is None already
                        pass
                for device in self.devices:
                    device.close()
                print("closed")

        hwsim.closer = Closer()
        """,
        setup=LIVE,
    ).check()
    assert output == "closed\n"


@pytest.mark.parametrize("timeout", ["math.inf", "0.0005"])
def test_exit_with_daemon_threads_that_iterate_is_clean(timeout: str) -> None:
    source = f"""
        started = threading.Barrier(7)

        def iterate(events):
            started.wait()
            while True:
                try:
                    for event in events:
                        devices[0].trigger(1)
                except TimeoutError:
                    pass

        for device in devices:
            for kinds in (["timer"], ["firmware"]):
                events = device.events(kinds=kinds, queue=8, timeout={timeout})
                threading.Thread(target=iterate, args=(events,), daemon=True).start()
        started.wait()
    """
    for _ in range(2):
        parallelize(lambda _: run_script(source, setup=LIVE).check(), 2)


def test_program_that_imports_the_package_in_a_thread_ends_cleanly() -> None:
    run_script("""
        import threading

        def work():
            import hwsim
            global device
            device = hwsim.open("hwsim://thread?latency=0s&timer=100us")
            called = threading.Event()
            device.on_event(lambda event: called.set())
            assert called.wait(50)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """).check()


# --------------------------------------------------------------------------------------------- fork


FORK = """
    import queue, signal, traceback, warnings

    warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads

    # Without a GIL a fork leaves locked in the child what another thread has just locked inside of
    # Python. There a callback waits meanwhile, so that the timer thread has locked nothing.
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        gate = hwsim.open("hwsim://gate?latency=0s")
        waits, goes_on = queue.SimpleQueue(), queue.SimpleQueue()

        def wait(event):
            waits.put(threading.get_ident())
            goes_on.get()

        def stop():
            gate.trigger()
            return waits.get()

        gate.on_event(wait)
        timer_thread = stop()
        goes_on.put(None)
        os.register_at_fork(
            before=lambda: threading.get_ident() == timer_thread or stop(),
            after_in_parent=lambda: threading.get_ident() == timer_thread or goes_on.put(None),
        )

    def use_events():
        signal.alarm(50)  # a watchdog thread would be the parent's
        found = queue.SimpleQueue()
        with hwsim.open("hwsim://mine?latency=0s&timer=1ms") as mine:
            subscription = mine.on_event(found.put, kinds=["timer", "trigger"])
            for _ in range(3):
                found.get(timeout=40)
            mine.trigger(5)
            while found.get(timeout=40).value != 5:
                pass
            with mine.events(kinds=["timer"], timeout=40) as events:
                next(events)
"""
FORKED = LIVE + FORK


@pytest.mark.parametrize("ending", ["sys.exit(0)", "os._exit(0)", "pass", "raise SystemExit"])
def test_forked_child_uses_new_subscriptions_and_ends_like_any_program(ending: str) -> None:
    """The inherited ones are the parent's, who does not notice."""
    output = run_script(
        f"""
        def parent():
            for _ in range(5):
                sys.stdout.flush()
                child = os.fork()
                if child == 0:
                    return True
                assert os.waitpid(child, 0)[1] == 0
                while called.acquire(blocking=False):
                    pass
                some_callbacks()
            print("parent")

        if parent():
            before = calls
            assert not any(subscription.is_open for subscription in subscriptions)
            use_events()
            use_events()
            for subscription in subscriptions[:2]:
                subscription.close()
            assert calls == before
            left = hwsim.open("hwsim://live0?latency=0s&timer=100us")
            left.on_event(lambda event: None)
            {ending}
        """,
        setup=FORKED,
    ).check()
    assert output == "parent\n"


def test_fork_in_a_callback() -> None:
    """The child has only that thread: it ends with it, or by itself."""
    output = run_script(
        """
        forked = queue.SimpleQueue()
        ways = iter(["return", "_exit", "use", "subscribe"])

        def fork(event):
            way = next(ways)
            child = os.fork()
            if child:
                return forked.put((way, child))
            if way == "use":
                use_events()
            if way == "subscribe":
                mine = hwsim.open("hwsim://mine?latency=0s")
                mine.on_event(print)
            if way != "return":
                os._exit(6)

        one = hwsim.open("hwsim://one?latency=0s")
        one.on_event(fork)
        for n in range(4):
            one.trigger(n)
            way, child = forked.get(timeout=50)
            print(way, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            some_callbacks()
        """,
        setup=FORKED,
    ).check()
    assert output == "return 0\n_exit 6\nuse 6\nsubscribe 6\n"


@pytest.mark.skipif(
    not GIL, reason="a fork leaves locked what other threads have locked in Python, such as a set"
)
def test_fork_while_many_threads_subscribe() -> None:
    """Whatever lock is held at that moment."""
    output = run_script(
        """
        stop = False

        def work(i):
            while not stop:
                with devices[i % 3].on_event(callback), devices[i % 3].events() as events:
                    events.status

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(15):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    use_events()
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
        stop = True
        for thread in threads:
            thread.join()
        print("parent")
        """,
        setup=FORKED,
    ).check()
    assert output == "parent\n"


def test_pool_of_processes_beside_live_subscriptions() -> None:
    """Its workers are forked from here, and end by themselves."""
    output = run_script(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def work(n):
            use_events()
            return n

        if __name__ == "__main__":
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
                print(list(pool.map(work, range(4))))
            some_callbacks()
        """,
        setup=FORKED,
    ).check()
    assert output == "[0, 1, 2, 3]\n"
