"""Samples that do not fit into the range of a converter."""

from __future__ import annotations

import math
import warnings

from hwsim.signals.table import Samples

_ROUNDING = 1e-6  # relative; the converters compute in single precision


def warn_of(
    device: str, table: Samples, *, amplitude: float, offset: float, range_v: float
) -> None:
    """Warns once when ``amplitude * table + offset`` exceeds the range, and says what would fit."""
    span = max(abs(float(table.min())), abs(float(table.max())))
    highest = max(abs(amplitude * float(end) + offset) for end in (table.min(), table.max()))
    if highest <= range_v * (1 + _ROUNDING):
        return
    advice = f"range={_up(highest):.3g} fits"
    if (room := range_v - abs(offset)) > 0:
        advice = f"amplitude={math.copysign(_down(room / span), amplitude):.3g} or {advice}"
    warnings.warn(
        f"{device}: samples reach {highest:.4g} V, more than the range of {range_v:g} V, and "
        f"saturate; {advice}",
        stacklevel=3,
    )


def _down(value: float) -> float:
    """Returns a number of three digits that is not larger."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / step) * step


def _up(value: float) -> float:
    """Returns a number of three digits that is not smaller."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / step) * step
