"""The command ``hwsim``: the demo, and the devices from a shell. One module a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console

import hwsim
from hwsim.cli import audit, calibrate, check, command, demo, devices, flash, fleet, record, trace
from hwsim.cli.command import EPILOG


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Its arguments; None: those of the process.

    Returns:
        The exit status. Errors are written to standard error.

    Raises:
        SystemExit: The arguments are wrong (status 2), or help was asked for.
    """
    arguments = _parser().parse_args(argv)
    # Not what FORCE_COLOR says: a file or a pipe gets plain text.
    terminal = None if sys.stdout.isatty() else False
    console = Console(force_terminal=terminal, markup=False, emoji=False, highlight=False)
    try:
        status: int | None = arguments.run(console, arguments)
    except KeyboardInterrupt:
        print("hwsim: interrupted", file=sys.stderr)
        return 130
    except command.Stopped as stopped:
        with suppress(OSError):  # the terminal may be what is gone
            print(f"hwsim: {stopped}", file=sys.stderr)
        return 128 + stopped.number
    except (hwsim.HwsimError, OSError, ValueError) as error:
        print(f"hwsim: {error}", file=sys.stderr)
        return 1
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwsim",
        description="A simulated slow instrument, and a proof of what native calls do wrong.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"hwsim {hwsim.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo.add_parser(commands)
    devices.add_parsers(commands)
    record.add_parser(commands)
    flash.add_parser(commands)
    calibrate.add_parser(commands)
    fleet.add_parser(commands)
    check.add_parser(commands)
    audit.add_parser(commands)
    trace.add_parser(commands)
    return parser
