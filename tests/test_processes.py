"""Processes: pools, fork() at any moment, and the end of the interpreter."""

from __future__ import annotations

import pytest

from conftest import run_script

# ---------------------------------------------------------------------------------------- pools

POOL = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    import hwsim

    def drive(i):
        with hwsim.open(f"hwsim://pool{i}?latency=1ms&clock=virtual&seed={i}") as device:
            device[0x40] = i
            return device[0x40], device.read_voltage(0)

    def fail(kind):
        with hwsim.open(f"hwsim://pool?latency=0s&fault={kind}") as device:
            device.write_register(0x40, 1)

    def misuse(_):
        hwsim.open("hwsim://pool?latensy=1ms")

    if __name__ == "__main__":
        device = hwsim.open("hwsim://pool?latency=0s")  # the workers may have it, too
        context = multiprocessing.get_context(sys.argv[1])
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            results = list(pool.map(drive, range(6), timeout=60))
            assert results == [drive(i) for i in range(6)], results
            for task, argument in [
                (fail, "bus"), (fail, "memory"), (fail, "disconnect"), (fail, "foreign"),
                (misuse, 0),
            ]:
                try:
                    pool.submit(task, argument).result(60)
                except Exception as e:
                    print(type(e).__name__, *(
                        getattr(e, name, "-") for name in ("code", "device", "operation", "message")
                    ), sep="|")
        assert device[0x00] == 0x48575349
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_process_pool_drives_devices_and_its_errors_arrive_whole(method: str) -> None:
    assert run_script(POOL, method).check().splitlines() == [
        "BusError|2|pool|write_register|bus error: the transfer failed (injected fault: bus)",
        "OutOfMemory|16|pool|write_register|out of memory (injected fault: memory)",
        "DeviceDisconnected|5|pool|write_register|the device is disconnected "
        "(injected fault: disconnect)",
        "RuntimeError|-|-|-|-",
        "InvalidArgument|12|pool|open|unknown key 'latensy' (value '1ms'); the nearest is latency",
    ]


# ----------------------------------------------------------------------------------------- fork

# in_child(func): forks, runs func in the child, which then ends; waits for it.
FORK = """
    import faulthandler, math, os, signal, sys, threading, traceback, warnings
    import hwsim
    from calls import CALLS, SETTINGS
    from hwsim.errors import DeviceForked

    warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
    parent = os.getpid()

    def in_child(func):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                func()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
"""


def test_inherited_device_raises_with_advice_for_every_call() -> None:
    run_script(
        """
        device = hwsim.open("hwsim://inherited?latency=0s&clock=manual")

        def child():
            for name, call in CALLS.items():
                try:
                    call(device)
                except DeviceForked as error:
                    assert error.device == "inherited", name
                    assert "before fork()" in error.message, name
                    assert "open it again" in error.message, name
                else:
                    raise AssertionError(name)

        in_child(child)
        device[0x40] = 1
        """,
        setup=FORK,
    ).check()


def test_inherited_device_can_be_looked_at_and_closed_silently() -> None:
    run_script(
        """
        device = hwsim.open("hwsim://inherited?latency=0s")

        def child():
            assert not device.is_open
            assert "closed" in repr(device)
            assert device.name == "inherited"
            for setting in SETTINGS:
                getattr(device, setting)
            device.close()
            with device:
                pass
            assert not any(info.in_use for info in hwsim.list_devices())

        in_child(child)
        assert device.is_open
        assert device[0x00] == 0x48575349
        """,
        setup=FORK,
    ).check()


def test_child_opens_devices_of_its_own_also_of_the_same_name() -> None:
    run_script(
        """
        device = hwsim.open("hwsim://same?latency=0s")
        device[0x40] = 1

        def child():
            with hwsim.open("hwsim://same?latency=1ms") as mine, hwsim.open("hwsim://new") as new:
                assert mine[0x40] == 0
                mine[0x40] = 2
                assert mine[0x40] == 2 and new[0x40] == 0
                device.close()
                assert mine.is_open

                def grandchild():
                    for old in device, mine:
                        try:
                            old[0x40]
                        except DeviceForked:
                            continue
                        raise AssertionError(old)
                    hwsim.open("hwsim://same").close()

                in_child(grandchild)

        in_child(child)
        assert device[0x40] == 1
        """,
        setup=FORK,
    ).check()


def test_error_before_the_fork_is_no_error_after_it() -> None:
    """What is checked before the device, such as an address, must not hide whose device it is."""
    run_script(
        """
        device = hwsim.open("hwsim://bad?latency=0s")

        def child():
            for call in (lambda: device.read_register(0, timeout=0), lambda: device.set_signal(0)):
                try:
                    call()
                except DeviceForked:
                    continue
                raise AssertionError

        in_child(child)
        """,
        setup=FORK,
    ).check()


def test_inherited_cancel_token_says_so_and_a_new_one_works() -> None:
    """Calls of the parent hang on it; its lock may be taken for good."""
    output = run_script(
        """
        device = hwsim.open("hwsim://device?latency=0s")
        token, used = hwsim.CancelToken(), hwsim.CancelToken()
        used.cancel()
        thread = threading.Thread(
            target=lambda: device.wait_register(0x40, 1, 1, timeout=math.inf, cancel=token))
        thread.start()
        device.wait_pending(1, timeout=math.inf)

        def child():
            with hwsim.open("hwsim://mine?latency=0s") as mine:
                try:
                    mine.read_register(0x40, cancel=token)
                except DeviceForked as error:
                    print(error)
                assert used.cancelled and not token.cancelled
                token.cancel()
                assert token.cancelled
                new = hwsim.CancelToken()
                assert mine.read_register(0x40, cancel=new) == 0
                new.cancel()
                try:
                    mine.read_register(0x40, cancel=new)
                except hwsim.errors.OperationCancelled:
                    pass

        in_child(child)
        assert not token.cancelled and device.pending == 1
        device[0x40] = 1
        thread.join()
        """,
        setup=FORK,
    ).check()
    assert "token" in output and "fork" in output, "which handle it is, and what to do about it"


def test_fork_while_other_threads_use_devices() -> None:
    """Locks that they hold are held for ever in the child; nothing there may wait for one."""
    run_script(
        """
        devices = [hwsim.open(f"hwsim://busy{i}?latency=20us&timeout=inf") for i in range(3)]
        token = hwsim.CancelToken()

        def use(i):
            while not token.cancelled:
                try:
                    devices[i % 3].update_register(0x40, 0xFF, i, cancel=token)
                except hwsim.errors.OperationCancelled:
                    pass
                hwsim.list_devices()

        def wait():
            try:
                devices[0].wait_register(0x44, 1, 1, cancel=token)
            except hwsim.errors.OperationCancelled:
                pass

        def reopen():
            while not token.cancelled:
                hwsim.open("hwsim://reopened?latency=0s").close()

        threads = [threading.Thread(target=use, args=(i,)) for i in range(4)]
        threads += [threading.Thread(target=f) for f in (wait, wait, reopen)]
        for thread in threads:
            thread.start()

        def child():
            faulthandler.dump_traceback_later(20, exit=True)
            for device in devices:
                try:
                    device[0x40] = 1
                except DeviceForked:
                    device.close()
            token.cancel()
            with hwsim.open("hwsim://busy0?latency=1ms") as mine:
                mine[0x40] = 5
                assert mine[0x40] == 5
            hwsim.open("hwsim://reopened").close()
            hwsim.list_devices()

        for _ in range(40):
            in_child(child)
        token.cancel()
        for thread in threads:
            thread.join()
        """,
        setup=FORK,
    ).check()


def test_child_may_end_like_any_program() -> None:
    """With the whole clean-up of the interpreter, which frees inherited devices and tokens."""
    output = run_script(
        """
        device = hwsim.open("hwsim://end?latency=0s&timeout=inf")
        token = hwsim.CancelToken()
        thread = threading.Thread(target=lambda: device.wait_register(0x40, 1, 1, cancel=token))
        thread.start()
        device.wait_pending(1)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            mine = hwsim.open("hwsim://end?latency=0s")
            print("child", mine[0x40], flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        device[0x40] = 1
        thread.join()
        print("parent")
        """,
        setup=FORK,
    ).check()
    assert output == "child 0\nparent\n"


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
def test_fork_in_a_signal_handler_during_a_call(policy: str) -> None:
    """The child returns from the handler into a call on a device that is not its own."""
    output = run_script(
        """
        hwsim.gil.policy(sys.argv[1])
        device = hwsim.open("hwsim://handler?latency=150ms&timeout=inf")
        token = hwsim.CancelToken()
        forked = []

        def handle(*_):
            forked.append(os.fork())

        signal.signal(signal.SIGALRM, handle)
        while not forked:  # until the signal has come during the call
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            try:
                value = device.read_register(0x00, cancel=token)
            except DeviceForked as error:
                assert os.getpid() != parent and error.device == "handler"
                token.cancel()
                with hwsim.open("hwsim://handler?latency=1ms") as mine:
                    mine[0x40] = 5
                    assert mine[0x40] == 5
                os._exit(7)
        assert os.getpid() == parent
        assert os.waitpid(forked[0], 0)[1] == 7 << 8
        assert not token.cancelled
        print(hex(value), device.pending)
        """,
        policy,
        setup=FORK,
    ).check()
    assert output == "0x48575349 0\n"


def test_ctrl_c_works_in_a_child_forked_by_another_thread() -> None:
    """There the forking thread is the main one, whatever its identity was before."""
    run_script(
        """
        class Alarm(Exception):
            pass

        def child():
            def handle(*_):
                raise Alarm

            signal.signal(signal.SIGALRM, handle)
            with hwsim.open("hwsim://mine?latency=0s") as mine:
                signal.setitimer(signal.ITIMER_REAL, 0.02)
                try:
                    mine.wait_register(0x40, 1, 1, timeout=20)
                except Alarm:
                    return
            raise AssertionError("the signal was not seen")

        done = []
        def fork():
            in_child(child)
            done.append(True)

        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        assert done
        """,
        setup=FORK,
    ).check()


# ------------------------------------------------------------------------------------------ exit

EXIT = """
    import atexit, math, sys, threading
    import hwsim

    def daemon(target):
        threading.Thread(target=target, daemon=True).start()

    def forever(call):
        def run():
            while True:
                call()
        return run
"""
BLOCKED = """
    device = hwsim.open("hwsim://blocked?latency=3600s&timeout=inf")
    token = hwsim.CancelToken()
    for _ in range(4):
        daemon(lambda: device.read_register(0x40))
        daemon(lambda: device.wait_register(0x40, 1, 1, cancel=token))
    device.wait_pending(8, timeout=math.inf)
"""
LOOPING = """
    devices = [hwsim.open(f"hwsim://loop{i}?latency={t}&timeout=inf")
               for i, t in enumerate(["0s", "20us", "150us", "1ms"])]
    started = threading.Barrier(9)
    for i in range(8):
        def loop(device=devices[i % 4], token=hwsim.CancelToken()):
            device.read_register(0x40)
            started.wait()
            while True:
                device.read_register(0x40, cancel=token)
        daemon(loop)
    started.wait()
"""
TIMING_OUT = """
    devices = [hwsim.open(f"hwsim://time{i}?latency=0s") for i in range(4)]
    started = threading.Barrier(5)
    for i in range(4):
        def loop(device=devices[i]):
            started.wait()
            while True:
                try:
                    device.wait_register(0x40, 1, 1, timeout=0.0005 * (i + 1))
                except TimeoutError:
                    pass
        daemon(loop)
    started.wait()
"""


@pytest.mark.parametrize(("policy", "times"), [("auto", 4), ("release", 2)])
@pytest.mark.parametrize(
    "threads", [BLOCKED, LOOPING, TIMING_OUT], ids=["blocked", "looping", "timing-out"]
)
def test_exit_with_daemon_threads_in_calls_is_clean(threads: str, policy: str, times: int) -> None:
    """A thread that takes the GIL back while the interpreter ends must go without a word."""
    for _ in range(times):
        run_script(threads, setup=EXIT + f"    hwsim.gil.policy({policy!r})\n").check()


def test_exit_by_sys_exit_waits_for_threads_with_a_timeout() -> None:
    result = run_script(
        """
        device = hwsim.open("hwsim://exit?latency=0s")

        def wait():
            try:
                device.wait_register(0x40, 1, 1, timeout=0.3)
            except TimeoutError:
                sys.stdout.write("timed out\\n")

        for _ in range(4):
            threading.Thread(target=wait).start()
        device.wait_pending(4, timeout=math.inf)
        sys.exit(5)
        """,
        setup=EXIT,
    )
    assert result == (5, "timed out\n" * 4, "")


def test_exit_by_an_exception_while_threads_wait() -> None:
    result = run_script("raise SystemExit('the end')", setup=EXIT + BLOCKED)
    assert result == (1, "", "the end\n")


def test_exit_without_close_is_clean() -> None:
    run_script("""
        import hwsim

        device = hwsim.open("hwsim://left?latency=0s&fault=crc~0.5")
        device.set_signal(0, [1.0, 2.0])
        token = hwsim.CancelToken()
        device.me = device
    """).check()


def test_devices_can_be_used_and_closed_by_exit_handlers_and_destructors() -> None:
    output = run_script(
        """
        threading.excepthook = lambda failed: None  # those cancelled may yet come so far

        @atexit.register
        def last():
            print(device.pending)
            with hwsim.open("hwsim://last?latency=1ms") as mine:
                mine[0x40] = 1
            token.cancel()

        class Closer:
            def __init__(self, device, token):
                self.device, self.token = device, token

            def __del__(self):
                self.token.cancel()
                self.device.close()
                print("closed")

        hwsim.closer = Closer(device, token)  # the threads keep this module's variables
        """,
        setup=EXIT + BLOCKED,
    ).check()
    assert output == "8\nclosed\n"


def test_exit_handler_may_close_devices_that_threads_wait_in() -> None:
    output = run_script(
        """
        device = hwsim.open("hwsim://exit?latency=3600s&timeout=inf")

        def wait():
            try:
                device.read_register(0x40)
            except hwsim.errors.DeviceClosed:
                sys.stdout.write("closed\\n")

        for _ in range(3):
            threading.Thread(target=wait).start()
        device.wait_pending(3, timeout=math.inf)
        threading._register_atexit(device.close)  # runs before the threads are joined
        """,
        setup=EXIT,
    ).check()
    assert output == "closed\n" * 3
