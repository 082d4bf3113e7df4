"""What the commands have in common on the command line."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

EPILOG = (
    "Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted by Ctrl-C, 143 or 129 ended "
    "in good order by SIGTERM or SIGHUP."
)

# What a command does; it may return an exit status other than 0.
Action = Callable[[Console, argparse.Namespace], int | None]


class Stopped(Exception):
    """A signal has ended the command, in good order.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return "interrupted" if self.number == signal.SIGINT else f"ended by {name}"


def add(
    commands: Any, name: str, run: Action, *, help: str, description: str
) -> argparse.ArgumentParser:
    """Adds a command to the subparsers of argparse, and returns its parser.

    Args:
        commands: What ``add_subparsers()`` returned.
        name: Of the command.
        run: Does it, when called with a console and the arguments.
        help: One line for the list of commands.
        description: For its own help.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=description, epilog=EPILOG
    )
    command.set_defaults(run=run)
    return command


def path(text: str) -> Path:
    """Converts an argument to a path; ``~`` is the home folder, as a shell has it."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # the home of whom?
        return Path(text)


def bounded(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Returns what converts an argument to an integer within limits, for ``type=``."""
    limits = f"from {lowest}" if highest is None else f"from {lowest} to {highest}"

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if value < lowest or (highest is not None and value > highest):
            raise argparse.ArgumentTypeError(f"must be an integer {limits}, got {text!r}")
        return value

    return convert
