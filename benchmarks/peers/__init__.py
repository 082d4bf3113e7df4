"""The same device, bound by other tools, each in the way that its own manual shows.

A peer is a small file ``<tool>_peer`` with a class ``Device(uri)`` that has
``read_register(address)``, ``write_register(address, value)``, ``advance(seconds)``,
``on_event(callback)``, whose callback gets an event that has a ``sequence``, and ``close()``, which
ends the callbacks and waits for the last one; some have ``on_batch(callback)``, which loops over a
batch of events. All of them release the GIL around each call, take it for each callback, turn
errors into exceptions, are compiled with the same flags, and are linked with the same objects of
the C library, which are hwsim's own. A peer is built when it is first asked for, and kept in
``build/peers`` until a source, a flag, the tool or the interpreter changes.
"""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Unavailable

HERE = Path(__file__).parent
CACHE = ROOT / "build" / "peers"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
Argument = str | Path

# As setup.py compiles hwsim: flags.txt, without the fat objects that only an archive needs.
LINES = (ROOT / "hwsim/flags.txt").read_text(encoding="utf-8").splitlines()
IS_GCC = sys.platform == "linux" and "gcc" in (sysconfig.get_config_var("CC") or "")
IN_USE = ["all", *(["lto"] if IS_GCC else [])]


def flags(*parts: str) -> list[str]:
    """Returns the flags of these parts of flags.txt."""
    pairs = [line.split() for line in LINES if line and not line.startswith("#")]
    return [flag for part, flag in pairs if part in parts and flag != "-ffat-lto-objects"]


FLAGS = ["-DNDEBUG", "-fPIC", *flags(*IN_USE), *(["-fno-semantic-interposition"] if IS_GCC else [])]
INCLUDE = ROOT / "hwsim/include"
FLAGS += [f"-I{INCLUDE}", f"-I{HERE}", f"-I{sysconfig.get_path('include')}"]
C_FLAGS = ["-std=gnu11", *FLAGS, *flags("binding")]
CXX_FLAGS = ["-std=c++17", *FLAGS, *flags("binding")]
LIBRARY_FLAGS = ["-std=gnu11", *FLAGS, *flags("library"), f"-I{ROOT / 'hwsim/src'}"]
LINK_FLAGS = ["-shared", *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else [])]


def open_device(binding: str, uri: str) -> Any:
    """Opens a device that is bound by ``hwsim`` or by a peer.

    Raises:
        Unavailable: The peer's tool is not installed.
    """
    if binding == "hwsim":
        import hwsim

        return hwsim.open(uri)
    sys.path[:0] = [str(HERE), *([str(build(binding))] if binding in TOOLS else [])]
    return importlib.import_module(f"{binding}_peer").Device(uri)


def build(tool: str) -> Path:
    """Returns the folder of a peer's extension module, or library, and of what goes with it."""
    try:
        release = version(tool) if tool not in {"handwritten", "ctypes"} else ""
    except PackageNotFoundError:
        raise Unavailable(f"{tool} is not installed: pip install '.[bench]'") from None
    library = library_objects()

    def make(folder: Path) -> None:
        name, sources = TOOLS[tool](folder)
        compiler = ["c++", *CXX_FLAGS] if tool in IN_CXX else ["cc", *C_FLAGS]
        target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        run(*compiler, *LINK_FLAGS, *sources, *library, "-o", target)

    files = [*HERE.glob("*.py"), *HERE.glob(f"{tool}_*"), HERE / "device.hpp"]
    return cached(tool, make, sys.version, release, library[0].parent, *sorted(files))


def library_objects() -> Sequence[Path]:
    """Returns the compiled C library, and the source of the peers' callbacks with it."""
    sources = [*sorted((ROOT / "hwsim/src").glob("**/*.c")), HERE / "source.c"]
    headers = [*sorted((ROOT / "hwsim").glob("*/**/*.h")), HERE / "source.h"]

    def make(folder: Path) -> None:
        for number, source in enumerate(sources):  # names are unique only within a folder
            target = folder / f"{number:02}-{source.stem}.o"
            run("cc", *LIBRARY_FLAGS, "-c", source, "-o", target)

    return sorted(cached("library", make, LIBRARY_FLAGS, *sources, *headers).glob("*.o"))


def build_library(name: str) -> Path:
    """Returns the C library as a shared one, with ``benchmarks/<name>.c``, which uses its parts."""
    source, library = HERE.parent / f"{name}.c", library_objects()

    def make(folder: Path) -> None:
        target = folder / f"{name}.so"
        run("cc", *LIBRARY_FLAGS, *LINK_FLAGS, source, *library, "-lm", "-o", target)

    return cached(name, make, library[0].parent, source) / f"{name}.so"


def cached(name: str, make: Callable[[Path], None], *ingredients: object) -> Path:
    """Returns the folder that ``make`` filled, now or earlier from the same ingredients."""
    digest = hashlib.sha256()
    for item in ingredients:
        is_file = isinstance(item, Path) and item.is_file()
        digest.update(item.read_bytes() if is_file else str(item).encode())
    folder = CACHE / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=CACHE))
        make(scratch)
        scratch.rename(folder)  # at once: nobody meets half of it
    return folder


def run(*command: Argument, cwd: Path = ROOT) -> None:
    """Runs a command; what it prints goes to the standard error."""
    subprocess.run(list(map(str, command)), check=True, cwd=cwd, stdout=sys.stderr)


# Each generates what is needed in the folder, and returns the name of the module or library, and
# what the compiler is given.

Sources = tuple[str, Sequence[Argument]]


def handwritten(folder: Path) -> Sources:
    """The yardstick: a C extension with CPython's fastest calling conventions."""
    return "handwritten_peer", [HERE / "handwritten_peer.c"]


def nanobind(folder: Path) -> Sources:
    """The module, with nanobind itself in it."""
    import nanobind

    source = Path(nanobind.source_dir())
    flags = [f"-I{source.parent / 'include'}", f"-I{source.parent / 'ext/robin_map/include'}"]
    flags += ["-DNB_COMPACT_ASSERTIONS", *(["-DNB_FREE_THREADED"] if FREE_THREADED else [])]
    return "nanobind_peer", [*flags, HERE / "nanobind_peer.cpp", source / "nb_combined.cpp"]


def pybind11(folder: Path) -> Sources:
    """The module; pybind11 is headers only."""
    import pybind11

    return "pybind11_peer", [f"-I{pybind11.get_include()}", HERE / "pybind11_peer.cpp"]


def cython(folder: Path) -> Sources:
    """The module, in C that Cython generates."""
    target = folder / "cython_peer.c"
    run(sys.executable, "-m", "cython", HERE / "cython_peer.pyx", "-o", target)
    return "cython_peer", [target]


def cffi(folder: Path) -> Sources:
    """The extension of cffi's API mode, below a class in Python."""
    target = folder / "_cffi_peer.c"
    run(sys.executable, HERE / "cffi_build.py", target)
    return "_cffi_peer", [target]


def ctypes(folder: Path) -> Sources:
    """The library alone, below a class in Python."""
    return "_ctypes_peer", []


def swig(folder: Path) -> Sources:
    """SWIG's default proxy classes, which it generates in Python."""
    target = folder / "swig_peer.cpp"
    options = ["-python", "-c++", *(["-nogil"] if FREE_THREADED else [])]
    command = Path(sysconfig.get_path("scripts"), "swig")
    run(command, *options, "-outdir", folder, "-o", target, f"-I{HERE}", HERE / "swig_peer.i")
    return "_swig_peer", [target]


TOOLS = {f.__name__: f for f in (handwritten, nanobind, pybind11, cython, cffi, ctypes, swig)}
IN_CXX = {"nanobind", "pybind11", "swig"}
