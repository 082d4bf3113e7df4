"""asyncio: the results are those of the blocking calls; what ends a wait ends the operation first.

Each promise holds on every loop: asyncio's own, and uvloop's where it is installed.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import threading
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from unittest.mock import AsyncMock, create_autospec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
import hwsim.aio
from calls import BLOCKING, CALLS, IMAGE, LONG, ON_BUS, public_names
from conftest import LIMIT, OpenDevice, parallelize, run_script
from hwsim.errors import CRCError, DeviceClosed, DeviceInUse, DeviceTimeout, OperationCancelled

T = TypeVar("T")
AWAITED = [call for call in {**BLOCKING, **LONG} if not call.startswith("__")]
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]


def loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if kind == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


class Run:
    """Runs a coroutine on a loop of its own, for so long as a test may take."""

    def __init__(self, kind: str) -> None:
        self.factory = loop_factory(kind)

    def __call__(self, main: Coroutine[Any, Any, T], *, debug: bool = False) -> T:
        with asyncio.Runner(loop_factory=self.factory, debug=debug) as runner:
            return runner.run(asyncio.wait_for(main, LIMIT))


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return Run(request.param)


async def until_pending(device: hwsim.aio.Device, count: int) -> None:
    while device.pending < count:
        await asyncio.sleep(0)


def state_of(value: object) -> object:
    """What can be compared of a result."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, hwsim.Calibration):
        return value.gain_error, value.inl.tolist()
    return value


# ------------------------------------------------------------------------------- the same calls


def test_everything_that_a_device_has_is_there() -> None:
    blocking = public_names() - {"wait_free"}
    assert blocking <= {name for cls in hwsim.aio.Device.__mro__ for name in vars(cls)}


@pytest.mark.parametrize("call", [*AWAITED, "__getitem__"])
def test_result_is_that_of_the_blocking_call(call: str, run: Run, open_device: OpenDevice) -> None:
    settings = "latency=1ms&clock=virtual&seed=4"

    async def main() -> tuple[object, float]:
        device = hwsim.aio.Device(open_device(settings))
        options = {"timeout": 0.1} if call in ("wait_register", "wait_pending") else {}
        try:
            awaited: Any = CALLS[call](device, **options)
            return state_of(await awaited), device.now
        except DeviceTimeout:
            return None, device.now

    def block() -> tuple[object, float]:
        device = open_device(settings)
        options = {"timeout": 0.1} if call in ("wait_register", "wait_pending") else {}
        try:
            return state_of(CALLS[call](device, **options)), device.now
        except DeviceTimeout:
            return None, device.now

    if call == "wait_connected":
        pytest.skip("waits for what never comes")
    assert run(main()) == block()


@pytest.mark.parametrize("call", ON_BUS)
def test_error_is_that_of_the_blocking_call(call: str, run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms&clock=virtual&fault=crc*99"))
        awaited: Any = CALLS[call](device)
        with pytest.raises(CRCError) as caught:
            await awaited
        assert caught.value.device == device.name
        assert device.pending == 0

    if not call.startswith("__set"):
        run(main())


def test_bad_arguments_are_named(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device())
        with pytest.raises(IndexError, match="0x41"):
            await device.read_register(0x41)
        with pytest.raises(TypeError, match=r"cancel must be a .*CancelToken or None, got 3"):
            await device.read_voltage(0, cancel=3)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="progress must be callable or None, got 3"):
            await device.calibrate(0, progress=3)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="timeout must be"):
            await device.read_voltage(0, timeout=-1)

    run(main())


def test_without_a_loop_it_says_so(open_device: OpenDevice) -> None:
    operation = hwsim.aio.Device(open_device()).read_voltage(0)
    with pytest.raises(RuntimeError, match="no running event loop"):
        operation.send(None)
    with pytest.raises(RuntimeError, match="awaited already"):
        operation.send(None)


def test_operation_that_nobody_awaits_warns_and_does_nothing(open_device: OpenDevice) -> None:
    device = hwsim.aio.Device(open_device())
    with pytest.warns(RuntimeWarning, match="Device.write_block.* was never awaited"):
        device.write_block(0x40, [1])  # type: ignore[unused-coroutine]
        gc.collect()
    assert device.transactions == 0


@pytest.mark.parametrize("call", AWAITED)
def test_operation_is_named_as_its_call(call: str, open_device: OpenDevice) -> None:
    """Also where it consists in a native one, whose name begins with ``_``."""
    operation: Any = CALLS[call](hwsim.aio.Device(open_device()))
    assert operation.__qualname__.endswith(f".{operation.__name__}")
    assert operation.__name__ in call
    assert f"<hwsim operation {operation.__qualname__}, not awaited>" == repr(operation)
    operation.close()


def test_opening_closes_at_the_end_and_waits_for_a_name(run: Run, name: str) -> None:
    uri = f"hwsim://{name}"

    async def main() -> None:
        async with hwsim.aio.open(uri) as device:
            with pytest.raises(DeviceInUse):
                await hwsim.aio.open(uri)
            with pytest.raises(DeviceInUse):
                await hwsim.aio.open(uri, wait=0.001)
            waiting = asyncio.ensure_future(hwsim.aio.open(uri, wait=LIMIT))
            await asyncio.sleep(0)
        assert not device.is_open
        (await waiting).close()
        with pytest.raises(ValueError, match="wait must be"):
            hwsim.aio.open(uri, wait=-1)

    run(main())


def test_registers_are_awaited_by_name(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms"))
        await device.registers["SCRATCH0"].write(5)
        assert await device.registers["SCRATCH0"].read() == await device.read_register(0x40) == 5
        assert list(device.registers) == list(device.blocking.registers)

    run(main())


# ------------------------------------------------------------------------------------- cancelled


@pytest.mark.parametrize("call", AWAITED)
def test_cancelled_operation_has_left_before_the_error_is_raised(
    call: str, run: Run, open_device: OpenDevice
) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms&clock=manual"))

        async def wait() -> int:
            try:
                awaited: Any = CALLS[call](device)
                await awaited
            except asyncio.CancelledError:
                return device.pending
            raise AssertionError("it was not cancelled")

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == 0

    run(main())


def test_timeout_of_asyncio_takes_it_off_the_bus(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=3600s&timeout=inf"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await device.write_register(0x40, 1)
        assert device.pending == 0

    run(main())


def test_failure_in_a_group_ends_the_others(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=3600s&timeout=inf"))
        other = hwsim.aio.Device(open_device("latency=1ms&fault=crc"))
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                for i in range(100):
                    group.create_task(device.write_register(0x40, i))
                group.create_task(other.read_voltage(0))
        assert [type(error) for error in caught.value.exceptions] == [CRCError]
        assert device.pending == 0

    run(main())


def test_one_of_many_that_fails_leaves_the_others(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1us&fault=crc@501"))
        calls = (device.read_register(0x40) for _ in range(1000))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [i for i, result in enumerate(results) if result != 0] == [500]
        assert isinstance(results[500], CRCError)

    run(main())


@pytest.mark.parametrize("after", ["operation", "sleep"])
def test_too_late_to_cancel_returns_the_result_and_cancels_the_next_await(
    after: str, run: Run, open_device: OpenDevice
) -> None:
    """Or CancelledError would say of an operation with an effect that it had none."""

    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms&clock=manual"))
        finished = []

        async def work() -> None:
            await device.write_register(0x40, 7)
            finished.append(1)
            try:
                if after == "operation":
                    await device.write_register(0x40, 8)
                else:
                    await asyncio.sleep(LIMIT)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                assert task.cancelling() == 1  # not counted twice
                raise
            finished.append(2)

        task = asyncio.create_task(work())
        await until_pending(device, 1)
        device.advance(0.001)  # it has its effect, which the task does not know yet
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert finished == [1]
        assert device.pending == 0
        assert device.transactions == 1

    run(main())


def test_too_late_timeout_leaves_nothing_behind(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms&clock=manual"))
        entered = asyncio.Event()

        async def work() -> str:
            async with asyncio.timeout(None) as scope:
                entered.scope = scope  # type: ignore[attr-defined]
                await device.write_register(0x40, 7)
            for _ in range(10):
                await asyncio.sleep(0)  # no stray cancellation
            return "done"

        task = asyncio.create_task(work())
        await until_pending(device, 1)
        device.advance(0.001)
        entered.scope.reschedule(asyncio.get_running_loop().time() - 1)  # type: ignore[attr-defined]
        assert await task == "done"

    run(main())


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2**32 - 1)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("advance"), st.integers(0, 3)),
        st.tuples(st.just("run"), st.integers(0, 3)),
        st.tuples(st.just("fail"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(actions=ACTIONS)
def test_cancelled_at_any_point_it_has_happened_or_not(actions: list[tuple[str, int]]) -> None:
    """A write that returns has had its effect; one that raises has had none."""

    async def main() -> None:
        with hwsim.open("hwsim://aio-random?latency=2ns&clock=manual&timeout=inf") as blocking:
            device = hwsim.aio.Device(blocking)
            done: list[int] = []

            async def write(value: int) -> None:
                await device.write_register(0x40, value)
                done.append(value)

            tasks: list[asyncio.Task[None]] = []
            with device.events(kinds=["register"]).blocking as seen:
                for action, number in actions:
                    if action == "write":
                        tasks.append(asyncio.create_task(write(number)))
                    elif action == "cancel" and tasks:
                        tasks[number % len(tasks)].cancel()
                    elif action == "advance":
                        device.advance(number * 1e-9)
                    elif action == "fail":
                        device.inject("crc")
                    else:
                        for _ in range(number):
                            await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert device.pending == 0
                effects = []
                while seen.status.queued:
                    effects += [int(event.value) for event in seen.read(100)]
            kept = [value for i, value in enumerate(done) if value != (done[i - 1] if i else 0)]
            assert kept == effects
            assert all(
                isinstance(result, CRCError | asyncio.CancelledError) or result is None
                for result in results
            )

    asyncio.run(main())


def test_tokens_and_close_end_operations(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms&clock=manual"))
        token = hwsim.CancelToken()
        tasks = [
            asyncio.create_task(device.read_voltage(0, cancel=token)),
            asyncio.create_task(device.read_voltage(0)),
            asyncio.create_task(device.program_firmware(IMAGE, timeout=LIMIT)),
        ]
        await until_pending(device, 3)
        token.cancel()
        with pytest.raises(OperationCancelled):
            await tasks[0]
        device.close()
        for task in tasks[1:]:
            with pytest.raises(DeviceClosed):
                await task

    run(main())


@pytest.mark.parametrize("kind", LOOPS)
def test_ctrl_c_ends_the_loop_with_nothing_pending(kind: str) -> None:
    output = run_script(
        f"""
        import asyncio, os, signal, threading
        import hwsim.aio
        from test_aio import loop_factory

        device = hwsim.aio.Device(hwsim.open("hwsim://d?latency=3600s&timeout=inf"))

        def interrupt():
            device.blocking.wait_pending(10, timeout=60)
            os.kill(os.getpid(), signal.SIGINT)

        async def tick():
            while True:  # asyncio may overlook a signal right before it waits: CPython's affair
                await asyncio.sleep(0.01)

        async def main():
            threading.Thread(target=interrupt).start()
            async with asyncio.TaskGroup() as group:
                group.create_task(tick())
                for i in range(10):
                    group.create_task(device.write_register(0x40, i))

        try:
            with asyncio.Runner(loop_factory=loop_factory({kind!r})) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted,", device.pending, "pending")
        """,
        limit=30,
    ).check()
    assert output == "interrupted, 0 pending\n"


# ----------------------------------------------------------------------------- loops and threads


def test_ten_thousand_wait_at_once(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1us&timeout=inf&seed=5"))
        results = await asyncio.gather(*(device.read_voltage(0) for _ in range(10_000)))
        block = open_device("seed=5").stream(1000, total=1)
        del block
        assert len(set(results)) > 100
        assert device.transactions == 10_000

    run(main())


def test_loops_in_threads_share_a_device(run: Run, open_device: OpenDevice) -> None:
    blocking = open_device("latency=10us")

    async def main(i: int) -> None:
        device = hwsim.aio.Device(blocking)
        for k in range(50):
            await asyncio.gather(*(device.write_register(0x40 + 4 * i, k) for _ in range(3)))
            assert await device.read_register(0x40 + 4 * i) == k

    parallelize(lambda i: run(main(i)), 4)
    assert blocking.pending == 0


def test_loop_that_closes_leaves_nothing_pending(run: Run, open_device: OpenDevice) -> None:
    blocking = open_device("latency=1ms&clock=manual")
    device = hwsim.aio.Device(blocking)
    loop = run.factory()

    async def start() -> None:
        for _ in range(10):
            tasks.append(asyncio.ensure_future(device.read_voltage(0)))
        await until_pending(device, 10)

    tasks: list[asyncio.Future[float]] = []
    loop.run_until_complete(start())
    loop.close()
    blocking.advance(0.005)  # some have ended, and nobody is told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loop.set_exception_handler(lambda *_: None)
        tasks.clear()
        del loop
        gc.collect()
    assert blocking.pending == 0


def test_fork_leaves_pending_operations_to_the_parent() -> None:
    output = run_script(
        """
        import asyncio, os
        import hwsim, hwsim.aio

        async def main():
            device = hwsim.aio.Device(hwsim.open("hwsim://d?latency=50ms"))
            task = asyncio.create_task(device.read_register(0))
            while not device.pending:
                await asyncio.sleep(0)
            child = os.fork()
            if not child:  # in the loop that ran in the parent: Python 3.14 says so
                loop.set_exception_handler(lambda *_: None)
                return task
            assert os.waitpid(child, 0)[1] == 0
            print(await task > 0, device.pending)

        async def again():
            async with hwsim.aio.open("hwsim://d?latency=1ms") as device:
                return await device.read_register(0)

        parent = os.getpid()
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(main())
        if os.getpid() != parent:
            import warnings
            warnings.simplefilter("ignore")
            del task, loop
            assert asyncio.run(again()) > 0
            os._exit(0)
        """,
        limit=30,
    ).check()
    assert output == "True 0\n"


def test_interpreter_ends_while_a_loop_in_a_thread_waits() -> None:
    for _ in range(3):
        run_script(
            """
            import asyncio, threading
            import hwsim, hwsim.aio

            blocking = hwsim.open("hwsim://d?latency=3600s&timeout=inf")
            device = hwsim.aio.Device(blocking)

            async def main():
                await asyncio.gather(
                    device.calibrate(0, samples=2**26), *(device.read_voltage(0) for _ in range(9))
                )

            threading.Thread(target=asyncio.run, args=[main()], daemon=True).start()
            blocking.wait_pending(9)
            """,
            limit=30,
        ).check()


# ---------------------------------------------------------------------------- what takes its time


def test_progress_is_reported_on_the_thread_of_the_loop(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=10us"))
        calls: list[tuple[int, int]] = []
        threads = set()

        def progress(done: int, total: int) -> None:
            threads.add(threading.get_ident())
            calls.append((done, total))

        await device.program_firmware(IMAGE, progress=progress)
        await device.calibrate(0, samples=2**18, progress=progress)
        assert threads == {threading.get_ident()}
        assert any(done == total for done, total in calls)
        assert all(0 <= done <= total for done, total in calls)

    run(main())


def test_exception_of_progress_ends_the_operation(run: Run, open_device: OpenDevice) -> None:
    class Enough(Exception):
        pass

    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms"))

        def progress(done: int, total: int) -> None:
            raise Enough

        with pytest.raises(Enough):
            await device.program_firmware(IMAGE, progress=progress)
        assert device.firmware_version != 0x00020000
        with pytest.raises(Enough):
            await device.calibrate(0, samples=2**24, progress=progress)
        assert device.pending == 0

    run(main())


def test_blocks_of_a_stream_come_in_order(run: Run, open_device: OpenDevice) -> None:
    async def main() -> list[int]:
        device = hwsim.aio.Device(open_device("clock=virtual&seed=1"))
        found = []
        async with device.stream(1000, block=100, total=1050) as stream:
            async for block in stream:
                found += block.data[:, 0].tolist()
        assert stream.status.running is False
        return found

    blocking = open_device("clock=virtual&seed=1").stream(1000, block=100, total=1050)
    assert run(main()) == [value for block in blocking for value in block.data[:, 0].tolist()]


def test_events_are_iterated_until_it_is_closed(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms"))
        values = []
        async with device.events(kinds=["trigger"]) as events:
            for i in range(3):
                await device.trigger(i)
            async for event in events:
                values.append(event.value)
                if len(values) == 3:
                    events.close()
        assert values == [0, 1, 2]
        seen: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
        subscription = device.on_event(
            lambda event: seen.put_nowait((event.value, threading.get_ident())), kinds=["trigger"]
        )
        await device.trigger(9)
        assert await seen.get() == (9, threading.get_ident())
        subscription.close()

    run(main())


def test_iterating_over_events_of_a_closed_device_raises(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device())
        async with device.events(kinds=["trigger"]) as events:
            await device.trigger(1)
            with pytest.raises(DeviceClosed):
                async for event in events:
                    assert event.value == 1
                    device.close()

    run(main())


def test_event_after_the_end_of_the_loop_is_dropped(run: Run, open_device: OpenDevice) -> None:
    blocking = open_device()
    errors: list[BaseException] = []

    async def main() -> hwsim.aio.Subscription:
        device = hwsim.aio.Device(blocking)
        return device.on_event(print, kinds=["trigger"], on_error=errors.append)

    subscription = run(main())
    seen = threading.Semaphore(0)
    last = blocking.on_event(lambda _: seen.release(), kinds=["trigger"])
    for i in range(2):  # callbacks run one at a time
        blocking.trigger(i)
        assert seen.acquire(timeout=LIMIT)
    subscription.close()
    last.close()
    assert errors == []


def test_virtual_time_lets_one_wait_for_the_other(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device("latency=1ms&clock=virtual"))

        async def later() -> None:
            for _ in range(100):
                await device.read_register(0x40)
            await device.write_register(0x44, 1)

        async with asyncio.TaskGroup() as group:
            waited = group.create_task(device.wait_register(0x44, 1, 1))
            group.create_task(later())
        assert waited.result() == 1
        assert device.now == pytest.approx(0.102)

    run(main())


def test_zero_latency_lets_others_have_their_turn(run: Run, open_device: OpenDevice) -> None:
    async def main() -> None:
        device = hwsim.aio.Device(open_device())

        async def forever() -> None:
            while True:
                await device.read_register(0x40)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.01)

    run(main())


BLOCKING_CALLS: dict[str, Callable[[hwsim.Device], object]] = {
    r"Device.read_voltage\(\) .* await hwsim.aio.Device.read_voltage\(\)": (
        lambda device: device.read_voltage(0)
    ),
    r"Register.read\(\) .* await hwsim.aio.Register.read\(\)": (
        lambda device: device.registers.ID.read()
    ),
    r"Stream.read\(\) .* await hwsim.aio.Stream.read\(\)": (
        lambda device: device.stream(10).read(2)  # which is not there yet, however slow we are
    ),
    "a call of hwsim blocks": lambda device: device.read_register(0),
}


@pytest.mark.parametrize("text", BLOCKING_CALLS)
def test_blocking_call_on_the_loop_is_named_in_debug_mode(
    text: str, run: Run, open_device: OpenDevice
) -> None:
    blocking = open_device("latency=1ms")

    async def main() -> None:
        BLOCKING_CALLS[text](blocking)

    with pytest.warns(RuntimeWarning, match=text) as caught:
        run(main(), debug=True)
    assert caught[0].filename == __file__


def test_blocking_call_warns_of_nothing_without_debug_mode_or_a_wait(
    run: Run, open_device: OpenDevice
) -> None:
    slow, quick = open_device("latency=1ms"), open_device()

    async def main() -> None:
        slow.read_voltage(0)

    async def main_in_debug_mode() -> None:
        quick.read_voltage(0)
        await hwsim.aio.Device(slow).read_voltage(0)
        await asyncio.to_thread(slow.read_voltage, 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main())
        run(main_in_debug_mode(), debug=True)
        slow.read_voltage(0)


def test_warning_that_is_an_error_ends_the_call(run: Run, open_device: OpenDevice) -> None:
    blocking = open_device("latency=3600s&timeout=inf")

    async def main() -> None:
        blocking.write_register(0x40, 1)

    with warnings.catch_warnings(), pytest.raises(RuntimeWarning, match="blocks the event loop"):
        warnings.simplefilter("error")
        run(main(), debug=True)
    assert blocking.pending == 0


def test_same_seed_gives_the_same_through_threads_and_asyncio(
    run: Run, open_device: OpenDevice
) -> None:
    settings = "latency=1ms&jitter=1ms&clock=virtual&seed=11&fault=crc~0.2"
    blocking = open_device(settings)

    def read() -> object:
        try:
            return blocking.read_voltage(0)
        except CRCError as error:
            return type(error)

    expected = [read() for _ in range(50)], blocking.now

    async def main() -> tuple[list[object], float]:
        device = hwsim.aio.Device(open_device(settings))
        calls = (device.read_voltage(0) for _ in range(50))
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [type(x) if isinstance(x, CRCError) else x for x in found], device.now

    assert run(main()) == expected


def test_what_is_awaited_is_a_coroutine_function_to_others() -> None:
    mock = create_autospec(hwsim.aio.Device, instance=True)
    calls = [call for call in AWAITED if "." not in call]
    assert not [call for call in calls if not isinstance(getattr(mock, call), AsyncMock)]
    assert not isinstance(mock.close, AsyncMock)


def test_only_a_device_gets_the_form_for_asyncio(open_device: OpenDevice) -> None:
    with pytest.raises(TypeError, match=r"blocking must be a hwsim.Device, got 'hwsim://daq0'"):
        hwsim.aio.Device("hwsim://daq0")  # type: ignore[arg-type]
    device = hwsim.aio.Device(open_device())
    with pytest.raises(TypeError, match=r"blocking must be a hwsim.Device, got <hwsim.aio.Device"):
        hwsim.aio.Device(device)  # type: ignore[arg-type]
