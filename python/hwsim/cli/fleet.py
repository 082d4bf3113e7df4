"""``hwsim fleet``: one function on many devices, in threads, in processes or on a cluster."""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from hwsim import fleet
from hwsim.cli import command
from hwsim.cli.table import table
from hwsim.proof.subject import is_name, named


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = command.add(
        commands,
        "fleet",
        _run,
        help="call a function with each of many devices",
        description="Opens each device, calls the function with it, and closes it; all at once. "
        "What the function returns is shown, or the error. Ctrl-C ends all of it.",
    )
    parser.add_argument(
        "call",
        metavar="CALL",
        help="MODULE:FUNCTION, which is called with the open device; the module may be in this "
        "folder",
    )
    parser.add_argument("uris", nargs="+", metavar="URI", help="such as hwsim://daq0?latency=2ms")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for all of it")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--processes", type=command.bounded(1), metavar="N", help="in processes, not in threads"
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="on the Dask cluster with this scheduler, such as tcp://10.0.0.1:8786; needs "
        "hwsim[fleet], and hwsim and the module there",
    )


def _run(console: Console, arguments: argparse.Namespace) -> int:
    function = _function(arguments.call)
    with _executor(arguments) as executor:
        results = fleet.map(
            function,
            arguments.uris,
            executor=executor,
            timeout=arguments.timeout,
            errors="return",
            progress=sys.stderr.isatty(),
        )
    failed = {uri for uri, result in results.items() if isinstance(result, Exception)}
    rows = [
        (uri, "failed" if uri in failed else "done", _shown(result))
        for uri, result in results.items()
    ]
    console.print(table(("device", "", "result"), rows))
    return 1 if failed else 0


def _shown(result: object) -> str:
    return f"{type(result).__name__}: {result}" if isinstance(result, Exception) else repr(result)


def _function(call: str) -> Callable[[Any], object]:
    if not is_name(call):
        raise ValueError(f"CALL must be MODULE:FUNCTION, got {call!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = named(call)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"CALL names nothing: {error}") from error
    if not callable(found):
        raise ValueError(f"CALL must be callable, got {found!r}")
    return found  # type: ignore[no-any-return]


@contextmanager
def _executor(arguments: argparse.Namespace) -> Iterator[Executor | None]:
    if arguments.processes:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(arguments.processes, mp_context=context) as pool:
            yield pool
    elif arguments.scheduler:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise ValueError("--scheduler needs Dask: pip install 'hwsim[fleet]'") from error
        with distributed.Client(arguments.scheduler) as client:
            yield client.get_executor()
    else:
        yield None
