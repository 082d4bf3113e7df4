"""The native part of the build: the C library, and the SWIG module over it.

Everything else stands in pyproject.toml. Generated files go to the build folder, never into the
source tree. Environment: HWSIM_SANITIZE=address, undefined or thread builds with that sanitizer.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SANITIZE = [
    f"-fsanitize={kind}" for kind in os.environ.get("HWSIM_SANITIZE", "").split(",") if kind
]
COMPILER = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
# Optimising across C and C++ takes a tenth off a short call. Fat objects, because not every ar can
# make an archive of others; older versions of Clang have none.
IS_GCC = sys.platform == "linux" and "gcc" in COMPILER
LTO = ["-flto=auto", "-ffat-lto-objects"] if IS_GCC and not SANITIZE else []
# By its generic tuning GCC zeroes the structure of an operation with "rep stos", which took a third
# of a short call. This changes no instruction set.
TUNING = ["-mtune=skylake"] if IS_GCC and platform.machine() == "x86_64" else []
COMMON = ["-O2", "-g", "-fvisibility=hidden", "-Wall", "-Wextra", *TUNING, *LTO, *SANITIZE]
MACROS = [("HWSIM_PRIVATE", None)]
HEADERS = glob("hwsim/include/hwsim/*")
INTERFACE = glob("interface/*.i")


class BuildNative(build_ext):
    """Builds the extension with SWIG's output in the build folder."""

    def swig_sources(self, sources, extension):  # type: ignore[no-untyped-def]
        """Runs SWIG on hwsim.i; the .py file it also writes is not used."""
        target = Path(self.build_temp, "swig")
        target.mkdir(parents=True, exist_ok=True)
        wrapper = target / "hwsim_wrap.cpp"
        options = ["-python", "-c++", "-builtin", "-nogil", "-interface", "_native"]
        self.spawn(
            ["swig", *options, "-Iinterface", "-outdir", str(target), "-o", str(wrapper), *sources]
        )
        return [str(wrapper)]


library = (
    "hwsim",
    {
        "sources": sorted(glob("hwsim/src/*/*.c")),
        "include_dirs": ["hwsim/include", "hwsim/src"],
        "macros": MACROS,
        # A hook may end the thread, which unwinds these functions. The samples are the same on
        # every machine (no contraction), and their loops are vectorised.
        "cflags": [
            "-std=gnu11",
            "-fexceptions",
            *COMMON,
            "-O3",
            "-ffp-contract=off",
            "-fno-trapping-math",
            "-fno-math-errno",
        ],
        "obj_deps": {"": [*HEADERS, *glob("hwsim/src/*/*.h")]},
    },
)
extension = Extension(
    "hwsim._native",
    sources=["interface/hwsim.i"],
    include_dirs=["hwsim/include"],
    language="c++",
    define_macros=[("SWIG_TYPE_TABLE", "hwsim"), *MACROS],
    extra_compile_args=["-std=c++17", "-fno-strict-aliasing", *COMMON, "-Wno-unused-parameter"],
    extra_link_args=[*LTO, *SANITIZE],
    depends=[*HEADERS, *INTERFACE, *glob("hwsim/src/*/*")],
)

setup(
    ext_modules=[extension],
    libraries=[library],
    cmdclass={"build_ext": BuildNative},
)
