"""Values with a unit, as resource strings write them."""

from __future__ import annotations

import argparse
import re

from hwsim import arguments


def quantity(value: float, unit: str) -> str:
    """Writes a value with a metric prefix, such as ``20 ms``."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u")):
        if factor <= abs(value) < float("inf"):
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value / 1e-9:.4g} n{unit}" if value and abs(value) < 1 else f"{value:g} {unit}"


_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_VOLTS = {"uV": 1e-6, "µV": 1e-6, "mV": 1e-3, "V": 1.0}


def _quantity(text: str, units: dict[str, float], example: str) -> float:
    value = arguments.quantity(text, {"": 1.0, **units})
    if value is None:
        raise argparse.ArgumentTypeError(
            f"must be a number with one of the units {', '.join(units)}, such as {example}, "
            f"got {text!r}"
        )
    return value


def seconds(text: str) -> float:
    """Reads a time such as ``20 ms``; without a unit in seconds. For ``type=`` of an argument."""
    return float("inf") if text.strip() == "inf" else _quantity(text, _SECONDS, "500ms or inf")


def hertz(text: str) -> float:
    """Reads a rate such as ``10kHz``; without a unit in hertz. For ``type=`` of an argument."""
    return _quantity(text, arguments.HERTZ, "10kHz")


def volts(text: str) -> float:
    """Reads a voltage such as ``1 mV``; without a unit in volts. For ``type=`` of an argument."""
    return _quantity(text, _VOLTS, "1mV")


def size(text: str) -> int:
    """Reads a number of bytes, such as ``100MB`` or ``1GiB``; for ``type=`` of an argument."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(?:([kMGT])(i?))?B?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(
            f"must be a number of bytes, such as 500000, 100MB or 1GiB, got {text!r}"
        )
    power = " kMGT".index(found[2] or " ")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
