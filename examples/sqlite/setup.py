"""Builds the module sqlite: pip install --no-build-isolation . beside an installed hwsim."""

from setuptools import Extension, setup

import hwsim

native = Extension(
    "_sqlite",
    ["sqlite.i"],
    swig_opts=hwsim.get_swig_flags(),
    libraries=["sqlite3"],
    extra_compile_args=["-std=c++17"],
)
setup(name="sqlite", version="1", py_modules=["sqlite"], ext_modules=[native])
