"""Values with a unit, as resource strings write them."""

from __future__ import annotations


def quantity(value: float, unit: str) -> str:
    """Writes a value with a metric prefix, such as ``20 ms``."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u")):
        if factor <= abs(value) < float("inf"):
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value / 1e-9:.4g} n{unit}" if value and abs(value) < 1 else f"{value:g} {unit}"
