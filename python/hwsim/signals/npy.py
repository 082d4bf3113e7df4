"""NPY files: their header is checked against the file before anything is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_HEADERS: dict[tuple[int, int], Callable[[BinaryIO], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # but for names of fields, which are refused
}


def read(path: Path) -> npt.NDArray[Any]:
    """Returns the array of an NPY file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no NPY file, is cut short, or holds objects.
    """
    with path.open("rb") as file:
        start = file.read(4)
        if start == b"PK\x03\x04":
            raise ValueError(
                f"{path} is an NPZ archive of several arrays: pass numpy.load(...)[NAME]"
            )
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"its version {version} is not known")
            shape, fortran, dtype = _HEADERS[version](file)
        except OSError:
            raise
        except Exception as error:  # NumPy parses the header as Python: whatever that raises
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ValueError(f"{path} is not an NPY file of numbers: {reason:.200}") from None
        if dtype.hasobject:
            raise ValueError(f"{path} holds Python objects, which can run any program: refused")
        count = math.prod(shape)
        there = os.fstat(file.fileno()).st_size - file.tell()
        if min(shape, default=0) < 0 or not dtype.itemsize or count * dtype.itemsize != there:
            raise ValueError(
                f"{path} says that it holds {count:,} numbers of {dtype.itemsize} bytes, but "
                f"{there:,} bytes follow: it is cut short or damaged"
            )
        data = np.fromfile(file, dtype, count)
    if len(data) != count:
        raise ValueError(f"{path} became shorter while it was read")
    return data.reshape(shape, order="F" if fortran else "C")
