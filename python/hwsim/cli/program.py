"""Running somebody's program within this process, for the commands that watch one."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program and its arguments: last, because all that follows is the program's."""
    parser.add_argument("-m", dest="module", action="store_true", help="PROGRAM is a module")
    parser.add_argument("program", metavar="PROGRAM", help="a Python file, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="of the program")


def run(options: argparse.Namespace) -> int:
    """Runs it as Python does; returns its exit status.

    Raises:
        FileNotFoundError: There is no such program.
    """
    program, module = options.program, options.module
    if not module and not os.path.exists(program):
        raise FileNotFoundError(f"there is no program {program!r}")
    before = sys.argv[:], sys.path[:]
    sys.argv[:] = [program, *options.arguments]
    sys.path.insert(0, os.getcwd() if module else os.path.dirname(os.path.abspath(program)))
    try:
        if module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hwsim: interrupted", file=sys.stderr)
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.argv[:], sys.path[:] = before
    return 0
