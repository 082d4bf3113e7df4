"""One function on many devices: results by resource string, and nothing left whatever happens."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import hwsim
import hwsim.aio
from conftest import LIMIT, in_thread, run_script
from hwsim import fleet
from hwsim.cli import main
from hwsim.errors import CRCError, DeviceClosed, DeviceTimeout, InvalidArgument
from hwsim.fleet.lifeline import Here, There

METHODS = [
    "fork",
    pytest.param("spawn", marks=pytest.mark.long),
    pytest.param("forkserver", marks=pytest.mark.long),
]


def uris(count: int = 4, settings: str = "latency=1ms") -> list[str]:
    return [f"hwsim://fleet{i}?{settings}&seed={i}" for i in range(count)]


# What workers do: functions of a module, because they are pickled.
def read(device: hwsim.Device) -> tuple[str, float, list[float]]:
    return device.name, device.now, [device.read_voltage(0) for _ in range(5)]


def fail_or_wait(device: hwsim.Device) -> object:
    if device.seed == 0:
        raise KeyError(device.name)
    return device.wait_register(0x44, 1, 1, timeout=LIMIT)


def die_or_wait(device: hwsim.Device) -> object:
    if device.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return device.wait_register(0x44, 1, 1, timeout=LIMIT)


@contextmanager
def workers(kind: str, count: int = 2) -> Iterator[Executor | None]:
    """No executor, threads of the caller's, or processes."""
    if kind == "default":
        yield None
    elif kind == "threads":
        with ThreadPoolExecutor(count) as pool:
            yield pool
    else:
        context = multiprocessing.get_context(kind)
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            yield pool


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert [device for device in hwsim.list_devices() if device.in_use] == []
    assert [t.name for t in threading.enumerate() if t.name.startswith("hwsim-lifeline")] == []


@pytest.mark.parametrize("kind", ["default", "threads", *METHODS])
def test_results_are_those_of_one_thread(kind: str) -> None:
    """In whatever order the workers come to them: the same seed gives the same."""
    wanted = uris(settings="clock=virtual")
    expected = {}
    for uri in wanted:
        with hwsim.open(uri) as device:
            expected[uri] = read(device)
    with workers(kind) as executor:
        results = fleet.map(read, wanted, executor=executor)
    assert results == expected
    assert list(results) == wanted


SEEDED = "latency=1ms&jitter=1ms&clock=virtual&fault=crc~0.2"


def read_or_fail(device: hwsim.Device) -> tuple[list[float | str], float]:
    found: list[float | str] = []
    for _ in range(20):
        try:
            found.append(device.read_voltage(0))
        except CRCError as error:
            found.append(str(error))
    return found, device.now


async def read_or_fail_all(wanted: list[str]) -> dict[str, tuple[list[float | str], float]]:
    async def one(uri: str) -> tuple[list[float | str], float]:
        found: list[float | str] = []
        async with hwsim.aio.open(uri) as device:
            for _ in range(20):
                try:
                    found.append(await device.read_voltage(0))
                except CRCError as error:
                    found.append(str(error))
            return found, device.now

    return dict(zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True))


@pytest.mark.parametrize("kind", ["default", *METHODS])
def test_same_seed_gives_the_same_in_threads_processes_and_asyncio(kind: str) -> None:
    """Samples, latencies and faults."""
    wanted = uris(8, SEEDED)
    with workers(kind) as executor:
        results = fleet.map(read_or_fail, wanted, executor=executor)
    assert results == asyncio.run(read_or_fail_all(wanted))
    values, now = results[wanted[0]]
    assert {type(value) for value in values} == {float, str}
    assert 0.001 < now < 0.04


def test_sixty_four_wait_at_once() -> None:
    """Each in a thread, on a device of its own; none ends before all wait."""
    barrier = threading.Barrier(64)

    def wait(device: hwsim.Device) -> float:
        def advance() -> None:
            device.wait_pending(1, timeout=LIMIT)
            barrier.wait(LIMIT)
            device.advance(0.02)

        advanced = in_thread(advance)
        device.read_voltage(0)
        advanced.result(LIMIT)
        return device.now

    results = fleet.map(wait, uris(64, "latency=20ms&clock=manual"), timeout=LIMIT)
    assert list(results.values()) == [0.02] * 64


@pytest.mark.parametrize("kind", ["default", "threads", "spawn"])
def test_first_error_ends_the_rest_on_the_workers(kind: str) -> None:
    with workers(kind) as executor:
        with pytest.raises(KeyError, match="fleet0") as caught:
            fleet.map(fail_or_wait, uris(), executor=executor)
        assert caught.value.__notes__ == [f"on {uris()[0]}"]
        results = fleet.map(read, uris(), executor=executor)  # at once: the names are free
        assert list(results) == uris()


@pytest.mark.parametrize("kind", ["default", "spawn"])
def test_errors_and_what_is_late_are_results_if_wanted(kind: str) -> None:
    with workers(kind, 1) as executor:
        fleet.map(read, uris(2), executor=executor)  # the process has started
        results = fleet.map(fail_or_wait, uris(2), executor=executor, errors="return", timeout=2.0)
    first, second = results.values()
    assert isinstance(first, KeyError)
    assert isinstance(second, TimeoutError)


@pytest.mark.parametrize("lines", [Here, There])
def test_work_that_begins_when_all_is_over_ends_at_once(lines: type[Here | There]) -> None:
    made = lines()
    try:
        made.stop(LIMIT)
        with (
            hwsim.open("hwsim://late") as device,
            made.line.hold(device),
            pytest.raises(DeviceClosed),
        ):
            device.wait_register(0x44, 1, 1, timeout=LIMIT)
    finally:
        made.close()


def test_work_has_ended_when_the_error_is_raised() -> None:
    """In a pool of the caller's too; what has not begun by then does not."""
    began, ended, waits = [], [], threading.Event()

    def work(device: hwsim.Device) -> None:
        if device.seed == 0:
            assert waits.wait(LIMIT)
            raise KeyError(device.name)
        began.append(device.seed)
        try:
            waits.set()
            device.wait_register(0x44, 1, 1, timeout=LIMIT)
        finally:
            threading.Event().wait(0.1)  # who does not wait for it would be faster
            ended.append(device.seed)

    with workers("threads", 2) as executor, pytest.raises(KeyError):
        try:
            fleet.map(work, uris(4), executor=executor)
        finally:
            assert sorted(began) == sorted(ended) != []
            assert 3 not in began  # both threads had another


def test_timeout_names_what_is_late() -> None:
    with pytest.raises(TimeoutError, match="not done in time: hwsim://fleet1"):
        fleet.map(fail_or_wait, uris(2)[1:], timeout=0.01)


class AtOnce(Executor):
    """Has called the function when submit() returns."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def test_timeout_of_the_function_is_not_that_of_the_map() -> None:
    """However late it comes: DeviceTimeout is a TimeoutError, too."""
    with pytest.raises(DeviceTimeout) as caught:
        fleet.map(read, uris(1, "fault=timeout&timeout=1ms"), executor=AtOnce(), timeout=0)
    assert caught.value.__notes__ == [f"on {uris(1, 'fault=timeout&timeout=1ms')[0]}"]


def test_error_of_the_device_reaches_the_caller_from_a_process() -> None:
    with workers("spawn") as executor, pytest.raises(CRCError) as caught:
        fleet.map(read, uris(1, "fault=crc"), executor=executor)
    assert caught.value.device == "fleet0"


def test_worker_that_is_killed_leaves_nothing() -> None:
    with workers("spawn") as executor, pytest.raises(BrokenProcessPool):
        fleet.map(die_or_wait, uris(), executor=executor)


def say_when_it_ends(device: hwsim.Device) -> None:
    try:
        os.write(1, b"waits\n")  # in one piece, as there are several workers
        device.wait_register(0x44, 1, 1, timeout=LIMIT)
    finally:
        os.write(1, b"ended\n")


def test_ctrl_c_ends_the_work_in_processes_too() -> None:
    lines = []

    def interrupt(line: str, pid: int) -> None:
        lines.append(line)
        if lines == ["waits"] * 2:
            os.kill(pid, signal.SIGINT)

    run_script(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import hwsim.fleet
        from test_fleet import read, say_when_it_ends, uris

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                try:
                    hwsim.fleet.map(say_when_it_ends, uris(2), executor=pool)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                print(len(hwsim.fleet.map(read, uris(), executor=pool)))
        """,
        on_line=interrupt,
    ).check()
    assert lines == ["waits", "waits", "ended", "ended", "interrupted", "4"]


def test_work_ends_when_whoever_started_it_has_died() -> None:
    lines = []

    def kill(line: str, pid: int) -> None:
        lines.append(line)
        if lines == ["waits"] * 2:
            os.kill(pid, signal.SIGKILL)
        elif lines == ["waits", "waits", "ended", "ended"]:
            os.killpg(pid, signal.SIGKILL)  # the pool's processes wait for more

    run_script(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import hwsim.fleet
        from test_fleet import say_when_it_ends, uris

        if __name__ == "__main__":
            pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
            hwsim.fleet.map(say_when_it_ends, uris(2), executor=pool)
        """,
        on_line=kill,
    )
    assert lines == ["waits", "waits", "ended", "ended"]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(TypeError, match="function must be callable, got 3"):
        fleet.map(3, [])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="uris must be several resource strings, got 'hwsim://d'"):
        fleet.map(read, "hwsim://d")
    with pytest.raises(TypeError, match="uris must be resource strings, got 3"):
        fleet.map(read, [3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="uris has hwsim://d twice"):
        fleet.map(read, ["hwsim://d", "hwsim://d"])
    with pytest.raises(ValueError, match="errors must be one of raise, return, got 'no'"):
        fleet.map(read, [], errors="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout must be from 0"):
        fleet.map(read, [], timeout=-1)
    with pytest.raises(TypeError, match="executor must be an executor"):
        fleet.map(read, [], executor=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="latency"):
        fleet.map(read, ["hwsim://d?latency=no"])
    assert fleet.map(read, []) == {}


def test_interpreter_pool_is_refused_with_the_reason() -> None:
    futures = pytest.importorskip("concurrent.futures")
    if not hasattr(futures, "InterpreterPoolExecutor"):
        pytest.skip("new in CPython 3.14")
    with (
        futures.InterpreterPoolExecutor(1) as pool,
        pytest.raises(TypeError, match="main interpreter alone"),
    ):
        fleet.map(read, uris(), executor=pool)


def test_progress_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    fleet.map(read, uris(), progress=True)
    captured = capsys.readouterr()
    assert "100%" in captured.err
    assert captured.out == ""


# -------------------------------------------------------------------------------------- clusters


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    """Two processes of Dask's."""
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 4, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as local, distributed.Client(local) as client:
        yield client.get_executor()


@pytest.mark.long
def test_cluster_gives_the_same(cluster: Executor) -> None:
    wanted = uris(8, "clock=virtual")
    assert fleet.map(read, wanted, executor=cluster) == fleet.map(read, wanted)


@pytest.mark.long
def test_error_ends_the_work_on_a_cluster(cluster: Executor) -> None:
    start = time.monotonic()
    with pytest.raises(KeyError):
        fleet.map(fail_or_wait, uris(), executor=cluster)
    assert time.monotonic() - start < LIMIT / 2
    assert list(fleet.map(read, uris(), executor=cluster)) == uris()


def wait_the_first_time(folder: str, device: hwsim.Device) -> int:
    mark = Path(folder, "waits")
    if not mark.exists():
        Path(folder, "begins").write_text(str(os.getpid()), encoding="utf-8")
        Path(folder, "begins").rename(mark)
        device.wait_register(0x44, 1, 1, timeout=LIMIT)
    return os.getpid()


@pytest.mark.long
def test_worker_of_a_cluster_that_is_killed_in_mid_operation(
    cluster: Executor, tmp_path: Path
) -> None:
    """Dask gives its work to another."""
    function = functools.partial(wait_the_first_time, str(tmp_path))
    done = in_thread(lambda: fleet.map(function, uris(1), executor=cluster, timeout=LIMIT / 2))
    mark = tmp_path / "waits"
    while not mark.exists():
        assert not done.done(), done.exception()
        time.sleep(0.01)
    victim = int(mark.read_text(encoding="utf-8"))
    os.kill(victim, signal.SIGKILL)
    (survivor,) = done.result(LIMIT).values()
    assert survivor != victim
    assert list(fleet.map(read, uris(), executor=cluster)) == uris()


@pytest.mark.long
def test_work_that_kills_every_worker_is_an_error(cluster: Executor) -> None:
    results = fleet.map(die_or_wait, uris(1), executor=cluster, errors="return", timeout=LIMIT / 2)
    assert [isinstance(result, Exception) for result in results.values()] == [True]
    assert list(fleet.map(read, uris(), executor=cluster)) == uris()


@pytest.mark.long
def test_ctrl_c_ends_the_work_on_a_cluster() -> None:
    pytest.importorskip("distributed")
    lines = []

    def interrupt(line: str, pid: int) -> None:
        lines.append(line)
        if lines == ["waits"] * 2:
            os.kill(pid, signal.SIGINT)

    run_script(
        """
        from distributed import Client, LocalCluster
        import hwsim.fleet
        from test_fleet import read, say_when_it_ends, uris

        if __name__ == "__main__":
            settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
            with LocalCluster(**settings) as local, Client(local) as client:
                executor = client.get_executor()
                try:
                    hwsim.fleet.map(say_when_it_ends, uris(2), executor=executor)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                print(len(hwsim.fleet.map(read, uris(), executor=executor)), flush=True)
        """,
        on_line=interrupt,
    )
    assert lines == ["waits", "waits", "ended", "ended", "interrupted", "4"]


# -------------------------------------------------------------------------------------- hwsim fleet


def test_command_shows_results_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "test_fleet:read", *uris(2)]) == 0
    assert capsys.readouterr().out.count("done") == 2
    assert main(["fleet", "test_fleet:fail_or_wait", uris()[0]]) == 1
    assert "KeyError: 'fleet0'" in capsys.readouterr().out


def test_command_runs_in_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "test_fleet:read", *uris(2), "--processes", "1"]) == 0
    assert capsys.readouterr().out.count("done") == 2


@pytest.mark.long
def test_command_runs_on_a_cluster(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    address = cluster._client.scheduler.address
    assert main(["fleet", "test_fleet:read", *uris(2), "--scheduler", address]) == 0
    assert capsys.readouterr().out.count("done") == 2
    assert main(["fleet", "test_fleet:fail_or_wait", uris()[0], "--scheduler", address]) == 1
    assert "KeyError: 'fleet0'" in capsys.readouterr().out


def test_scheduler_needs_dask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["fleet", "test_fleet:read", "hwsim://d", "--scheduler", "tcp://x:1"]) == 1
    assert "--scheduler needs Dask: pip install 'hwsim[fleet]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("read", "CALL must be MODULE:FUNCTION, got 'read'"),
        ("test_fleet:nothing", "CALL names nothing"),
        ("no_such_module:x", "CALL names nothing"),
        ("test_fleet:METHODS", "CALL must be callable"),
    ],
)
def test_command_names_a_bad_call(
    call: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", call, "hwsim://d"]) == 1
    assert message in capsys.readouterr().err
