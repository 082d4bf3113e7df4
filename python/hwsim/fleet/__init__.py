"""One function on many devices: in threads, in processes, on a cluster.

>>> import hwsim.fleet
>>> uris = [f"hwsim://rack{i}?latency=20ms" for i in range(8)]
>>> volts = hwsim.fleet.map(lambda device: device.read_voltage(0), uris)
>>> list(volts) == uris
True
"""

from __future__ import annotations

import concurrent.futures
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeVar, get_args

from hwsim import opening
from hwsim.arguments import choice
from hwsim.device import Device
from hwsim.fleet.lifeline import PATIENCE, Here, Line, There

T = TypeVar("T")
Errors = Literal["raise", "return"]

__all__ = ["map"]


def map(
    function: Callable[[Device], T],
    uris: Iterable[str],
    *,
    executor: Executor | None = None,
    timeout: float | None = None,
    errors: Errors = "raise",
    progress: bool = False,
) -> dict[str, Any]:
    """Opens each device where the work runs, and calls ``function(device)`` there.

    Whatever ends it, an error, the timeout or Ctrl-C, ends the rest as well, also on workers in
    other processes and on other machines: their devices are closed, so that operations that wait
    end at once. When it returns, or raises, all devices are closed.

    Args:
        function: Called with an open device, which is closed after it. For processes and clusters
            it must be picklable, such as a function of a module.
        uris: Resource strings, each once.
        executor: Any executor of ``concurrent.futures``: a ProcessPoolExecutor with whatever
            start method, or that of a Dask cluster, ``Client.get_executor()``. It is not shut down.
            None: a thread for each device, 64 at most; the GIL is released while they wait.
        timeout: In seconds, for all of it; None: no limit.
        errors: ``"raise"``: the first exception ends the rest, and is raised. ``"return"``: each
            exception is the result for its device; what the timeout ended has a TimeoutError.
        progress: Whether to show a progress bar on standard error.

    Returns:
        The results, by resource string, in the order of ``uris``.

    Raises:
        TimeoutError: Not all have ended in time.
        TypeError: An InterpreterPoolExecutor, something that is no executor, or no function.
        ValueError: A bad value; the error names it.
    """
    choice("errors", errors, get_args(Errors))
    if not callable(function):
        raise TypeError(f"function must be callable, got {function!r}")
    wanted = _strings(uris)
    until = None if timeout is None else time.monotonic() + opening.seconds("timeout", timeout)
    with ExitStack() as stack:
        if executor is None:
            threads = ThreadPoolExecutor(max(1, min(64, len(wanted))), "hwsim-fleet")
            executor = stack.enter_context(threads)
        lines = _lines(executor)
        stack.callback(lines.close)
        futures: dict[Future[Any], str] = {}
        stack.push(lambda *_: _end(futures, lines))
        advance = stack.enter_context(_bar(len(wanted))) if progress else lambda: None
        for uri in wanted:
            futures[executor.submit(work, function, uri, lines.line)] = uri
        results = _collect(futures, until, errors, advance)
    return {uri: results[uri] for uri in wanted}


def work(function: Callable[[Device], T], uri: str, line: Line) -> T:
    """What runs on a worker."""
    with opening.open(uri) as device, line.hold(device):
        return function(device)


def _strings(uris: Iterable[str]) -> list[str]:
    if isinstance(uris, str) or not isinstance(uris, Iterable):
        raise TypeError(f"uris must be several resource strings, got {uris!r}")
    wanted = list(uris)
    seen = set()
    for uri in wanted:
        if not isinstance(uri, str):
            raise TypeError(f"uris must be resource strings, got {uri!r}")
        if uri in seen:
            raise ValueError(f"uris has {uri} twice")
        seen.add(uri)
    return wanted


def _lines(executor: Executor) -> Here | There:
    """Chooses how its workers are reached."""
    if not isinstance(executor, Executor) and not hasattr(executor, "submit"):
        raise TypeError(f"executor must be an executor of concurrent.futures, got {executor!r}")
    interpreters = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
    if isinstance(executor, interpreters):
        raise TypeError(
            "executor must not be an InterpreterPoolExecutor: hwsim works in the main interpreter "
            "alone. Threads do as well, as the GIL is released while they wait; or use processes"
        )
    if isinstance(executor, ThreadPoolExecutor):
        return Here()
    client = getattr(executor, "_client", None)  # of Dask
    address = getattr(getattr(client, "scheduler", None), "address", "")
    return There(_host_towards(address))


def _host_towards(address: str) -> str:
    """Returns the address of this machine as a scheduler at ``tcp://host:port`` sees it."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdigit() or not host:
        return "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host.strip("[]"), int(port)))  # sends nothing
        return str(probe.getsockname()[0])


def _collect(
    futures: Mapping[Future[Any], str],
    until: float | None,
    errors: Errors,
    advance: Callable[[], None],
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    rest = None if until is None else max(0.0, until - time.monotonic())
    try:
        for future in concurrent.futures.as_completed(futures, rest):
            uri = futures[future]
            error = future.exception()
            if error is not None and errors == "raise":
                error.add_note(f"on {uri}")
                break
            results[uri] = future.result() if error is None else error
            advance()
        else:
            return results
    except TimeoutError:  # of as_completed(): what the functions raise is raised below
        late = [uri for uri in futures.values() if uri not in results]
        if errors == "return":
            return results | {uri: TimeoutError("not done in time") for uri in late}
        error = TimeoutError(f"not done in time: {', '.join(late)}")
    raise error


def _end(futures: Mapping[Future[Any], str], lines: Here | There) -> None:
    """Ends what goes on, and waits for that."""
    going_on = [future for future in futures if not future.done()]
    for future in going_on:
        future.cancel()
    if going_on:
        lines.stop(PATIENCE)
        concurrent.futures.wait(going_on, PATIENCE)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console  # noqa: PLC0415 - only who wants it pays for it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("devices", total=total)
        yield lambda: bar.advance(task)
