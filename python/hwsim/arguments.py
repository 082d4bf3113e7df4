"""Checks of arguments that Python code must use before the native module can check them.

All other limits are checked once, by the C library.
"""

from __future__ import annotations

import math
import operator
import re
from typing import Any

UINT32_MAX = 2**32 - 1  # what fits into the native module; what makes sense is for it to say
UINT64_MAX = 2**64 - 1
HERTZ = {"mHz": 1e-3, "Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}


def integer(name: str, value: object, lowest: float, highest: float) -> int:
    """Returns the value as an int.

    Raises:
        TypeError: It is no integer.
        ValueError: It is out of range.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not lowest <= number <= highest:
        raise ValueError(f"{name} must be from {lowest} to {highest}, got {number}")
    return number


def for_the_library(name: str, value: object, bits: int, lowest: int, highest: int) -> int:
    """Returns the value as an int of so many bits; its limits the library checks.

    Raises:
        TypeError: It is no integer.
        ValueError: It does not even fit; the error names the library's limits.
    """
    number = integer(name, value, -math.inf, math.inf)
    return number if 0 <= number < 1 << bits else integer(name, number, lowest, highest)


def check_buffer(name: str, value: Any) -> None:
    """Raises TypeError unless the value has bytes of its own."""
    try:
        memoryview(value)
    except TypeError:
        raise TypeError(
            f"{name} must be bytes, or have a buffer as an array has, got {value!r:.200}"
        ) from None


def quantity(text: str, units: dict[str, float]) -> float | None:
    """Returns the value of a number with one of the units; None: it is no such text."""
    found = re.fullmatch(r"\s*([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(\S*)\s*", text)
    return float(found[1]) * units[found[2]] if found and found[2] in units else None


def rate(name: str, value: float | str) -> float:
    """Returns a rate in hertz, from a number or a text such as ``"10 kHz"``.

    Raises:
        TypeError: It is neither.
        ValueError: The text is none of a rate, or the rate is 0.
    """
    number = quantity(value, HERTZ) if isinstance(value, str) else value
    if number is None:
        raise ValueError(f"{name} must be a rate such as 1e4 or '10kHz', got {value!r}")
    if number == 0:  # which says to the native module that there is none
        raise ValueError(f"{name} must be above 0 Hz, got {value!r}")
    return number


def choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raises ValueError unless the value is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
