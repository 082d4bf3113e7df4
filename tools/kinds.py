"""python/hwsim/_kinds.py: the closed sets of the C interface, and its limits."""

from __future__ import annotations

from tools import headers
from tools.layout import brackets

HEAD = '''"""The closed sets of the C interface: names by their numbers; and its limits.

Generated from the C headers by ``make generated``; not to be edited.
"""

from __future__ import annotations

from typing import Literal, get_args
'''
# By the names in the library's own lists, or else by the enumerators.
SETS: dict[str, tuple[str, list[str]]] = {
    "EventKind": ("EVENT_KINDS", headers.numbered("HWSIM_EVENTS")),
    "FaultKind": ("FAULT_KINDS", headers.numbered("HWSIM_FAULTS")),
    "Waveform": ("WAVEFORMS", [n.lower() for n in headers.enumerators("waveform")]),
    "Clock": ("CLOCKS", [n.lower() for n in headers.enumerators("clock")]),
    "Access": ("ACCESSES", headers.enumerators("access")),
    "Role": ("ROLES", headers.numbered("HWSIM_ROLES")),
    "OnRead": ("ON_READS", headers.numbered("HWSIM_ONREADS")),
    "OnWrite": ("ON_WRITES", headers.numbered("HWSIM_ONWRITES")),
    "Constraint": ("CONSTRAINTS", headers.numbered("HWSIM_CONSTRAINTS")),
    "When": ("WHENS", headers.numbered("HWSIM_WHENS")),
    "Then": ("THENS", headers.numbered("HWSIM_THENS")),
    "Comparison": ("COMPARISONS", headers.numbered("HWSIM_COMPARISONS")),
    "Code": ("CODES_OF_RULES", headers.numbered("HWSIM_CODES_OF_RULES")),
    "Overflow": ("OVERFLOWS", [n.lower() for n in headers.enumerators("overflow")]),
    "Overrun": ("OVERRUNS", [n.lower() for n in headers.enumerators("overrun")]),
    "Format": ("FORMATS", [n.lower() for n in headers.enumerators("format")]),
    "Waits": ("WAITS", [n.replace("_", " ") for n in headers.enumerators("waits")]),
}
CONSTANTS = (
    "CODES",
    "STREAM_LARGEST_BUFFER",
    "STREAM_LARGEST_INDEX",
    "FIRMWARE_MAGIC",
    "FIRMWARE_LARGEST",
    "FIRMWARE_MOST_RETRIES",
    "EVENTS_LARGEST_QUEUE",
    "REGISTERS_LARGEST",
    "MEMORY_LARGEST",
)


def render() -> str:
    """Returns the module's text."""
    parts = [HEAD]
    for literal, (constant, names) in SETS.items():
        quoted = [f'"{name}"' for name in names]
        parts.append("\n" + brackets(f"{literal} = Literal[", quoted, "]"))
        parts.append(f"{constant}: tuple[{literal}, ...] = get_args({literal})\n")
    parts.append("\n")
    for name in CONSTANTS:
        value = headers.constant(f"HWSIM_{name}")
        shown = f'b"{value.decode()}"' if isinstance(value, bytes) else str(value)
        parts.append(f"{name} = {shown}\n")
    return "".join(parts)
