"""CMSIS-SVD: the register maps of microcontrollers, as their vendors describe them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from hwsim._kinds import REGISTERS_LARGEST, Access, OnRead, OnWrite
from hwsim.errors import InvalidArgument, NotFound
from hwsim.models.maps import EnumValue, FieldInfo, Map, MemoryInfo, RegisterInfo
from hwsim.models.overlaps import TooMany, check_room, distinct, fitting, nothing_left

Effect = TypeVar("Effect", OnRead, OnWrite)
_INHERITED = ("size", "access", "resetValue", "resetMask", "protection")
_ACCESS: dict[str, tuple[bool, bool, bool]] = {  # readable, writable, once
    "read-only": (True, False, False),
    "write-only": (False, True, False),
    "read-write": (True, True, False),
    "writeOnce": (False, True, True),
    "read-writeOnce": (True, True, True),
}
_ON_WRITE: dict[str, OnWrite] = {
    "oneToClear": "woclr",
    "oneToSet": "woset",
    "oneToToggle": "wot",
    "zeroToClear": "wzc",
    "zeroToSet": "wzs",
    "zeroToToggle": "wzt",
    "clear": "wclr",
    "set": "wset",
    "modify": "",
}
_ON_READ: dict[str, OnRead] = {"clear": "rclr", "set": "rset"}
_NO_CONSTRAINT = "its writeConstraint is not enforced"


def read(path: Path, part: str = "") -> Map:
    """Reads an SVD file.

    Args:
        path: Of the file.
        part: Name of one peripheral, whose registers then have their offsets as addresses and no
            prefix; empty: the whole device, with names such as ``"PERIPHERAL.REGISTER"``.

    Raises:
        InvalidArgument: It is no SVD file, or makes no sense; the error says what.
        NotFound: There is no such peripheral.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise InvalidArgument(f"{path}: no XML: {error}") from None
    if root.tag != "device":
        raise InvalidArgument(f"{path}: no SVD file: its root is <{root.tag}>, not <device>")
    return _Reader(root, path).read(part)


class _Place(NamedTuple):
    """Where elements are: the names before theirs, an address, and inherited properties."""

    prefix: str
    address: int
    inherited: dict[str, str]

    def within(self, element: ET.Element, prefix: str, address: int) -> _Place:
        own = {tag: found for tag in _INHERITED if (found := _text(element, tag))}
        return _Place(prefix, address, {**self.inherited, **own})


class _Reader:
    def __init__(self, root: ET.Element, path: Path) -> None:
        self.root, self.path = root, path
        self.remarks: list[str] = []
        self.registers: list[RegisterInfo] = []
        self.memories: list[MemoryInfo] = []
        self.peripherals: dict[str, ET.Element] = {}
        for each in root.findall("peripherals/peripheral"):
            if self.peripherals.setdefault(_name(each), each) is not each:
                self.remarks.append(f"{_name(each)}: left out: its name is there already")
        self.parents = {child: parent for parent in root.iter() for child in parent}
        self.by_name: dict[tuple[str, str], list[ET.Element]] = {}
        for tag in ("peripheral", "cluster", "register", "field", "enumeratedValues"):
            for each in root.iter(tag):
                for name in _names(each):
                    self.by_name.setdefault((tag, name), []).append(each)

    def read(self, part: str) -> Map:
        if part and part not in self.peripherals:
            names = ", ".join(self.peripherals)
            raise NotFound(f"{self.path} has no peripheral {part!r}; it has {names}")
        top = _Place("", 0, {"size": "32", "access": "read-write", "resetValue": "0"})
        device = top.within(self.root, "", 0)
        try:
            for name, element in self.peripherals.items():
                if part in ("", name):
                    with self.part(name):
                        self.add_peripheral(element, device, "" if part else name)
        except TooMany as error:
            self.remarks.append(str(error))
        endian = _text(self.root, "cpu/endian") or "little"
        byte_order = "big" if endian == "big" else "little"
        if endian not in ("big", "little"):
            self.remarks.append(f"endian: {endian} is taken as little")
        registers, memories = fitting(self.registers, self.memories, byte_order, self.remarks)
        name = part or _text(self.root, "name") or self.path.stem
        source = self.peripherals[part] if part else self.root
        if not registers and not memories:
            raise InvalidArgument(nothing_left(f"{self.path}: {name}", self.remarks))
        return Map(
            name,
            registers,
            memories,
            description=_description(source),
            byte_order=byte_order,
            remarks=self.remarks,
        )

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is wrong within is left out, and the rest of the file is read."""
        try:
            yield
        except (InvalidArgument, ValueError) as error:
            self.remarks.append(f"{name}: left out: {error}")

    def add_peripheral(self, element: ET.Element, device: _Place, prefix: str) -> None:
        """Without a prefix it is the whole, and begins at 0."""
        base = _number(element, "baseAddress") if prefix else 0
        for each, suffix, offset in self.expand(element):
            name = prefix.replace("[%s]", suffix).replace("%s", suffix) if prefix else ""
            whole = self.whole(each)
            place = device.within(whole, f"{name}." if name else "", base + offset)
            for interrupt in whole.findall("interrupt"):
                self.remarks.append(f"{name or _name(each)}: no interrupt {_name(interrupt)}")
            for child in whole.iterfind("registers/*"):
                with self.part(place.prefix + _name(child)):
                    self.add(child, place)
            for block in whole.findall("addressBlock"):
                with self.part(f"{name or _name(each)}: its addressBlock"):
                    self.add_block(block, place, name or _name(each))

    def add_block(self, block: ET.Element, place: _Place, name: str) -> None:
        """Adds a memory, which is what a buffer is."""
        usage = _text(block, "usage")
        if usage not in ("registers", "reserved", "buffer", ""):
            self.remarks.append(f"{name}: its addressBlock of {usage} is taken for registers")
        if usage != "buffer":
            return
        bits = _integer(place.inherited["size"])
        offset, size = _number(block, "offset"), _number(block, "size")
        readable, writable, _ = self.access(block, place, name)
        access: Access = "RW" if readable and writable else "RO" if readable else "WO"
        if any(one.name == name for one in self.memories):
            name = f"{name}.{offset:X}"
        self.memories.append(
            MemoryInfo(name, place.address + offset, size * 8 // bits, bits, access)
        )

    def add(self, element: ET.Element, place: _Place) -> None:
        """Adds a register, or a cluster of them."""
        element = self.whole(element)
        for each, suffix, offset in self.expand(element):
            name = place.prefix + _with_index(_name(each), suffix)
            address = place.address + _number(each, "addressOffset") + offset
            if element.tag == "cluster":
                within = place.within(each, f"{name}.", address)
                for child in each:
                    if child.tag in ("register", "cluster"):
                        with self.part(within.prefix + _name(child)):
                            self.add(child, within)
            elif element.tag == "register":
                self.add_register(each, place.within(each, name, address))

    def add_register(self, element: ET.Element, place: _Place) -> None:
        name = place.prefix
        check_room(self.registers, name)
        bits = _integer(place.inherited["size"])
        rounded = next((size for size in (8, 16, 32, 64) if size >= bits), 0)
        if not rounded:
            raise InvalidArgument(f"it has {bits} bits")
        if rounded != bits:
            self.remarks.append(f"{name}: has {rounded} bits instead of {bits}")
        readable, writable, once = self.access(element, place, name)
        onwrite = self.effect(element, "modifiedWriteValues", _ON_WRITE, name)
        onread = self.effect(element, "readAction", _ON_READ, name)
        default = FieldInfo("", 0, rounded, readable, writable, once=once)
        default = default._replace(onread=onread or "", onwrite=onwrite or "")
        fields = tuple(distinct(self.fields(element, default, name), name, self.remarks))
        whole = self.constrained(element, default, name) if not fields else default
        if not fields and (whole != default or onwrite or onread or once):
            fields = (whole._replace(name="VALUE"),)
        elif fields and element.find("writeConstraint") is not None:
            self.remarks.append(f"{name}: its writeConstraint is not enforced, its fields' are")
        readable = readable or any(field.readable for field in fields)
        writable = writable or any(field.writable for field in fields)
        access: Access = "RW" if readable and writable else "RO" if readable else "WO"
        reset = _integer(place.inherited["resetValue"]) & ((1 << rounded) - 1)
        everything = 0 if fields or not writable else (1 << rounded) - 1
        text = _description(element)
        info = RegisterInfo(name, place.address, rounded, access, reset, everything, text, fields)
        self.registers.append(info)

    def fields(self, register: ET.Element, default: FieldInfo, where: str) -> Iterator[FieldInfo]:
        for element in register.findall("fields/field"):
            with self.part(f"{where}.{_name(element)}"):
                for each, suffix, offset in self.expand(self.whole(element)):
                    name = _with_index(_name(each), suffix)
                    lsb, width = self.bits(each)
                    field = self.field(each, default, f"{where}.{name}")
                    field = field._replace(name=name, lsb=lsb + offset, width=width)
                    field = self.constrained(each, field, f"{where}.{name}")
                    if width < 1 or field.lsb < 0 or field.lsb + width > default.width:
                        said = f"{where}.{name}: left out: the register has no such bits"
                        self.remarks.append(said)
                        continue
                    yield field

    def field(self, element: ET.Element, default: FieldInfo, where: str) -> FieldInfo:
        readable, writable, once = default.readable, default.writable, default.once
        if _text(element, "access"):
            readable, writable, once = self.access(element, None, where)
        onwrite = self.effect(element, "modifiedWriteValues", _ON_WRITE, where)
        onread = self.effect(element, "readAction", _ON_READ, where)
        return default._replace(
            readable=readable,
            writable=writable,
            once=once,
            onread=default.onread if onread is None else onread,
            onwrite=default.onwrite if onwrite is None else onwrite,
            description=_description(element),
            enum=tuple(self.enum(element, where)),
        )

    def constrained(self, element: ET.Element, field: FieldInfo, where: str) -> FieldInfo:
        """Returns the field with what its writeConstraint says."""
        constraint = element.find("writeConstraint")
        if constraint is None or not field.writable:
            return field
        if _is_true(constraint, "writeAsRead"):
            self.remarks.append(f"{where}: is writeAsRead: what is written to it is ignored")
            return field._replace(writable=False)
        if _is_true(constraint, "useEnumeratedValues"):
            groups = element.findall("enumeratedValues")
            listed = [self.derived_enum(each, where).findall("enumeratedValue") for each in groups]
            to_read = any(_text(each, "usage") == "read" for each in groups)
            if not to_read and field.enum and sum(map(len, listed)) == len(field.enum):
                return field._replace(constraint="enumerated")
            self.remarks.append(f"{where}: {_NO_CONSTRAINT}: its values are not a list of numbers")
        limits = constraint.find("range")
        if limits is not None:
            lowest, highest = (_number(limits, tag) for tag in ("minimum", "maximum"))
            most = (1 << field.width) - 1
            if not 0 <= lowest <= min(highest, most):
                self.remarks.append(f"{where}: {_NO_CONSTRAINT}: {lowest} to {highest} is no range")
            elif (lowest, min(highest, most)) != (0, most):
                highest = min(highest, most)
                return field._replace(constraint="range", lowest=lowest, highest=highest)
        return field

    def bits(self, element: ET.Element) -> tuple[int, int]:
        bit_range = _text(element, "bitRange")
        if bit_range:
            found = re.fullmatch(r"\[?\s*(\d+)\s*:\s*(\d+)\s*\]?", bit_range)
            if found is None:
                raise InvalidArgument(f"bad bitRange {bit_range!r}")
            return int(found[2]), int(found[1]) - int(found[2]) + 1
        if _text(element, "lsb"):
            lsb = _number(element, "lsb")
            return lsb, _number(element, "msb") - lsb + 1
        width = _number(element, "bitWidth") if _text(element, "bitWidth") else 1
        return _number(element, "bitOffset"), width

    def enum(self, element: ET.Element, where: str) -> Iterator[EnumValue]:
        names = set()
        for group in element.findall("enumeratedValues"):
            source = self.derived_enum(group, where)
            for each in source.findall("enumeratedValue"):
                text, name = _text(each, "value"), _name(each)
                if not text or _text(each, "isDefault") in ("true", "1") or name in names:
                    continue
                value = _bits_or_integer(text)
                if value is None:
                    self.remarks.append(f"{where}: its value {name} = {text} is no single one")
                    continue
                width = self.bits(element)[1]
                if not 0 <= value < 1 << width:
                    self.remarks.append(f"{where}: its value {name} = {text} does not fit")
                    continue
                names.add(name)
                yield EnumValue(name, value, _description(each))

    def derived_enum(self, group: ET.Element, where: str) -> ET.Element:
        path = group.get("derivedFrom")
        origin = self.origin(group, path) if path else group
        if origin is None:
            self.remarks.append(f"{where}: its values are derived from {path}, which is not there")
            return group
        return origin

    def access(
        self, element: ET.Element, place: _Place | None, where: str
    ) -> tuple[bool, bool, bool]:
        text = place.inherited["access"] if place else _text(element, "access")
        if text not in _ACCESS:
            self.remarks.append(f"{where}: unknown access {text!r}, taken as read-write")
        return _ACCESS.get(text, (True, True, False))

    def effect(
        self, element: ET.Element, tag: str, known: dict[str, Effect], where: str
    ) -> Effect | None:
        text = _text(element, tag)
        if text and text not in known:
            self.remarks.append(f"{where}: {tag} {text} does nothing")
        return known.get(text)

    def whole(self, element: ET.Element, below: tuple[ET.Element, ...] = ()) -> ET.Element:
        """Returns the element with what it is derived from filled in."""
        path = element.get("derivedFrom")
        if not path:
            return element
        origin = self.origin(element, path)
        if origin is None or origin in below:
            raise InvalidArgument(
                f"it is derived from {path}, which "
                + ("is not there" if origin is None else "is derived from it")
            )
        origin = self.whole(origin, (*below, element))
        merged = ET.Element(element.tag, {k: v for k, v in element.items() if k != "derivedFrom"})
        own = {(child.tag, _name(child) if child.tag in _NAMED else "") for child in element}
        merged.extend(element)
        single = "%s" not in _name(element)  # then it is one, whatever it is derived from
        for child in origin:
            key = (child.tag, _name(child) if child.tag in _NAMED else "")
            if key not in own and not (single and child.tag.startswith("dim")):
                merged.append(child)
        return merged

    def origin(self, element: ET.Element, path: str) -> ET.Element | None:
        """What a path names: of several, the one that is nearest to who says it."""
        *outer, name = path.split(".")
        above = self.above(element)
        best, shared = None, -1
        for each in self.by_name.get((element.tag, name), ()):
            over = self.above(each)
            names = [_names(one) for one in reversed(over) if _name(one)]
            fits = all(wanted in has for wanted, has in zip(outer[::-1], names, strict=False))
            common = sum(one is other for one, other in zip(above, over, strict=False))
            if fits and len(names) >= len(outer) and common > shared and each is not element:
                best, shared = each, common
        return best

    def above(self, element: ET.Element) -> list[ET.Element]:
        """What it is in, from the outermost on."""
        found: list[ET.Element] = []
        while (parent := self.parents.get(element)) is not None:
            found.insert(0, element := parent)
        return found

    def expand(self, element: ET.Element) -> Iterator[tuple[ET.Element, str, int]]:
        """Yields an array's elements: each with its index and its offset."""
        text = _text(element, "dim")
        if not text:
            yield element, "", 0
            return
        step = _number(element, "dimIncrement")
        for number, index in enumerate(_indices(element)):
            yield element, index, number * step


_NAMED = {"interrupt", "register", "cluster", "field"}  # of which there are many


def _text(element: ET.Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _is_true(element: ET.Element, tag: str) -> bool:
    return _text(element, tag).lower() in ("true", "1")


def _name(element: ET.Element) -> str:
    return _text(element, "name")


def _names(element: ET.Element) -> list[str]:
    """Its name, and those of the elements of an array."""
    name = _name(element)
    if "%s" not in name or not _text(element, "dim"):
        return [name]
    try:
        return [name, *(_with_index(name, index) for index in _indices(element))]
    except ValueError:
        return [name]  # which is a remark where it is read


def _description(element: ET.Element) -> str:
    return " ".join(_text(element, "description").split())


def _with_index(name: str, index: str) -> str:
    if "[%s]" in name:
        return name.replace("[%s]", f"[{index}]")
    return name.replace("%s", index)


def _integer(text: str) -> int:
    """An SVD number: decimal, 0x, or binary after # or 0b."""
    plain = text.strip().lower().removeprefix("+")
    if plain.startswith("#"):
        return int(plain[1:].replace("x", "0"), 2)
    if plain.startswith("0b"):
        return int(plain[2:].replace("x", "0"), 2)
    return int(plain, 16) if plain.startswith("0x") else int(plain)


def _bits_or_integer(text: str) -> int | None:
    """None: it has bits that do not matter, or is no number, so it is no single value."""
    if text.lower().startswith(("#", "0b")) and "x" in text.lower():
        return None
    try:
        return _integer(text)
    except ValueError:
        return None


def _number(element: ET.Element, tag: str) -> int:
    text = _text(element, tag)
    try:
        return _integer(text)
    except ValueError:
        raise InvalidArgument(f"<{tag}> must be a number, got {text!r}") from None


def _indices(element: ET.Element) -> list[str]:
    """What the elements of an array are called."""
    text, count = _text(element, "dimIndex"), _number(element, "dim")
    if not 0 < count <= REGISTERS_LARGEST:
        raise InvalidArgument(f"<dim> must be from 1 to {REGISTERS_LARGEST}, got {count}")
    names: list[str] = [part.strip() for part in text.split(",")] if text else []
    found = re.fullmatch(r"(\w+)-(\w+)", text)
    if found and found[1].isdigit() and found[2].isdigit():
        names = [str(n) for n in range(int(found[1]), int(found[2]) + 1)]
    elif found and len(found[1]) == len(found[2]) == 1:
        names = [chr(n) for n in range(ord(found[1]), ord(found[2]) + 1)]
    return names if len(names) == count else [str(n) for n in range(count)]
