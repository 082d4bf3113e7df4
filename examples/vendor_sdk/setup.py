"""Builds the module scope: pip install --no-build-isolation . beside an installed hwsim."""

from setuptools import Extension, setup

import hwsim

native = Extension(
    "_scope",
    ["scope.i", "scope.c"],
    swig_opts=hwsim.get_swig_flags(),
    extra_compile_args=["-std=c++17"],
)
setup(name="scope", version="1", py_modules=["scope"], ext_modules=[native])
