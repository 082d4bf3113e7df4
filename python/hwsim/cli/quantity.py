"""Values with a unit, as resource strings write them."""

from __future__ import annotations

import argparse
import re


def quantity(value: float, unit: str) -> str:
    """Writes a value with a metric prefix, such as ``20 ms``."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u")):
        if factor <= abs(value) < float("inf"):
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value / 1e-9:.4g} n{unit}" if value and abs(value) < 1 else f"{value:g} {unit}"


def size(text: str) -> int:
    """Reads a number of bytes, such as ``100MB`` or ``1GiB``; for ``type=`` of an argument."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(?:([kMGT])(i?))?B?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(
            f"must be a number of bytes, such as 500000, 100MB or 1GiB, got {text!r}"
        )
    power = " kMGT".index(found[2] or " ")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
