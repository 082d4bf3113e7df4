"""Builds the module modbus: pip install --no-build-isolation . beside an installed hwsim."""

from setuptools import Extension, setup
from setuptools.command.build import build

import hwsim


class BuildModuleFirst(build):
    """SWIG writes modbus.py, which is to be installed, while the extension is built."""

    sub_commands = sorted(build.sub_commands, key=lambda command: command[0] != "build_ext")


# setuptools says -python itself.
flags = [flag for flag in hwsim.get_swig_flags() if flag != "-python"]
native = Extension(
    "_modbus",
    ["modbus.i"],
    swig_opts=flags,
    include_dirs=["/usr/include/modbus"],
    libraries=["modbus"],
    extra_compile_args=["-std=c++17"],
)
setup(
    name="modbus",
    version="1",
    py_modules=["modbus"],
    ext_modules=[native],
    cmdclass={"build": BuildModuleFirst},
)
