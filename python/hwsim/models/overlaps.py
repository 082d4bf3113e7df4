"""Registers that lie on each other in a file: what a device makes of them."""

from __future__ import annotations

from collections.abc import Iterable

from hwsim.models.maps import FieldInfo, RegisterInfo


def fitting(
    registers: Iterable[RegisterInfo], byte_order: str, remarks: list[str]
) -> list[RegisterInfo]:
    """Returns the registers that a map can have, and says what becomes of the others.

    What lies in a register is a view of it: what that does counts, which is the largest, or the
    first of its size. As each is aligned to its size, no other kind of overlap is left.
    """
    kept: list[RegisterInfo] = []
    names: set[str] = set()
    last: RegisterInfo | None = None
    at = 0  # of the last one
    for each in sorted(registers, key=lambda one: (one.address, -one.bits, one.access == "WO")):
        one = each
        if one.name in names:
            one = one._replace(name=f"{one.name}_{one.address:X}")
            remarks.append(f"{each.name}: its name is there already, so this is {one.name}")
        if one.name in names:
            remarks.append(f"{one.name}: left out: its name is there already")
            continue
        names.add(one.name)
        if last is None or one.address >= last.address + last.bits // 8:
            at, last = len(kept), one
            kept.append(one)
            continue
        lsb = 8 * (one.address - last.address)
        if byte_order == "big":
            lsb = last.bits - one.bits - lsb
        kept[at] = last = _both(last, one, lsb)
        inside = (last.address, lsb) if one.bits < last.bits else None
        kept.append(one._replace(view=True, inside=inside))
        said = "another view" if inside is None else f"a view of bits {lsb + one.bits - 1}..{lsb}"
        remarks.append(f"{one.name}: is {said} of {last.name}")
        reset = last.reset_value >> lsb & ((1 << one.bits) - 1)
        if reset != one.reset_value:
            remarks.append(f"{one.name}: resets to 0x{reset:X}, not to 0x{one.reset_value:X}")
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
            name = f"{each.name}_{each.lsb + each.width - 1}_{each.lsb}"
            said = f"{where}.{each.name}: its name is there already"
            if any(one.name == name for one in kept):
                remarks.append(f"{said}, and it is left out")
                continue
            remarks.append(f"{said}, so these bits are {name}")
            each = each._replace(name=name)  # noqa: PLW2901
        if other is None:
            counting.append(each)
            kept.append(each)
        else:
            kept.append(each._replace(view=True))
            remarks.append(f"{where}.{each.name}: shares bits with {other.name}, which counts")
    return kept


def _both(first: RegisterInfo, other: RegisterInfo, lsb: int) -> RegisterInfo:
    """The first one, open to what the other, which is its bits from `lsb` on, allows."""
    readable = {first.access, other.access} != {"WO"}
    writable = {first.access, other.access} != {"RO"}
    access = "RW" if readable and writable else first.access
    if not first.fields or not any(field.onwrite or field.onread for field in first.fields):
        changeable = first.writable | other.changeable << lsb
        return first._replace(access=access, writable=changeable)
    return first._replace(access=access)
