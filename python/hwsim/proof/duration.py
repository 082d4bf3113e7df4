"""Durations on the command line."""

from __future__ import annotations

import re

UNITS_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


def milliseconds(text: str) -> float:
    """Returns a duration such as ``"100ms"`` in milliseconds.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+) ?(ns|us|ms|s)", text.strip())
    if not match:
        raise ValueError(
            f"must be a duration with a unit (ns, us, ms, s), such as 100ms, got {text!r}"
        )
    return float(match[1]) * UNITS_MS[match[2]]
