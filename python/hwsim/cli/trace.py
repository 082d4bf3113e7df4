"""``hwsim trace``: runs a program, and records when each thread had the GIL."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from hwsim.cli import command, program
from hwsim.cli.lanes import draw
from hwsim.proof.timeline import trace

ENDINGS = (".json", ".html", ".svg")


def add_parser(commands: Any) -> None:
    """Adds ``hwsim trace``."""
    parser = command.add(
        commands,
        "trace",
        _run,
        help="run a program, and draw when each thread had the GIL",
        description="Runs a Python program, and records when each thread was without the GIL, "
        "waited for it, or held it in a native call. Options stand before the program.",
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=_output,
        metavar="FILE",
        help="where to: .json for Perfetto (https://ui.perfetto.dev), .html for a page, .svg for a "
        "picture (default: drawn in the terminal)",
    )
    program.add_arguments(parser)


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in ENDINGS:
        raise argparse.ArgumentTypeError(f"must end in {', '.join(ENDINGS)}, got {text!r}")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    return path


def _run(console: Console, arguments: argparse.Namespace) -> int:
    output = arguments.output.absolute() if arguments.output else None
    with trace() as timeline:
        status = program.run(arguments)
    if output:
        timeline.save(output)
    else:
        draw(console, timeline)
    return status
