"""``hwsim check``: what a call of any extension does wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from hwsim.cli import command
from hwsim.cli.table import empty_table
from hwsim.proof.checked import GOOD, ORACLES, Checked, check_subject
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import UNSUPPORTED, Finding


def add_parser(commands: Any) -> None:
    """Adds ``hwsim check``."""
    parser = command.add(
        commands,
        "check",
        _run,
        help="tell what a native call does wrong: the GIL, Ctrl-C, fork, exit, leaks",
        description="Makes a call of any extension in fresh processes, and tells whether it holds "
        "the GIL, obeys Ctrl-C, survives fork and the end of the interpreter, and leaks.",
    )
    parser.add_argument("call", metavar="MODULE:CALLABLE", help="or an expression that sees CODE")
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="ARG",
        help="Python expressions, which see what CODE defined",
    )
    parser.add_argument(
        "--setup", default="", metavar="CODE", help="Python code that runs first, in each process"
    )
    parser.add_argument(
        "--only",
        type=_oracles,
        default=ORACLES,
        metavar="LIST",
        help=f"of {','.join(ORACLES)}, separated by commas (default: all)",
    )
    parser.add_argument(
        "--limit",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="after which a call is given up (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 unless all findings are good"
    )


def _oracles(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in ORACLES:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(ORACLES)}, got {name!r}")
    return names


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, got {text!r}")
    return value


def _run(console: Console, arguments: argparse.Namespace) -> int:
    sys.path.insert(0, os.getcwd())  # as python -m does
    subject = Subject(arguments.call, tuple(arguments.arguments), arguments.setup, True)
    with Console(stderr=True).status("") as status:
        checked = check_subject(
            subject,
            arguments.only,
            limit=arguments.limit,
            begins=lambda oracle: status.update(f"{oracle} ..."),
        )
    if arguments.json:
        print(json.dumps(checked.as_json(), indent=2))
    else:
        console.print(render(checked))
    return int(arguments.strict and not checked.good)


def render(checked: Checked) -> Group:
    """The findings as a table, and below it what supports those that are not good."""
    table = empty_table("", "verdict", "measured", "what to do")
    for finding in checked.findings:
        style = "green" if finding.verdict in GOOD else "bold red"
        table.add_row(
            finding.oracle, Text(finding.verdict, style), _figures(finding), finding.advice
        )
    evidence = [
        Text(f"{finding.oracle}: {finding.evidence}")
        for finding in checked.findings
        if finding.evidence and finding.verdict not in {*GOOD, UNSUPPORTED}
    ]
    return Group(Text(checked.call, "bold"), table, *evidence)


def _figures(finding: Finding) -> str:
    """One figure a line, with its unit."""
    lines = []
    for name, value in finding.figures.items():
        title, _, unit = name.rpartition("_")
        title, unit = (title, f" {unit}") if unit in ("ms", "kb") else (name, "")
        lines.append(f"{title.replace('_', ' ')} {value}{unit}")
    return "\n".join(lines)
