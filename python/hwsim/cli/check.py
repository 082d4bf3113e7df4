"""``hwsim check``: what a call of any extension does wrong."""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from textwrap import indent
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from hwsim.cli import command
from hwsim.cli.table import empty_table
from hwsim.proof.checked import GOOD, OF_ANY_CALL, ORACLES, WANTED_BY, Checked, check_subject
from hwsim.proof.subject import Subject
from hwsim.proof.verdict import BUDGET, UNSUPPORTED


def add_parser(commands: Any) -> None:
    """Adds ``hwsim check``."""
    parser = command.add(
        commands,
        "check",
        _run,
        help="tell what a native call does wrong: the GIL, Ctrl-C, fork, exit, leaks, callbacks",
        description="Makes a call of any extension in fresh processes, and tells whether it holds "
        "the GIL, obeys Ctrl-C, survives fork and the end of the interpreter, and leaks; with "
        "--only callbacks, what becomes of callbacks that raise or close what calls them.",
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
        default=OF_ANY_CALL,
        metavar="LIST",
        help=f"of {','.join(ORACLES)}, separated by commas (default: all but callbacks)",
    )
    parser.add_argument(
        "--error",
        dest="errors",
        type=_expressions,
        action="append",
        metavar="ARGS",
        help="for leak: ARGs with which the call fails, separated by commas; may be repeated, once "
        "for each error path",
    )
    parser.add_argument(
        "--child-args",
        type=_expressions,
        metavar="ARGS",
        help="for fork: the child's ARGs, separated by commas (default: the same)",
    )
    parser.add_argument(
        "--run",
        dest="runs",  # what does the command is run
        metavar="CALLABLE",
        help="for callbacks, where the call has one more argument, the callback: what makes the "
        "object that it returns call back, such as 'lambda camera: camera.trigger()'",
    )
    parser.add_argument(
        "--close", metavar="CALLABLE", help="for callbacks: what closes that object"
    )
    parser.add_argument(
        "--limit",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="after which a call is given up (default: %(default)g)",
    )
    parser.add_argument(
        "--budget",
        type=_seconds,
        default=BUDGET,
        metavar="SECONDS",
        help="that each oracle has for its calls: with fewer than it needs it makes fewer, or says "
        "that it did not measure (default: %(default)g)",
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


def _expressions(text: str) -> tuple[str, ...]:
    """Takes arguments apart, as Python does between the parentheses of a call."""
    values = []
    with suppress(SyntaxError):
        call = ast.parse(f"f({text}\n)", mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.keywords:
            values = call.args
    if any(isinstance(value, ast.Starred) for value in values) or bool(text.strip()) > bool(values):
        raise argparse.ArgumentTypeError(
            f"must be Python expressions, separated by commas, got {text!r}"
        )
    return tuple(map(ast.unparse, values))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, got {text!r}")
    return value


def _run(console: Console, arguments: argparse.Namespace) -> int:
    more = {name: getattr(arguments, name) for name in WANTED_BY if name != "run"}
    more["run"] = arguments.runs
    sys.path.insert(0, os.getcwd())  # as python -m does
    subject = Subject(arguments.call, tuple(arguments.arguments), arguments.setup, True)
    with Console(stderr=True).status("") as status:
        checked = check_subject(
            subject,
            arguments.only,
            more,
            limit=arguments.limit,
            budget=arguments.budget,
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
            finding.oracle, Text(finding.verdict, style), _figures(finding.figures), finding.advice
        )
    evidence = [
        Text(f"{finding.oracle}: {finding.evidence}")
        for finding in checked.findings
        if finding.evidence and finding.verdict not in {*GOOD, UNSUPPORTED}
    ]
    return Group(Text(checked.call, "bold"), table, *evidence)


def _figures(figures: Mapping[str, Any]) -> str:
    """One figure a line, with its unit; those of a path below its name."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            lines += [f"{name}:", indent(_figures(value), "  ")]
            continue
        title, _, unit = name.rpartition("_")
        title, unit = (title, f" {unit}") if unit in ("ms", "kb") else (name, "")
        lines.append(f"{title.replace('_', ' ')} {value}{unit}")
    return "\n".join(lines)
