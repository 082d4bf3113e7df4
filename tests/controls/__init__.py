"""Small extensions for the proof: one that is right, and others each wrong in one way.

Each C file says what is wrong with it, and where that happens in practice. They are built when a
test first asks, with the compiler that this Python was made with.
"""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent
NAMES = sorted(path.stem for path in SOURCES.glob("*.c"))


@functools.cache
def folder() -> Path:
    """Where the built ones are: on the path of this process, and so of its children."""
    made = tempfile.TemporaryDirectory(prefix="hwsim-controls-")
    _kept.append(made)
    sys.path.insert(0, made.name)
    return Path(made.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


@functools.cache
def build(name: str) -> str:
    """Builds a control; skips the test where there is no compiler.

    Args:
        name: Of its C file.

    Returns:
        The name of the module, which this process and its children can now import.
    """
    variable = sysconfig.get_config_var
    compiler = shlex.split(variable("CC") or "cc")
    if not shutil.which(compiler[0]):
        pytest.skip(f"the controls need a C compiler, and {compiler[0]} is not here")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        pytest.skip(f"the controls need CPython's headers, and {header} is not here")
    link = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-pthread"]
    target = folder() / f"{name}{variable('EXT_SUFFIX')}"
    warnings = [
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-function",
        "-Wno-unknown-warning-option",
    ]
    options = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-shared", "-fPIC", *warnings, *link]
    options += [f"-DCONTROL={name}", f"-I{header.parent}"]
    source = SOURCES / f"{name}.c"
    subprocess.run([*compiler, *options, str(source), "-o", str(target)], check=True)
    return name
