"""Progress of long operations: callbacks on the calling thread, in the middle of the call.

The GIL is taken back for each and let go again after it.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
import traceback
import weakref

import pytest

import hwsim
from calls import IMAGE, LONG
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from hwsim.errors import OperationCancelled


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
@pytest.mark.parametrize("call", LONG)
def test_progress_lets_other_threads_go_on(
    call: str, policy: hwsim.gil.Policy, open_device: OpenDevice
) -> None:
    """Each report waits until another thread has made a step, and that for the next report."""
    device, asked, answered = open_device(), threading.Semaphore(0), threading.Semaphore(0)
    steps = 0

    def step() -> None:
        nonlocal steps
        while asked.acquire(timeout=LIMIT) and not done:
            steps += 1
            answered.release()

    def progress(at: int, total: int) -> None:
        reports.append(at)
        asked.release()
        assert answered.acquire(timeout=LIMIT)

    reports: list[int] = []
    done = False
    other = in_thread(step)
    with hwsim.gil.policy(policy):
        LONG[call](device, progress=progress)
    done = True
    asked.release()
    other.result(LIMIT)
    assert steps == len(reports) > 1


@pytest.mark.parametrize("policy", ["auto", "release"])
def test_gil_is_let_go_again_after_each_report(
    policy: hwsim.gil.Policy, open_device: OpenDevice
) -> None:
    """Only another thread moves the clock for what comes after it."""
    device, token, reports = open_device("latency=1s&clock=manual"), hwsim.CancelToken(), []

    def tick() -> None:
        with pytest.raises(OperationCancelled):
            while True:
                device.wait_pending(1, timeout=3600, cancel=token)
                device.advance(1)

    clock = in_thread(tick)
    with hwsim.gil.policy(policy):
        device.program_firmware(IMAGE, progress=lambda *report: reports.append(report))
    token.cancel()
    clock.result(LIMIT)
    assert len(reports) > 2 and reports[-1][0] == reports[-1][1]


@pytest.mark.parametrize("call", LONG)
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_progress_raises_reaches_the_caller(
    error: BaseException, call: str, open_device: OpenDevice
) -> None:
    device = open_device()

    def fail_here(done: int, total: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        LONG[call](device, progress=fail_here)
    assert caught.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail_here"
    assert device.firmware_version == 0x00010000
    LONG[call](device)


@pytest.mark.parametrize("call", LONG)
def test_whatever_can_be_called_takes_progress(call: str, open_device: OpenDevice) -> None:
    found: list[int] = []

    class Progress:
        def report(self, done: int, total: int) -> str:
            return f"{done} of {total}"

        __call__ = report

    device = open_device()
    for progress in (
        found.insert,
        Progress(),
        Progress().report,
        functools.partial(Progress().report),
        complex,
        max,
    ):
        LONG[call](device, progress=progress)
    assert len(found) > 1


@pytest.mark.parametrize("call", LONG)
@pytest.mark.parametrize("fails", [False, True])
def test_progress_is_let_go_with_the_call(fails: bool, call: str, open_device: OpenDevice) -> None:
    def progress(done: int, total: int) -> None:
        if fails:
            raise LookupError

    alive, device = weakref.ref(progress), open_device()
    with pytest.raises(LookupError) if fails else contextlib.nullcontext():
        LONG[call](device, progress=progress)
    del progress
    gc.collect()
    assert alive() is None


def test_progress_in_many_threads_at_once(open_device: OpenDevice) -> None:
    """Each is called in its own."""
    devices = [open_device() for _ in range(4)]

    def work(i: int) -> set[int]:
        seen: set[int] = set()
        call = list(LONG)[i % 2]
        for _ in range(3):
            LONG[call](devices[i], progress=lambda *_: seen.add(threading.get_ident()))
        assert seen == {threading.get_ident()}
        return seen

    assert len(set[int]().union(*parallelize(work, 4))) == 4
