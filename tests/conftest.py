"""What the tests share: devices, threads that start together, and scripts in their own process.

No test sleeps in order to be right. Order comes from manual clocks, barriers, events and
Device.wait_pending(); LIMIT only ends a test that hangs.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

import hwsim

T = TypeVar("T")
LIMIT = 60.0  # seconds after which something is taken to hang; generous, for loaded machines
TESTS = Path(__file__).parent
GIL = bool(getattr(sys, "_is_gil_enabled", lambda: True)())
pytest_plugins = ["callbacks"]  # its fixtures
needs_gil = pytest.mark.skipif(not GIL, reason="this CPython has no GIL that could be held")

# A shell starts background jobs with SIGINT ignored, and scripts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A device name of the test's own."""
    return f"{re.sub('[^A-Za-z0-9_.-]', '-', request.node.name)[:50]}-{next(_numbers)}"


class OpenDevice:
    """Opens devices with unique names; closes them at the end of the test."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.devices: list[hwsim.Device] = []

    def __call__(self, settings: str = "latency=0s") -> hwsim.Device:
        device = hwsim.open(f"hwsim://{self.name}.{len(self.devices)}?{settings}")
        self.devices.append(device)
        return device


@pytest.fixture
def open_device(name: str) -> Iterator[OpenDevice]:
    """Opens a device with the given settings; ``latency=0s`` unless told otherwise."""
    opener = OpenDevice(name)
    yield opener
    for device in opener.devices:
        device.close()


# ------------------------------------------------------------------------------------- threads


def in_thread(func: Callable[[], T]) -> Future[T]:
    """Runs ``func`` in a daemon thread; take its result with ``result(LIMIT)``."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(func())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def parallelize(func: Callable[[int], T], n: int, *, limit: float = LIMIT) -> list[T]:
    """Runs ``func(0)`` to ``func(n - 1)`` in threads that start together; returns the results.

    Raises:
        BaseException: What the first of them raised.
    """
    barrier = threading.Barrier(n)

    def run(i: int) -> T:
        barrier.wait(limit)
        return func(i)

    futures = [in_thread(lambda i=i: run(i)) for i in range(n)]  # type: ignore[misc]
    return [future.result(limit) for future in futures]


# ----------------------------------------------------------------------------------- processes


class Script(NamedTuple):
    """How a script ended.

    Attributes:
        returncode: Exit status; negative: killed by that signal; None: it hit its limit.
        stdout: What it printed.
        stderr: What it wrote to standard error.
    """

    returncode: int | None
    stdout: str
    stderr: str

    def check(self) -> str:
        """Returns what it printed, if it succeeded and wrote nothing to standard error."""
        assert (self.returncode, self.stderr) == (0, ""), self
        return self.stdout


def run_script(
    source: str,
    *arguments: str,
    setup: str = "",
    limit: float = LIMIT,
    limit_after: tuple[str, float] | None = None,
    on_line: Callable[[str, int], None] | None = None,
) -> Script:
    """Runs Python source in a process of its own; modules of the tests can be imported.

    Args:
        source: The program; dedented.
        arguments: Its ``sys.argv[1:]``.
        setup: Source that runs before it; dedented by itself.
        limit: Seconds until it is killed, with its children.
        limit_after: A line, and the limit that applies from the moment it has been printed.
        on_line: Called with each line it prints (without the newline) and its process id.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        path = Path(folder, "script.py")
        path.write_text(textwrap.dedent(setup) + textwrap.dedent(source), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            start_new_session=True,  # so that its children can be killed with it
        )
        expired = threading.Event()

        def kill() -> None:
            expired.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, kill)
        timer.start()
        lines = []
        assert process.stdout
        with process.stdout as stdout:
            for line in stdout:
                lines.append(line)
                if limit_after and line.rstrip("\n") == limit_after[0]:
                    timer.cancel()
                    timer = threading.Timer(limit_after[1], kill)
                    timer.start()
                if on_line:
                    on_line(line.rstrip("\n"), process.pid)
        process.wait()
        timer.cancel()
        timer.join()
        errors.seek(0)
        returncode = None if expired.is_set() else process.returncode
        return Script(returncode, "".join(lines), errors.read())
