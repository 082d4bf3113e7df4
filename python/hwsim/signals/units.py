"""Units as instruments write them into their files."""

from __future__ import annotations

import re

_PREFIXES = {"": 1.0, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3}
SECONDS = {f"{prefix}{unit}": factor for prefix, factor in _PREFIXES.items() for unit in ("s", "S")}
SECONDS |= {
    "min": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hours": 3600.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms.": 1e-3,
    "msec": 1e-3,
    "usec": 1e-6,
}
VOLTS = {f"{prefix}V": factor for prefix, factor in _PREFIXES.items() if prefix != "p"}
VOLTS |= {"kV": 1e3, "volt": 1.0, "volts": 1.0, "Volt": 1.0, "Volts": 1.0, "mVolt": 1e-3}
HERTZ = {"": 1.0, "mHz": 1e-3, "Hz": 1.0, "kHz": 1e3, "KHz": 1e3, "MHz": 1e6, "GHz": 1e9}
HERTZ |= {"Sa/s": 1.0, "S/s": 1.0, "kSa/s": 1e3, "MSa/s": 1e6, "GSa/s": 1e9, "MS/s": 1e6}
_OTHERS = {"A", "mA", "uA", "W", "Ohm", "ohm", "dB", "dBm", "Amp", "Ampere", "Watt", "Unknown"}
_OTHERS |= {"sequence", "Sequence", "degC", "°C", "C", "K", "%", "Pa", "g", "unit", "Hz", "counts"}


def seconds(unit: str) -> float | None:
    """Returns how many seconds the unit is; None: it is none of time."""
    return SECONDS.get(unit, SECONDS.get(unit.lower()) if len(unit) > 2 else None)


def volts(unit: str) -> float:
    """Returns how many volts the unit is; 1 for any other unit."""
    return VOLTS.get(unit, 1.0)


def is_unit(cell: str) -> bool:
    """Whether a cell below a heading is a unit, with or without parentheses."""
    bare = cell.strip().strip("()[]").strip()
    return seconds(bare) is not None or bare in VOLTS or bare in _OTHERS


def split(heading: str) -> tuple[str, str]:
    """Takes a heading apart into name and unit: ``CH1 (mV)``, ``Time [s]``, ``in s``."""
    found = re.fullmatch(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]\s*", heading)
    found = found or re.fullmatch(r"(.*?)\s*\bin (\S+)\s*", heading)
    found = found or re.fullmatch(r"(.+?)\s*[/_](\w+)\s*", heading)
    if found and is_unit(found[2]):
        return found[1].strip(), found[2].strip()
    return heading.strip(), ""


def bare(heading: str) -> str:
    """Returns a heading without what stands in parentheses or brackets, in small letters."""
    return re.sub(r"[(\[][^()\[\]]*[)\]]", " ", split(heading)[0]).strip().lower()


def quantity(text: str, units: dict[str, float]) -> float | None:
    """Reads a number and its unit; None: it is none. Without a unit it is in the base unit."""
    found = re.fullmatch(r"(?:\w+:)?\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*(\S*)", text.strip())
    if not found:
        return None
    factor = units.get(found[2], None if found[2] else 1.0)
    try:
        return float(found[1]) * factor if factor else None
    except ValueError:
        return None
