"""``hwsim audit``: runs a program, and tells which native call of which package held the GIL."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from typing import Any

from rich.console import Console

from hwsim.cli import command, program
from hwsim.proof.duration import milliseconds
from hwsim.proof.report import audit


def add_parser(commands: Any) -> None:
    """Adds ``hwsim audit``."""
    parser = command.add(
        commands,
        "audit",
        _run,
        help="run a program, and tell which native call held the GIL",
        description="Runs a Python program, and tells of every call of a C callable, in any "
        "thread, for how long it held the GIL. Options of the audit stand before the program.",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the report as JSON; what the program prints goes to standard error",
    )
    parser.add_argument(
        "--fail-on",
        type=_milliseconds,
        metavar="TIME",
        help="exit status 1 if a call holds the GIL for longer at once, such as 100ms",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAME",
        help="a callable that may, such as 'vendor.*'; may be repeated",
    )
    program.add_arguments(parser)


def _milliseconds(text: str) -> float:
    try:
        return milliseconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(console: Console, arguments: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr) if arguments.json else nullcontext(), audit() as report:
        status = program.run(arguments)
    if arguments.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        console.print(report.render())
    if arguments.fail_on is None:
        return status
    over = report.over(arguments.fail_on, arguments.allow)
    for row in over:
        print(
            f"hwsim: {row.callable} held the GIL for {row.longest_held_ms:.1f} ms at once, more "
            f"than {arguments.fail_on:g} ms, called from {row.caller}",
            file=sys.stderr,
        )
    return status or int(bool(over))
