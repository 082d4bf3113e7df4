"""Opening what is open already: said by whom, used again, replaced, or waited for."""

from __future__ import annotations

import gc
import math
import os
import re
import signal
import threading
from typing import Any

import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim.errors import DeviceClosed, DeviceInUse, InvalidArgument, OperationCancelled


@pytest.fixture
def uri(name: str) -> str:
    return f"hwsim://{name}?latency=0s"


# -------------------------------------------------------------------------------- the error


def test_error_says_who_opened_it_and_what_to_do(name: str, uri: str) -> None:
    device = hwsim.open(uri)
    line = test_error_says_who_opened_it_and_what_to_do.__code__.co_firstlineno + 1
    for opens in (hwsim.open, hwsim.Device):
        with pytest.raises(DeviceInUse) as caught:
            opens(uri)
        assert str(caught.value) == (
            f"{name} open: '{name}' is in use: it is already open in this process, opened at "
            f"{__file__}:{line}, in the thread MainThread; close it first (hwsim.close_all() "
            "closes every device), or say "
            'what to do: hwsim.open(..., if_open="reuse" or "replace", wait=SECONDS)'
        )
    device.close()


def test_error_names_the_thread_and_the_other_settings(name: str, uri: str) -> None:
    def run() -> hwsim.Device:
        threading.current_thread().name = "measures"
        return hwsim.open(uri)

    device = in_thread(run).result(LIMIT)
    with pytest.raises(DeviceInUse, match=f"in the thread measures as hwsim://{name}.latency=0s"):
        hwsim.open(f"hwsim://{name}")
    device.close()


def test_opener_is_the_line_outside_of_hwsim(uri: str) -> None:
    class Bench(hwsim.Device):
        pass

    with Bench(uri) as device:
        assert device.opener.startswith(f"at {__file__}:")


def test_nothing_is_kept_of_the_one_who_opened_it(uri: str) -> None:
    class Caller:
        pass

    def run() -> Any:
        caller = Caller()
        return hwsim.open(uri), threading.local(), weak(caller)

    from weakref import ref as weak

    device, _, reference = run()
    gc.collect()
    assert reference() is None
    device.close()


@pytest.mark.parametrize("if_open", ["error", "reuse"])
def test_error_keeps_no_device_open(if_open: Any, uri: str) -> None:
    """Also while the error is kept: it has the frames that raised it."""
    device = hwsim.open(uri)
    with pytest.raises(DeviceInUse) as caught:
        hwsim.open(uri + "&seed=1", if_open=if_open, wait=0.001)
    error = caught.value
    del caught, device
    hwsim.open(uri).close()
    assert error.device


# ------------------------------------------------------------------------------------ reuse


def test_reuse_returns_the_same_device(uri: str) -> None:
    with hwsim.open(uri, if_open="reuse") as device:
        assert hwsim.open(uri, if_open="reuse") is device
        assert hwsim.open(uri, if_open="reuse", wait=5) is device


def test_reuse_opens_what_has_been_closed_or_lost(uri: str) -> None:
    first = hwsim.open(uri, if_open="reuse")
    first.close()
    second = hwsim.open(uri, if_open="reuse")
    assert (second is not first, second.is_open) == (True, True)
    del first, second
    gc.collect()
    hwsim.open(uri, if_open="reuse").close()


def test_reuse_of_other_settings_is_refused(name: str, uri: str) -> None:
    with hwsim.open(uri), pytest.raises(DeviceInUse, match="as hwsim://"):
        hwsim.open(f"hwsim://{name}?latency=1ms", if_open="reuse")


def test_reuse_in_many_threads_gives_all_one_device(uri: str) -> None:
    for _ in range(20):
        devices = parallelize(lambda _: hwsim.open(uri, if_open="reuse"), 8)
        assert len({id(device) for device in devices}) == 1
        assert devices[0].is_open
        devices[0].close()


# ---------------------------------------------------------------------------------- replace


def test_replace_closes_the_one_before(uri: str) -> None:
    first = hwsim.open(uri)
    second = hwsim.open(uri + "&seed=3", if_open="replace")
    assert (first.is_open, second.is_open, second.seed) == (False, True, 3)
    second.close()


def test_replace_ends_the_calls_of_others(open_device: OpenDevice) -> None:
    first = open_device("clock=manual")
    read = in_thread(lambda: first.read_voltage(0, timeout=math.inf))
    first.wait_pending(1)
    hwsim.open(first.uri, if_open="replace").close()
    with pytest.raises(DeviceClosed):
        read.result(LIMIT)


def test_replace_with_what_is_wrong_leaves_the_device(name: str, uri: str) -> None:
    with hwsim.open(uri) as device:
        with pytest.raises(InvalidArgument):
            hwsim.open(f"hwsim://{name}?latncy=1s", if_open="replace")
        assert device.is_open


def test_replace_in_many_threads_leaves_one_open(uri: str) -> None:
    for _ in range(20):
        devices = parallelize(lambda _: hwsim.open(uri, if_open="replace"), 8)
        assert len({id(device) for device in devices}) == 8
        assert sum(device.is_open for device in devices) == 1
        assert hwsim.open(uri, if_open="reuse").is_open
        hwsim.close_all()


def test_replace_calls_the_close_of_a_derived_class(uri: str) -> None:
    class Stubborn(hwsim.Device):
        def close(self) -> None:
            calls.append(self)
            if len(calls) > 1:
                super().close()

    calls: list[Stubborn] = []
    device = Stubborn(uri)
    with pytest.raises(DeviceInUse):  # as it is still open
        hwsim.open(uri, if_open="replace")
    hwsim.open(uri, if_open="replace").close()
    assert calls == [device, device]


def test_replace_in_a_callback_of_the_device(uri: str) -> None:
    opened: list[hwsim.Device] = []
    done = threading.Event()

    def replace(event: hwsim.Event) -> None:
        opened.append(hwsim.open(uri, if_open="replace"))
        done.set()

    first = hwsim.open(uri)
    first.on_event(replace, kinds=["trigger"])
    first.trigger()
    assert done.wait(LIMIT)
    assert (first.is_open, opened[0].is_open) == (False, True)
    opened[0].close()


# ------------------------------------------------------------------------------------- wait


def test_wait_opens_it_as_soon_as_it_is_closed(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, wait_free = threading.Event(), hwsim._native.wait_free

    def tell(*arguments: Any) -> None:
        waits.set()
        wait_free(*arguments)

    monkeypatch.setattr(hwsim._native, "wait_free", tell)
    device = hwsim.open(uri)
    opening = in_thread(lambda: hwsim.open(uri, wait=math.inf))
    assert waits.wait(LIMIT)
    device.close()
    with opening.result(LIMIT) as second:
        assert second.is_open


def test_wait_of_many_gives_each_its_turn(uri: str) -> None:
    at_once: list[hwsim.Device] = []
    most = 0

    def run(_: int) -> None:
        nonlocal most
        for _ in range(5):
            with hwsim.open(uri, wait=LIMIT) as device:
                at_once.append(device)
                most = max(most, len(at_once))
                at_once.remove(device)

    parallelize(run, 8)
    assert most == 1


def test_wait_that_is_too_short_says_who_has_it(uri: str) -> None:
    with hwsim.open(uri), pytest.raises(DeviceInUse, match="opened at"):
        hwsim.open(uri, wait=0.001)


def test_wait_is_cancelled_by_a_token(uri: str) -> None:
    device, token = hwsim.open(uri), hwsim.CancelToken()
    opening = in_thread(lambda: hwsim.open(uri, wait=math.inf, cancel=token))
    token.cancel()
    with pytest.raises(OperationCancelled):
        opening.result(LIMIT)
    device.close()
    with pytest.raises(OperationCancelled):  # latched, though the name is free
        hwsim.open(uri, cancel=token)


def test_wait_is_ended_by_ctrl_c() -> None:
    script = """
        import math, hwsim
        device = hwsim.open("hwsim://x")
        try:
            print("waiting", flush=True)
            hwsim.open("hwsim://x", wait=math.inf)
        except KeyboardInterrupt:
            print("interrupted")
    """

    def interrupt(line: str, pid: int) -> None:
        if line == "waiting":
            os.kill(pid, signal.SIGINT)

    done = run_script(script, on_line=interrupt, limit_after=("waiting", 10))
    assert done.check() == "waiting\ninterrupted\n"


def test_wait_ends_in_a_forked_child_which_has_no_devices() -> None:
    script = """
        import os, threading, warnings, hwsim
        from hwsim import opened
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
        device = hwsim.open("hwsim://x?latency=0s")
        with opened.lock:  # of another thread of the parent's, or of this one
            child = os.fork()
        if not child:
            assert hwsim.close_all() == []
            with hwsim.open("hwsim://x?latency=0s", if_open="reuse", wait=5) as own:
                assert own is not device
                own.read_voltage(0)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert hwsim.close_all() == ["x"]
    """
    run_script(script).check()


def test_fork_while_another_thread_opens_leaves_no_lock_behind() -> None:
    script = """
        import os, threading, warnings, hwsim
        from hwsim import opened
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
        held, go = threading.Event(), threading.Event()
        def hold():
            with opened.lock:
                held.set()
                go.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if not child:
            hwsim.open("hwsim://x", if_open="replace").close()
            os._exit(0)
        go.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    run_script(script, limit=20).check()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"if_open": "maybe"}, ValueError, "if_open must be one of error, reuse, replace, got"),
        ({"wait": -1}, ValueError, "wait must be from 0 to math.inf seconds, got -1"),
        ({"wait": math.nan}, ValueError, "wait must be from 0 to math.inf seconds, got nan"),
        ({"wait": [0.0, 1.0]}, TypeError, "wait must be a number of seconds, got [0.0, 1.0]"),
        ({"wait": "long"}, TypeError, "wait must be a number of seconds, got 'long'"),
        ({"wait": None}, TypeError, "wait must be a number of seconds, got None"),
    ],
)
def test_mistake_is_named(options: Any, error: Any, message: str, uri: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        hwsim.open(uri, **options)
    hwsim.open(uri).close()


# -------------------------------------------------------------------------------- close_all


def test_close_all_closes_every_device(name: str) -> None:
    devices = [hwsim.open(f"hwsim://{name}.{i}") for i in (2, 1, 3)]
    devices[2].close()
    closed = hwsim.close_all()
    assert [each for each in closed if each.startswith(name)] == [f"{name}.1", f"{name}.2"]
    assert not any(device.is_open for device in devices)
    assert hwsim.close_all() == []


def test_close_all_closes_the_others_where_one_fails(name: str) -> None:
    class Broken(hwsim.Device):
        def close(self) -> None:
            super().close()
            raise RuntimeError("broken")

    devices = [cls(f"hwsim://{name}.{i}") for i, cls in enumerate([hwsim.Device, Broken] * 2)]
    with pytest.raises(RuntimeError, match="broken"):
        hwsim.close_all()
    assert not any(device.is_open for device in devices)


def test_chaos_of_all_of_them_ends_and_leaves_one_device_or_none(uri: str) -> None:
    def run(i: int) -> None:
        for n in range(30):
            try:
                if (i + n) % 4 == 0:
                    hwsim.open(uri, if_open="replace")
                elif (i + n) % 4 == 1:
                    hwsim.open(uri, if_open="reuse", wait=0.001).read_voltage(0)
                elif (i + n) % 4 == 2:
                    hwsim.open(uri, wait=0.001).close()
                else:
                    hwsim.close_all()
            except (DeviceClosed, DeviceInUse):
                pass

    parallelize(run, 8)
    hwsim.close_all()
    hwsim.open(uri).close()


def test_names_that_are_gone_are_not_kept() -> None:
    script = """
        import tracemalloc
        import hwsim

        def use(names):
            for name in names:
                hwsim.open(f"hwsim://some-device-of-a-large-fleet-{name}").close()

        use(range(1000))
        tracemalloc.start()
        use(range(1000, 6000))
        assert tracemalloc.get_traced_memory()[0] < 200_000, tracemalloc.get_traced_memory()
    """
    run_script(script).check()
