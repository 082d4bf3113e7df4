"""What a map makes of what a file says: of registers that lie on each other, or cannot be."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from hwsim._kinds import MEMORY_LARGEST, REGISTERS_LARGEST
from hwsim.errors import InvalidArgument
from hwsim.models.maps import FieldInfo, MemoryInfo, RegisterInfo


class TooMany(Exception):
    """There are more registers than a map can have; the text is the remark on that."""


def check_room(registers: list[RegisterInfo], name: str) -> None:
    """So that nobody waits for arrays that no device can have. Raises TooMany."""
    if len(registers) == REGISTERS_LARGEST:
        raise TooMany(f"{name}, and what follows: left out: more than {len(registers)} registers")


def fitting(
    registers: Iterable[RegisterInfo],
    memories: Iterable[MemoryInfo],
    byte_order: str,
    remarks: list[str],
) -> tuple[list[RegisterInfo], list[MemoryInfo]]:
    """Returns what a map can have of these, and says what becomes of the others.

    A register that lies in another one is a view of it: what that does counts, which is the
    largest, or the first of its size. As each is aligned to its size, no other kind of overlap of
    registers is left.
    """
    kept: list[RegisterInfo] = []
    names: set[str] = set()
    last: RegisterInfo | None = None
    at = 0  # of the last one
    for each in sorted(registers, key=lambda one: (one.address, -one.bits, one.access == "WO")):
        one = each
        if wrong := _misplaced(one.address, one.bits, one.bits // 8):
            remarks.append(f"{one.name}: left out: {wrong}")
            continue
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
    return list(_aliased(kept, remarks)), list(_apart(memories, kept, remarks))


def _aliased(registers: list[RegisterInfo], remarks: list[str]) -> Iterator[RegisterInfo]:
    """Those that are aliases of a register that is there; they reset as that does."""
    holders = {one.address: one for one in registers if not one.view and one.alias is None}
    for one in registers:
        if one.alias is None:
            yield one
        elif one.view or one.alias not in holders or holders[one.alias].bits != one.bits:
            said = "a view" if one.view else "of its own, as its primary is not there"
            remarks.append(f"{one.name}: is no alias, but {said}")
            yield one._replace(alias=None)
        else:
            yield one._replace(reset_value=holders[one.alias].reset_value)


def placed(registers: list[RegisterInfo], byte_order: str) -> list[RegisterInfo]:
    """Returns the registers, the views with where they are. Raises InvalidArgument."""
    holders = sorted((one for one in registers if not one.view), key=lambda one: one.address)
    starts = [one.address for one in holders]

    def place(one: RegisterInfo) -> RegisterInfo:
        at = bisect_right(starts, one.address) - 1
        holder = holders[at] if at >= 0 else None
        offset = one.address - starts[at]
        if holder is None or offset + one.bits // 8 > holder.bits // 8:
            raise InvalidArgument(f"register {one.name}: is a view, but lies in no other register")
        if one.bits == holder.bits:
            return one
        lsb = 8 * offset if byte_order == "little" else holder.bits - one.bits - 8 * offset
        return one._replace(inside=(holder.address, lsb))

    return [place(one) if one.view else one for one in registers]


def nothing_left(name: str, remarks: list[str]) -> str:
    """What is wrong with a file that has no register and no memory that a map can have."""
    left_out = [one for one in remarks if ": left out" in one]
    more = f"; {left_out[0]}" if left_out else ""
    return f"{name} has no registers and no memories" + more


def _misplaced(address: int, bits: int, size: int) -> str:
    """What is wrong with where something is; size: in bytes."""
    if bits not in (8, 16, 32, 64):
        return f"{bits} bits at 0x{address:X}"
    if size < 1 or address < 0 or address + size > 1 << 32:
        return f"{size} bytes at 0x{address:X}, and addresses have 32 bits"
    if address % (bits // 8):
        return f"{bits} bits at 0x{address:X}, which is no multiple of {bits // 8}"
    return ""


def _apart(
    memories: Iterable[MemoryInfo], registers: list[RegisterInfo], remarks: list[str]
) -> Iterator[MemoryInfo]:
    """Those that lie apart from each other and from the registers, which count."""
    taken = [one.address for one in registers if not one.view]
    ends = [one.address + one.bits // 8 for one in registers if not one.view]
    names: set[str] = set()
    used = end = 0
    for one in sorted(memories, key=lambda one: one.address):
        size = one.words * one.bits // 8
        wrong = _misplaced(one.address, one.bits, size)
        first = bisect_right(ends, one.address)  # the first one that ends in it, or after it
        if one.name in names:
            wrong = "its name is there already"
        elif not wrong and one.address < end:
            wrong = "it lies on another memory"
        elif not wrong and first < len(taken) and taken[first] < one.address + size:
            wrong = "registers lie in it"
        elif not wrong and used + size > MEMORY_LARGEST:
            wrong = f"{size} bytes more than {MEMORY_LARGEST >> 20} MiB of memory in all"
        if wrong:
            remarks.append(f"{one.name}: left out: {wrong}")
            continue
        names.add(one.name)
        used, end = used + size, one.address + size
        yield one


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
