"""Checks of arguments that Python code must use before the native module can check them.

All other limits are checked once, by the C library.
"""

from __future__ import annotations

import operator

UINT32_MAX = 2**32 - 1  # what fits into the native module; what makes sense is for it to say
UINT64_MAX = 2**64 - 1


def integer(name: str, value: object, lowest: int, highest: int) -> int:
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


def choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raises ValueError unless the value is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
