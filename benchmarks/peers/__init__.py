"""The same device, bound by other tools. Each peer is built when a benchmark asks for it.

A peer is a module with a class ``Device(uri)`` that has ``read_register(address)`` and
``write_register(address, value)``. All link the same C library, compiled with the same flags.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARY_FLAGS = ["-std=gnu11", "-O2", "-ffp-contract=off", "-fvisibility=hidden", "-fPIC"]


def handwritten() -> ModuleType:
    """Builds and imports the C extension written by hand; releases the GIL around each call."""
    folder = Path(tempfile.mkdtemp(prefix="hwsim-peers-"))
    target = folder / f"handwritten{sysconfig.get_config_var('EXT_SUFFIX')}"
    sources = [HERE / "handwritten.c", *sorted((ROOT / "hwsim/src").glob("*.c"))]
    includes = [f"-I{ROOT / 'hwsim/include'}", f"-I{sysconfig.get_path('include')}"]
    command = ["cc", "-shared", *LIBRARY_FLAGS, *includes, *map(str, sources)]
    subprocess.run([*command, "-o", str(target), "-lpthread", "-lm"], check=True)
    spec = importlib.util.spec_from_file_location("handwritten", target)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
