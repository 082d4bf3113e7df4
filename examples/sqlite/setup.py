"""Builds the module sqlite: pip install --no-build-isolation . beside an installed hwsim."""

from setuptools import Extension, setup
from setuptools.command.build import build

import hwsim


class BuildModuleFirst(build):
    """SWIG writes sqlite.py, which is to be installed, while the extension is built."""

    sub_commands = sorted(build.sub_commands, key=lambda command: command[0] != "build_ext")


# setuptools says -python itself.
flags = [flag for flag in hwsim.get_swig_flags() if flag != "-python"]
native = Extension(
    "_sqlite",
    ["sqlite.i"],
    swig_opts=flags,
    libraries=["sqlite3"],
    extra_compile_args=["-std=c++17"],
)
setup(
    name="sqlite",
    version="1",
    py_modules=["sqlite"],
    ext_modules=[native],
    cmdclass={"build": BuildModuleFirst},
)
