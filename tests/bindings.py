"""Modules that the tests bind with the kit, built from the installed package, both kinds of each.

What is built is kept by its content in build/bindings: only what has changed is built again.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hwsim

ROOT = Path(__file__).parent.parent
KINDS = ["builtin", "proxies"]
# Of hwsim.get_swig_flags(); what is beside the first two differs from them in little.
FLAGS = {
    "builtin": {"builtin": True, "nogil": True},
    "proxies": {"nogil": True},
    "builtin with a GIL": {"builtin": True},
    "proxies with a GIL": {},
    "keyword": {"keyword": True, "nogil": True},
}
ALL_KINDS = [
    pytest.param(kind, marks=[] if kind in KINDS else pytest.mark.long, id=kind) for kind in FLAGS
]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-warning-option"]
WARNINGS += ["-Wno-error=unused-parameter"]  # of SWIG's own, where there are directors
WARNINGS += ["-Wno-unused-command-line-argument"]  # of clang's, with -fsyntax-only
CXX = "c++"
CXX_FLAGS = ["-std=c++17", "-O0", "-fPIC", f"-I{sysconfig.get_path('include')}"]
HEADERS = "chrono condition_variable functional map memory mutex optional set sstream string"
HEADERS += " thread tuple vector"
_pool = ThreadPoolExecutor(2)


class BuildError(Exception):
    """SWIG or the compiler has refused; its text is what they said."""


def swig() -> str:
    """SWIG of this environment."""
    found = shutil.which("swig", path=sysconfig.get_path("scripts")) or shutil.which("swig")
    assert found, "swig is not installed"
    return found


def run(*command: str | Path) -> str:
    """Runs a tool; returns what it wrote, and raises BuildError with that if it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise BuildError(done.stdout)
    return done.stdout


def kit_text() -> bytes:
    """The installed kit."""
    files = sorted(Path(hwsim.get_swig_include()).glob("*.i"))
    return b"".join(path.read_bytes() for path in files)


def build(
    interface: Path,
    kind: str,
    *,
    sources: Sequence[Path] = (),
    libraries: Sequence[str] = (),
    swig_flags: Sequence[str] = (),
    flags: Sequence[str] = (),
    compiler: str = CXX,
) -> Path:
    """Builds the module of an interface file; returns the folder that it is in.

    Args:
        interface: The ``.i`` file; its name is that of the module.
        kind: One of FLAGS.
        sources: C files of the library, beside the interface.
        libraries: What to link with, without ``lib``.
        swig_flags: More for SWIG.
        flags: More for the compiler, after the defaults.
        compiler: For C++.

    Raises:
        BuildError: It cannot be built.
    """

    def fill(folder: Path) -> None:
        wrapper = folder / f"{interface.stem}_wrap.cpp"
        options = hwsim.get_swig_flags(**FLAGS[kind])
        run(swig(), *options, *swig_flags, "-outdir", folder, "-o", wrapper, interface)
        objects = []
        for source in sources:
            objects.append(folder / f"{source.stem}.o")
            run("cc", "-O1", "-fPIC", *WARNINGS, "-c", source, "-o", objects[-1])
        binary = folder / f"_{interface.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
        link = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-pthread"]
        options = [*CXX_FLAGS, "-shared", *WARNINGS, *flags, f"-I{interface.parent}"]
        names = [f"-l{name}" for name in libraries]
        if compiler == CXX:
            options += ["-include", str(headers())]
        run(*shlex.split(compiler), *options, wrapper, *objects, "-o", binary, *names, *link)
        wrapper.unlink()

    inputs = [interface, *sorted(interface.parent.glob("*.[ch]"))]
    parts = [kind, compiler, sys.version, str((*libraries, *swig_flags, *flags))]
    return kept(
        interface.stem,
        [kit_text(), *(part.encode() for part in parts), *(path.read_bytes() for path in inputs)],
        fill,
    )


def headers() -> Path:
    """What every wrapper includes, compiled once: a third of the time of each build.

    It hides what the kit itself forgets to include; the builds with clang do without.
    """

    def fill(folder: Path) -> None:
        header = folder / "headers.h"
        header.write_text(
            "#define PY_SSIZE_T_CLEAN\n#include <Python.h>\n"
            + "".join(f"#include <{name}>\n" for name in HEADERS.split()),
            encoding="utf-8",
        )
        run(CXX, *CXX_FLAGS, "-x", "c++-header", header, "-o", f"{header}.gch")

    folder = kept("headers", [HEADERS.encode(), sys.version.encode()], fill)
    return folder / "headers.h"


def kept(name: str, contents: Iterable[bytes], fill: Callable[[Path], None]) -> Path:
    """The folder of this name and content, which the first process that wants it fills."""
    digest = hashlib.sha256(b"".join(contents)).hexdigest()[:16]
    target = ROOT / "build/bindings" / f"{name}-{digest}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            folder = Path(tempfile.mkdtemp(dir=target.parent))
            try:
                fill(folder)
                folder.rename(target)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return target


def example(name: str) -> dict[str, Any]:
    """What an example is built of, beside its kind; skips where its library is missing."""
    folder = ROOT / "examples" / name
    found = {"vendor_sdk": "scope", "sqlite": "sqlite", "modbus": "modbus"}[name]
    headers = {"sqlite": "sqlite3.h", "modbus": "modbus/modbus.h"}
    roots = [Path(root) for root in ("/usr/include", "/usr/local/include", "/opt/homebrew/include")]
    if name in headers and not any((root / headers[name]).exists() for root in roots):
        pytest.skip(f"{headers[name]} is not here")
    settings: dict[str, Any] = {"interface": folder / f"{found}.i"}
    if name == "vendor_sdk":
        settings["sources"] = (folder / "scope.c",)
    if name == "sqlite":
        settings["libraries"] = ("sqlite3",)
    if name == "modbus":
        settings["libraries"] = ("modbus",)
        settings["flags"] = tuple(f"-I{root}/modbus" for root in roots)
    return settings


@functools.cache
def started(name: str, kind: str) -> Future[Path]:
    """The build of an example, or of a module in tests/kit; begun when first asked for."""
    local = Path(__file__).parent / "kit" / f"{name}.i"
    settings: dict[str, Any] = {"interface": local} if local.exists() else example(name)
    return _pool.submit(build, kind=kind, **settings)


def module(name: str, kind: str) -> str:
    """Builds an example, or a module in tests/kit, both kinds at once; returns one's folder."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        for each in KINDS:
            started(name, each)
    return str(started(name, kind).result())
