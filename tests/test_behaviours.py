"""Behaviours: methods of a model's class that are called in the middle of operations.

Synchronization is required nowhere: the calls for one device come one at a time.
"""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
import hwsim.aio
from conftest import run_script
from examples import examples
from hwsim import cli, errors, gil, models
from hwsim.models import Block, Field, Register, on_read, on_write, when_changed

CLOCKS = ["latency=0s", "latency=50us", "latency=2ms&clock=virtual", "latency=0s&clock=virtual"]
clocks = pytest.mark.parametrize("clock", CLOCKS)


class Adder(hwsim.Model):
    """Adds up what is written."""

    class DATA(Register, at=0x0):
        """Is added."""

    class SUM(Register, at=0x4, access="RO"):
        """The sum."""

    class COUNT(Register, at=0x8, access="RO"):
        """How many there were."""

    class CTRL(Register, at=0xC):
        MODE = Field(4, 4)
        DONE = Field(0, access="RO")

    class SQUARE(Register, at=0x10, bits=16, access="RO"):
        """Computed when it is read."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        self.calls: list[tuple[str, int]] = []
        self.resets = 0

    @on_write(DATA)
    def add(self, value: int) -> None:
        self.calls.append(("write", value))
        self.write(self.SUM, (self.read(self.SUM) + value) & 0xFFFFFFFF)
        self.write("COUNT", self.read("COUNT") + 1)
        self.meanwhile()

    @on_read(SQUARE)
    def square(self, value: int) -> int:
        self.calls.append(("read", value))
        return self.read(self.COUNT) ** 2

    def on_reset(self) -> None:
        self.resets += 1


def open_adder(clock: str = "latency=0s", model: Any = Adder) -> tuple[hwsim.Device, Adder]:
    device = hwsim.open(f"hwsim://adder?{clock}", model=model)
    assert isinstance(device.model, Adder)
    return device, device.model


@clocks
def test_methods_are_called_in_the_middle_of_operations(clock: str) -> None:
    device, adder = open_adder(clock)
    with device:
        device[0] = 5
        device.write_register(0, 7)
        assert device.registers.SUM.read() == 12
        assert device.read_register(0x10) == 4
        assert list(device.read_block(0, 3)) == [7, 12, 2]
    assert adder.calls == [("write", 5), ("write", 7), ("read", 0)]


@clocks
def test_operation_fails_with_the_very_exception_and_has_no_effect(clock: str) -> None:
    device, adder = open_adder(clock)
    error = KeyError("no such thing")

    def fail() -> None:
        raise error

    adder.meanwhile = fail
    with device:
        with pytest.raises(KeyError) as caught:
            device[0] = 5
        assert caught.value is error
        assert "fail" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert (device[0], device[4], device[8]) == (0, 0, 0)
        adder.meanwhile = lambda: None
        device[0] = 5
        assert device[8] == 1


def test_errors_of_hwsim_pass_as_they_are() -> None:
    device, adder = open_adder()

    def fail() -> None:
        raise errors.CRCError("so it is")

    adder.meanwhile = fail
    with device, pytest.raises(errors.CRCError, match="so it is"):
        device.write_register(0, 1)


def test_time_that_is_spent_is_the_operations() -> None:
    device, adder = open_adder("latency=2ms&clock=virtual")
    seen = []

    def spend() -> None:
        adder.spend(0.03)
        seen.append(adder.now)

    adder.meanwhile = spend
    with device:
        device[0] = 1
        assert device.now == pytest.approx(0.032)
        assert seen == [pytest.approx(0.032)]
        with pytest.raises(errors.DeviceTimeout):
            device.write_register(0, 1, timeout=0.02)
        assert device.now == pytest.approx(0.052)
        assert device[8] == 1
        adder.meanwhile = lambda: adder.spend(-1)
        with pytest.raises(errors.InvalidArgument, match="from 0 to 3600 s"):
            device[0] = 1


def test_fields_are_read_and_written_whatever_their_access() -> None:
    device, adder = open_adder()

    def finish() -> None:
        assert adder.read(Adder.CTRL.MODE) == 5
        adder.write(Adder.CTRL.DONE, 1)
        assert adder.read("CTRL.DONE") == 1
        assert adder.read(Adder.CTRL) == 0x51

    adder.meanwhile = finish
    with device:
        device.registers.CTRL.MODE.write(5)
        device[0] = 1
        assert device.registers.CTRL.DONE.read() == 1


def test_registers_change_later_by_themselves() -> None:
    device, adder = open_adder("latency=1ms&clock=virtual")
    adder.meanwhile = lambda: adder.write(Adder.CTRL.DONE, 1, after=0.02)
    with device:
        device[0] = 1
        device.registers.CTRL.DONE.wait(1)
        assert device.now == pytest.approx(0.021)
        adder.meanwhile = lambda: adder.write(Adder.CTRL.DONE, 1, after=0)
        with pytest.raises(errors.InvalidArgument, match="1 us to 1 h later"):
            device[0] = 1


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda adder: adder.read("NONE"), "has no register or field NONE"),
        (lambda adder: adder.read("CTRL.NONE"), "has no register or field CTRL.NONE"),
        (
            lambda adder: adder.write(Adder.CTRL.MODE, 16),
            "CTRL.MODE must be an integer from 0 to 0xf, got 16",
        ),
        (lambda adder: adder.write("SUM", -1), "SUM must be an integer from 0 to 0xffffffff"),
        (lambda adder: adder.write(Adder.SUM, "1"), "SUM must be an integer .* got '1'"),
    ],
)
def test_wrong_part_or_value_is_named(use: Callable[[Adder], object], message: str) -> None:
    device, adder = open_adder()
    adder.meanwhile = lambda: use(adder)
    with device, pytest.raises(errors.InvalidArgument, match=message):
        device[0] = 1


def test_only_in_a_behaviour_is_there_a_transaction() -> None:
    device, adder = open_adder()
    with device:
        for use in (lambda: adder.read("SUM"), lambda: adder.spend(0), lambda: adder.now):
            with pytest.raises(errors.StateError, match="only in a behaviour"):
                use()
        caught = []

        def in_a_thread() -> None:
            try:
                adder.read("SUM")
            except errors.StateError as error:
                caught.append(error)

        def start() -> None:
            thread = threading.Thread(target=in_a_thread)
            thread.start()
            thread.join()

        adder.meanwhile = start
        device[0] = 1
    assert len(caught) == 1


def test_value_that_is_read_must_fit() -> None:
    class Wrong(Adder):
        result: Any = 0

        def square(self, value: int) -> int:  # an override of a behaviour is one
            return self.result  # type: ignore[no-any-return]

    device, wrong = open_adder(model=Wrong)
    assert isinstance(wrong, Wrong)
    with device:
        for result, error in ((0x10000, ValueError), ("x", TypeError), (-1, ValueError)):
            wrong.result = result
            with pytest.raises(error):
                device[0x10]
        wrong.result = None
        assert device[0x10] == 0
        wrong.result = 0xFFFF
        assert device[0x10] == 0xFFFF


def test_waiting_for_what_a_behaviour_reads_is_refused() -> None:
    device, _ = open_adder()
    with device, pytest.raises(errors.AccessError, match="SQUARE at 0x10 is read by a behaviour"):
        device.wait_register(0x10, 1, 1, timeout=0)


# ------------------------------------------------------------------------------------- its limits


@clocks
def test_own_device_is_refused_and_others_are_not(clock: str) -> None:
    device, adder = open_adder(clock)
    with device, hwsim.open("hwsim://other?latency=1us") as other:

        def use() -> None:
            for call in (lambda: device[0], lambda: device.wait_pending(9), device.reset):
                with pytest.raises(errors.StateError, match="called in a behaviour"):
                    call()
            assert other.read_register(0) == other.read_register(0)
            assert device.pending == 1

        adder.meanwhile = use
        device[0] = 1


@clocks
def test_it_can_close_and_cancel_its_device(clock: str) -> None:
    device, adder = open_adder(clock)
    adder.meanwhile = device.cancel
    with pytest.raises(errors.OperationCancelled):
        device[0] = 1
    assert device[8] == 0
    adder.meanwhile = device.close
    with pytest.raises(errors.DeviceClosed):
        device[0] = 1
    assert adder.calls == [("write", 1)] * 2


def test_token_and_close_end_an_operation_in_its_behaviour() -> None:
    for end in ("token", "close"):
        device, adder = open_adder()
        token, entered, leave = hwsim.CancelToken(), threading.Event(), threading.Event()

        def stay(entered: threading.Event = entered, leave: threading.Event = leave) -> None:
            entered.set()
            leave.wait()

        adder.meanwhile = stay
        with ThreadPoolExecutor(1) as pool:
            write = pool.submit(device.write_register, 0, 1, cancel=token)
            entered.wait()
            (token.cancel if end == "token" else device.close)()
            leave.set()
            expected = errors.OperationCancelled if end == "token" else errors.DeviceClosed
            assert isinstance(write.exception(), expected)
        device.close()


def test_others_wait_no_longer_than_they_said() -> None:
    device, adder = open_adder()
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        leave.wait()

    adder.meanwhile = stay
    with device, ThreadPoolExecutor(1) as pool:
        write = pool.submit(device.write_register, 0, 1)
        entered.wait()
        with pytest.raises(errors.DeviceTimeout):
            device.read_register(8, timeout=0.05)
        leave.set()
        write.result()
        assert device[8] == 1


@pytest.mark.parametrize("policy", ["auto", "release", "hold"])
@clocks
def test_no_policy_locks_it_up(policy: gil.Policy, clock: str) -> None:
    """With "hold", too, who waits for a behaviour lets it run."""
    device, adder = open_adder(clock)
    adder.meanwhile = lambda: sum(range(2000))
    with device, gil.policy(policy), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: device.write_register(0, value, timeout=30), range(200)))
        assert device[8] == 200
        assert device[4] == sum(range(200))


@pytest.mark.parametrize("clock", ["latency=0s", "latency=1ms&jitter=1ms&clock=virtual"])
def test_any_number_of_threads_comes_to_the_same(clock: str) -> None:
    ends = set()
    for threads in (1, 2, 8, 32):
        device, adder = open_adder(f"{clock}&seed=3")
        with device, ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda value, of=device: of.write_register(0, value), range(160)))
            end = device.now if "virtual" in clock else 0.0
            ends.add((device[4], device[8], device[0x10], end))
            assert len(adder.calls) == 161
    assert len(ends) == 1


def test_calls_come_one_at_a_time_and_in_the_order_of_the_bus() -> None:
    device, adder = open_adder("latency=10us")
    inside = []

    def check() -> None:
        inside.append(threading.get_ident())
        assert len(inside) == 1
        inside.pop()

    adder.meanwhile = check
    with device, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: device.write_register(0, value), range(100)))
        assert [value for _, value in adder.calls[-1:]] == [device[0]]


def test_interrupt_in_it_ends_the_operation() -> None:
    device, adder = open_adder()
    adder.meanwhile = lambda: signal.raise_signal(signal.SIGINT)
    with device:
        with pytest.raises(KeyboardInterrupt):
            device[0] = 1
        adder.meanwhile = lambda: None
        assert device[8] == 0


def test_interrupt_ends_a_wait_for_it() -> None:
    device, adder = open_adder()
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        leave.wait()

    adder.meanwhile = stay
    with device, ThreadPoolExecutor(1) as pool:
        write = pool.submit(device.write_register, 0, 1)
        entered.wait()

        def interrupt() -> None:
            device.wait_pending(2)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        other = threading.Thread(target=interrupt)
        other.start()
        with pytest.raises(KeyboardInterrupt):
            device.read_register(8, timeout=60)
        leave.set()
        other.join()
        write.result()


def end_call(device: hwsim.Device, token: hwsim.CancelToken, end: str) -> None:
    """In one of the ways to end a call."""
    if end == "interrupt":
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    elif end == "token":
        token.cancel()
    else:
        getattr(device, end)()


ENDS = {
    "cancel": errors.OperationCancelled,
    "token": errors.OperationCancelled,
    "close": errors.DeviceClosed,
    "interrupt": KeyboardInterrupt,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("clock", ["clock=virtual", "clock=manual", "timeout=inf"])
def test_behaviour_that_waits_for_a_user_of_its_device_can_be_ended(end: str, clock: str) -> None:
    """By everything but a timeout of the device's time, which stands still."""
    device, adder = open_adder(f"latency=0s&{clock}")
    token = hwsim.CancelToken()
    with ThreadPoolExecutor(2) as pool, device:

        def join() -> None:
            read = pool.submit(device.read_register, 0, cancel=token)
            while not read.done():  # a signal right before a wait for good would be lost
                wait([read], timeout=0.05)

        def finish() -> None:
            device.wait_pending(2, timeout=math.inf)
            end_call(device, token, end)

        adder.meanwhile = join
        finished = pool.submit(finish)
        if end == "token":
            device.write_register(0, 1)
        else:
            with pytest.raises(ENDS[end]):
                device.write_register(0, 1, timeout=60)
        finished.result()


@pytest.mark.parametrize("end", ["leave", "cancel", "close", "interrupt"])
def test_advance_waits_for_a_behaviour_on_another_thread(end: str) -> None:
    device, adder = open_adder("latency=0s&clock=manual")
    token, entered, leave = hwsim.CancelToken(), threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        leave.wait()

    adder.meanwhile = stay
    with ThreadPoolExecutor(1) as pool, device:
        pool.submit(device.write_register, 0, 1)
        entered.wait()
        finish = leave.set if end == "leave" else lambda: end_call(device, token, end)
        timer = threading.Timer(0.1, finish)
        timer.start()
        try:
            if end == "leave":
                device.advance(1.0)
                assert device.now == 1.0
                assert device[8] == 1
            else:
                with pytest.raises(ENDS[end]):
                    device.advance(1.0)
        finally:
            leave.set()
            timer.join()


# ----------------------------------------------------------------------------------- asynchronous


@clocks
def test_awaited_operations_call_it(clock: str) -> None:
    device, adder = open_adder(clock)

    async def main() -> None:
        awaited = hwsim.aio.Device(device)
        await asyncio.gather(*(awaited.write_register(0, value) for value in range(50)))
        assert await awaited.read_register(8) == 50

        def fail() -> None:
            raise KeyError("awaited")

        adder.meanwhile = fail
        with pytest.raises(KeyError, match="awaited"):
            await awaited.write_register(0, 1)
        adder.meanwhile = lambda: None
        pending = asyncio.ensure_future(awaited.write_register(0, 1))
        await asyncio.sleep(0)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        assert await awaited.read_register(8) == 50

    with device:
        asyncio.run(main())
    assert [value for _, value in adder.calls[:50]] == list(range(50))


# ------------------------------------------------------------------------------------- its object


def test_each_device_has_an_object_of_its_own() -> None:
    with (
        hwsim.open("hwsim://a?latency=0s", model=Adder) as first,
        hwsim.open("hwsim://b?latency=0s", model=Adder.map) as second,
    ):
        assert first.model is not second.model
        first[0] = 1
        assert (first[8], second[8]) == (1, 0)


def test_object_that_is_passed_is_the_one() -> None:
    adder = Adder()
    device, found = open_adder(model=adder)
    assert found is adder
    with pytest.raises(errors.InvalidArgument, match="an object of its own"):
        hwsim.open("hwsim://other", model=adder)
    device.close()
    with hwsim.open("hwsim://other?latency=0s", model=adder) as other:
        other[0] = 1
        assert len(adder.calls) == 1


def test_device_is_reused_only_with_its_object() -> None:
    adder = Adder()
    with hwsim.open("hwsim://adder", model=adder) as device:
        for model in (adder, Adder):
            assert hwsim.open("hwsim://adder", model=model, if_open="reuse") is device
        with pytest.raises(errors.DeviceInUse):
            hwsim.open("hwsim://adder", model=Adder(), if_open="reuse")


def test_device_and_object_are_collected_together() -> None:
    def open_and_forget() -> list[weakref.ref[object]]:
        device, adder = open_adder()
        adder.meanwhile = lambda: device.name  # a circle
        device[0] = 1
        return [weakref.ref(device), weakref.ref(adder)]

    gone = open_and_forget()
    gc.collect()
    assert [each() for each in gone] == [None, None]
    hwsim.open("hwsim://adder").close()  # its name is free


def test_exception_that_nobody_takes_goes_with_the_device() -> None:
    class Failure(Exception):
        pass

    failures: list[weakref.ref[Failure]] = []

    def fail() -> None:
        error = Failure()
        failures.append(weakref.ref(error))
        raise error

    async def main() -> None:
        device, adder = open_adder("latency=1ms&clock=virtual")
        adder.meanwhile = fail
        awaited = hwsim.aio.Device(device)
        task = asyncio.ensure_future(awaited.write_register(0, 1))
        while not failures:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        device.close()

    asyncio.run(main())
    gc.collect()
    assert failures[0]() is None


def test_it_is_told_of_resets() -> None:
    device, adder = open_adder()
    with device:
        device[0] = 1
        assert adder.resets == 0
        device.reset()
        device[0] = 1
        device[0] = 1
        assert adder.resets == 1
        assert device[8] == 2


def test_failing_init_opens_nothing() -> None:
    class Broken(Adder):
        def __init__(self) -> None:
            raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        hwsim.open("hwsim://adder", model=Broken)
    hwsim.open("hwsim://adder").close()


# ------------------------------------------------------------------------------------ the classes


class Bank(hwsim.Model):
    """Arrays, and rules beside behaviours."""

    class CH(Block, at=0x0, count=4, stride=0x10):
        class GAIN(Register, at=0x0):
            """Of the channel."""

        class LEVEL(Register, at=0x4, count=2, access="RO"):
            """Two of each."""

    class FLAG(Register, at=0x100, access="RO"):
        BUSY = Field(0)
        DONE = Field(1)

    rules = (when_changed(FLAG.BUSY, 1).after(1e-3).set(FLAG.DONE),)
    seen: ClassVar[list[tuple[str, int]]] = []

    @on_write(CH.GAIN)
    @on_read("CH[1].LEVEL[0]", CH.LEVEL)
    def access(self, value: int) -> int:
        self.seen.append((self.accessed, value))
        if self.accessed.endswith("GAIN"):
            self.write(self.FLAG.BUSY, 1)
        return 7


def test_array_stands_for_its_elements_and_rules_follow() -> None:
    Bank.seen.clear()
    with hwsim.open("hwsim://bank?latency=1us&clock=virtual", model=Bank) as device:
        device.registers["CH[2].GAIN"].write(3)
        assert device.registers["CH[3].LEVEL[1]"].read() == 7
        device.registers.FLAG.DONE.wait(1)
        assert 1e-3 < device.now < 1.1e-3
    assert Bank.seen == [("CH[2].GAIN", 3), ("CH[3].LEVEL[1]", 0)]
    assert len(Bank.map.behaviours) == 12


def test_map_says_what_is_called() -> None:
    assert [tuple(one) for one in Adder.map.behaviours] == [
        ("DATA", None, "add"),
        ("SQUARE", "square", None),
    ]
    assert Adder.map.model is Adder


def test_wrong_declarations_are_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="needs the register"):
        on_read()
    with pytest.raises(errors.InvalidArgument, match="takes registers or their names"):
        on_read(Adder.CTRL.MODE)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgument, match="a plain method"):

        @on_read("DATA")
        async def read(self: object, value: int) -> None: ...

    class Missing(Adder):
        @on_write("NONE")
        def other(self, value: int) -> None: ...

    with pytest.raises(errors.InvalidArgument, match="Missing has no register NONE"):
        _ = Missing.map

    class Twice(Adder):
        @on_write(Adder.DATA)
        def other(self, value: int) -> None: ...

    with pytest.raises(errors.InvalidArgument, match="both are called for a write of DATA"):
        _ = Twice.map

    class Impossible(Adder):
        @on_write(Adder.SUM)
        def other(self, value: int) -> None: ...

    with pytest.raises(errors.InvalidArgument, match="on SUM: it cannot be written"):
        _ = Impossible.map


def test_forms_that_have_no_behaviours_say_so() -> None:
    with pytest.warns(UserWarning, match="no form for the behaviour of DATA and of 1 more"):
        models.yaml_of(Adder.map)
    assert "| `SQUARE` | `square` |  |" in models.markdown(Adder.map)


def test_info_shows_what_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", f"{__name__}:Adder"]) == 0
    shown = capsys.readouterr().out
    assert "behaviour of" in shown and "square" in shown


# ------------------------------------------------------------------------------- processes, exit


def test_exit_while_behaviours_are_under_way() -> None:
    script = """
import contextlib, threading, hwsim
from hwsim.models import Register, on_write

class Slow(hwsim.Model):
    class DATA(Register, at=0):
        pass
    @on_write(DATA)
    def slow(self, value):
        sum(range(1000))

device = hwsim.open("hwsim://slow?latency=10us", model=Slow)
def work():
    with contextlib.suppress(hwsim.errors.OperationCancelled):  # nothing is called at the end
        while True:
            device[0] = 1
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
for _ in range(100):
    device[0] = 2
print("done")
"""
    assert run_script(script).check() == "done\n"


def test_gil_is_taken_also_after_a_sub_interpreter_was_made() -> None:
    """CPython then says of every thread that it has the GIL."""
    script = """
import threading, hwsim
from hwsim.models import Register, on_write
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

class Busy(hwsim.Model):
    class DATA(Register, at=0):
        pass
    @on_write(DATA)
    def busy(self, value):
        [object() for _ in range(100)]

interpreters.destroy(interpreters.create())
device = hwsim.open("hwsim://busy?latency=100us", model=Busy)
ended = threading.Event()
def others():
    while not ended.is_set():
        [object() for _ in range(1000)]
thread = threading.Thread(target=others)
thread.start()
for number in range(300):
    device[0] = number
ended.set()
thread.join()
print("done")
"""
    assert run_script(script).check() == "done\n"


def test_fork_in_a_behaviour() -> None:
    script = """
import os, hwsim
from hwsim.models import Register, on_write

class Forking(hwsim.Model):
    class DATA(Register, at=0):
        pass
    @on_write(DATA)
    def fork(self, value):
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0

parent = os.getpid()
device = hwsim.open("hwsim://forking?latency=0s", model=Forking)
try:
    device[0] = 1
    assert os.getpid() == parent
    assert device[0] == 1
except hwsim.errors.HwsimError as error:
    assert os.getpid() != parent and "fork" in str(error), error
    os._exit(0)
print("done")
"""
    assert run_script(script).check() == "done\n"


# --------------------------------------------------------------------- against a reference model


class Cells(hwsim.Model):
    """What is written to one register changes another, unless it fails."""

    class R(Register, at=0x0, count=4, bits=8, stride=1):
        """A number."""

    def __init__(self) -> None:
        self.plan: dict[int, tuple[int, int, int]] = {}

    @on_write(R)
    def change(self, value: int) -> None:
        place = int(self.accessed[2])
        target, factor, limit = self.plan.get(place, (place, 0, 256))
        self.write(f"R[{target}]", (self.read(f"R[{target}]") + factor * value) & 0xFF)
        self.spend(1e-6 * factor)
        if self.read(f"R[{target}]") >= limit:
            raise OverflowError(place)

    @on_read("R[3]")
    def mix(self, value: int) -> int:
        return value ^ self.read("R[0]")


places = st.integers(0, 3)
PLANS = st.dictionaries(places, st.tuples(places, places, st.sampled_from([60, 200, 256])))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), places, st.integers(0, 255)),
        st.tuples(st.just("read"), places, st.just(0)),
        st.tuples(st.just("block"), places, st.integers(0, 255)),
    ),
    max_size=12,
)


class Reference:
    """The same in a few lines, without time and threads."""

    def __init__(self, plan: dict[int, tuple[int, int, int]]) -> None:
        self.plan, self.values = plan, [0] * 4

    def run(self, what: str, place: int, value: int) -> object:
        if what == "read":
            return self.values[3] ^ self.values[0] if place == 3 else self.values[place]
        after = list(self.values)
        for each in range(place, 4 if what == "block" else place + 1):
            after[each] = value
            target, factor, limit = self.plan.get(each, (each, 0, 256))
            after[target] = (after[target] + factor * value) & 0xFF
            if after[target] >= limit:
                return "overflow"
        self.values = after
        return None


def run_on(device: hwsim.Device, what: str, place: int, value: int) -> object:
    try:
        if what == "read":
            return device[place]
        if what == "block":
            device.write_block(place, [value] * (4 - place))
        else:
            device[place] = value
    except OverflowError:
        return "overflow"
    return None


@examples
@given(plan=PLANS, steps=STEPS, clock=st.sampled_from(CLOCKS))
def test_random_models_do_as_a_reference_says(
    plan: dict[int, tuple[int, int, int]], steps: list[tuple[str, int, int]], clock: str
) -> None:
    reference = Reference(plan)
    with hwsim.open(f"hwsim://cells?{clock}", model=Cells) as device:
        assert isinstance(device.model, Cells)
        device.model.plan = plan
        for step in steps:
            assert run_on(device, *step) == reference.run(*step)
