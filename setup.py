"""The native part of the build: the C library, the SWIG module over it, and the proof's trace.

Everything else stands in pyproject.toml. Generated files go to the build folder, never into the
source tree. Environment: HWSIM_SANITIZE=address, undefined or thread builds with that sanitizer.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from glob import glob
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

SANITIZE = [
    f"-fsanitize={kind}" for kind in os.environ.get("HWSIM_SANITIZE", "").split(",") if kind
]
COMPILER = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
IS_GCC = sys.platform == "linux" and "gcc" in COMPILER
LINES = Path("hwsim/flags.txt").read_text(encoding="utf-8").splitlines()
FLAGS = [line.split() for line in LINES if line and not line.startswith("#")]
PARTS = {
    "all": True,
    "lto": IS_GCC and not SANITIZE,
}


def flags(*wanted: str) -> list[str]:
    """Returns the flags of these parts of flags.txt."""
    return [flag for part, flag in FLAGS if part in wanted]


LTO = flags("lto") if PARTS["lto"] else []
COMMON = ["-g", "-Wall", "-Wextra", *flags(*(part for part in PARTS if PARTS[part])), *SANITIZE]
MACROS = [("HWSIM_PRIVATE", None)]
SOURCES = sorted(glob("hwsim/src/**/*.c", recursive=True))
HEADERS = [*glob("hwsim/include/hwsim/*"), "hwsim/flags.txt"]
PRIVATE_HEADERS = glob("hwsim/src/**/*.h", recursive=True)
INTERFACE = glob("interface/**/*.[ih]", recursive=True)


class BuildNative(build_ext):
    """Builds the extension with SWIG's output in the build folder."""

    def swig_sources(self, sources, extension):  # type: ignore[no-untyped-def]
        """Runs SWIG on hwsim.i; the .py file it also writes is not used."""
        if extension.name != "hwsim._native":
            return sources
        target = Path(self.build_temp, "swig")
        target.mkdir(parents=True, exist_ok=True)
        wrapper = target / "hwsim_wrap.cpp"
        options = ["-python", "-c++", "-builtin", "-nogil", "-interface", "_native"]
        folders = ["-Iinterface", "-Ihwsim/include", "-outdir", str(target)]
        self.spawn(["swig", *options, *folders, "-o", str(wrapper), *sources])
        return [str(wrapper)]


library = (
    "hwsim",
    {
        "sources": SOURCES,
        "include_dirs": ["hwsim/include", "hwsim/src"],
        "macros": MACROS,
        "cflags": ["-std=gnu11", *COMMON, *flags("library")],
        "obj_deps": {"": [*HEADERS, *PRIVATE_HEADERS]},
    },
)
extension = Extension(
    "hwsim._native",
    sources=["interface/hwsim.i"],
    include_dirs=["hwsim/include", "interface"],
    language="c++",
    define_macros=[("SWIG_TYPE_TABLE", "hwsim"), *MACROS],
    extra_compile_args=["-std=c++17", *COMMON, *flags("binding"), "-Wno-unused-parameter"],
    extra_link_args=[*LTO, *SANITIZE],
    depends=[*HEADERS, *INTERFACE, *SOURCES, *PRIVATE_HEADERS],
)

proof = Extension(
    "hwsim.proof._trace",
    sources=sorted(glob("python/hwsim/proof/native/*.c")),
    extra_compile_args=["-std=gnu11", *COMMON, *flags("proof")],
    extra_link_args=[*LTO, *SANITIZE],
    depends=[*glob("python/hwsim/proof/native/*.h"), "hwsim/flags.txt"],
)

# What other people build their bindings with is part of the package, though it stands elsewhere.
FOLDERS = {"": "python", "hwsim.kit": "interface/kit", "hwsim.include": "hwsim/include"}
DATA = {
    "hwsim": ["py.typed", "*.pyi", "models/*.json"],
    "hwsim.kit": ["*.i"],
    "hwsim.include": ["hwsim/*"],
}

setup(
    packages=[*find_packages("python"), "hwsim.kit", "hwsim.include"],
    package_dir=FOLDERS,
    package_data=DATA,
    ext_modules=[extension, proof],
    libraries=[library],
    cmdclass={"build_ext": BuildNative},
)
