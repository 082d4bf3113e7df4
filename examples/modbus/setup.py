"""Builds the module modbus: pip install --no-build-isolation . beside an installed hwsim."""

from setuptools import Extension, setup

import hwsim

native = Extension(
    "_modbus",
    ["modbus.i"],
    swig_opts=hwsim.get_swig_flags(),
    include_dirs=["/usr/include/modbus"],
    libraries=["modbus"],
    extra_compile_args=["-std=c++17"],
)
setup(name="modbus", version="1", py_modules=["modbus"], ext_modules=[native])
