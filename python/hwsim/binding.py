"""Where the binding kit is: the SWIG interface files and C headers that are part of this package.

>>> import hwsim
>>> hwsim.get_swig_flags(builtin=True)  # doctest: +ELLIPSIS
['-python', '-c++', '-builtin', '-I.../hwsim/kit']
"""

from __future__ import annotations


def _beside_this_file(name: str) -> str:
    from pathlib import Path  # noqa: PLC0415 - slow to import

    return str(Path(__file__).with_name(name))


def get_swig_include() -> str:
    """Returns the folder of the kit's interface files, for SWIG's ``-I``.

    An interface begins with ``%module name`` and ``%include "all.i"``.
    """
    return _beside_this_file("kit")


def get_include() -> str:
    """Returns the folder of hwsim's C and C++ headers, for the compiler's ``-I``.

    A program includes ``hwsim/hwsim.h`` or ``hwsim/hwsim.hpp``.
    """
    return _beside_this_file("include")


def get_swig_flags(
    *, builtin: bool = False, nogil: bool = False, keyword: bool = False
) -> list[str]:
    """Returns SWIG's arguments for an interface file that includes the kit.

    For ``swig_opts`` of a setuptools ``Extension`` leave out ``-python``, which setuptools gives
    by itself. The kit needs C++ mode for SDKs in C, too.

    Args:
        builtin: Types written in C: faster calls; no Python code in classes. Otherwise Python
            classes.
        nogil: Declare that the module works without a GIL on free-threaded Python. It is a promise
            about the SDK, not a lock.
        keyword: Let all arguments be given by name, which makes every call slower.

    Raises:
        ValueError: ``builtin`` and ``keyword`` together: SWIG's containers do not compile so. Use
            ``%feature("kwargs")`` for single functions.
    """
    if builtin and keyword:
        raise ValueError(
            'builtin and keyword exclude each other in SWIG; use %feature("kwargs") NAME; instead'
        )
    kind = ["-builtin"] if builtin else []
    options = [*(["-nogil"] if nogil else []), *(["-keyword"] if keyword else [])]
    return ["-python", "-c++", *kind, *options, f"-I{get_swig_include()}"]
