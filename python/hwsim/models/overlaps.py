"""Registers that lie on each other in a file: what a device makes of them."""

from __future__ import annotations

from collections.abc import Iterable

from hwsim.models.maps import FieldInfo, RegisterInfo


def fitting(registers: Iterable[RegisterInfo], remarks: list[str]) -> list[RegisterInfo]:
    """Returns the registers that a map can have, and says what becomes of the others.

    Several of one address and size are views of one register, whose first one counts. What overlaps
    otherwise, or has a name twice, is left out.
    """
    kept: list[RegisterInfo] = []
    names: set[str] = set()
    last: RegisterInfo | None = None
    at = 0  # of the last one
    for each in sorted(registers, key=lambda one: (one.address, -one.bits, one.access == "WO")):
        if each.name in names:
            remarks.append(f"{each.name}: left out: its name is there already")
        elif last is None or each.address >= last.address + last.bits // 8:
            at, last = len(kept), each
            kept.append(each)
            names.add(each.name)
        elif (each.address, each.bits) == (last.address, last.bits):
            kept[at] = last = _both(last, each)
            kept.append(each._replace(view=True))
            names.add(each.name)
            remarks.append(f"{each.name}: is another view of {last.name}")
        else:
            remarks.append(f"{each.name}: left out: overlaps {last.name}")
    return kept


def distinct(fields: Iterable[FieldInfo], where: str, remarks: list[str]) -> list[FieldInfo]:
    """Returns the fields of a register, those that share bits with others as views.

    What a read shows counts: a field that is only written to gives way.
    """
    counting: list[FieldInfo] = []
    kept: list[FieldInfo] = []
    for each in sorted(fields, key=lambda one: not one.readable):
        other = next((one for one in counting if one.mask & each.mask), None)
        if any(one.name == each.name for one in kept):
            remarks.append(f"{where}.{each.name}: left out: its name is there already")
        elif other is None:
            counting.append(each)
            kept.append(each)
        else:
            kept.append(each._replace(view=True))
            remarks.append(f"{where}.{each.name}: shares bits with {other.name}, which counts")
    return kept


def _both(first: RegisterInfo, other: RegisterInfo) -> RegisterInfo:
    """The first one, open to what the other allows."""
    readable = {first.access, other.access} != {"WO"}
    writable = {first.access, other.access} != {"RO"}
    access = "RW" if readable and writable else first.access
    if not first.fields or not any(field.onwrite or field.onread for field in first.fields):
        return first._replace(access=access, writable=first.writable | other.changeable)
    return first._replace(access=access)
