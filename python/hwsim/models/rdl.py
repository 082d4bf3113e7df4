"""SystemRDL and IP-XACT, through systemrdl-compiler and peakrdl-ipxact."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwsim._kinds import Access, OnRead, OnWrite
from hwsim.errors import InvalidArgument, NotFound
from hwsim.models import ipxact
from hwsim.models.maps import EnumValue, FieldInfo, Map, MemoryInfo, RegisterInfo, constraint_of
from hwsim.models.overlaps import TooMany, check_room, distinct, fitting, nothing_left

# What a field may say that nothing here does, and that is no default.
_UNHEARD = (
    "counter",
    "intr",
    "hwclr",
    "hwset",
    "we",
    "wel",
    "swwe",
    "swwel",
    "anded",
    "ored",
    "xored",
    "paritycheck",
)


def read(path: Path, part: str = "") -> Map:
    """Reads a SystemRDL file; its last address map, or the one named `part`, is the device.

    Raises:
        ImportError: ``hwsim[models]`` is not installed.
        InvalidArgument: The file is wrong; the error says where.
        NotFound: It has no such address map.
    """

    def compile(rdl: Any) -> str:
        rdl.compile_file(str(path))
        return part

    return _elaborate(path, compile, [])


def read_ipxact(path: Path, part: str = "") -> Map:
    """Reads an IP-XACT file (IEEE 1685); `part` is one of its memory maps, otherwise the last.

    A register without fields gets one, ``VALUE``.
    """
    module = _module("peakrdl_ipxact.importer")
    remarks: list[str] = []

    def compile(rdl: Any) -> str:
        reader = ipxact.importer(module, rdl, remarks)
        reader.import_file(str(path))
        maps: list[str] = reader.maps
        if part and part not in maps and f"{reader.component}__{part}" not in maps:
            names = ", ".join(name.removeprefix(f"{reader.component}__") for name in maps)
            raise NotFound(f"{path} has no memory map {part!r}; it has {names or 'none'}")
        if not maps:
            raise InvalidArgument(f"{path}: it has no memory map with registers")
        chosen = part if part in maps else f"{reader.component}__{part}" if part else maps[-1]
        remarks.extend(f"{name}: left out: another memory map" for name in maps if name != chosen)
        return chosen

    return _elaborate(path, compile, remarks)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"to read this, {error.name} is needed: pip install hwsim[models]"
        ) from None


def _elaborate(path: Path, compile: Callable[[Any], str], remarks: list[str]) -> Map:
    """Reads what the compiler has been given; `compile` returns the name of the top, or ""."""
    systemrdl = _module("systemrdl")
    messages = _module("systemrdl.messages")
    heard: list[str] = []

    class Printer(messages.MessagePrinter):  # type: ignore[misc, name-defined, unused-ignore]
        def print_message(self, severity: Any, text: str, src_ref: Any) -> None:
            heard.append(f"{severity.name.lower()}: {text}")

    printer = Printer()
    compiler = systemrdl.RDLCompiler(message_printer=printer)
    part = ""

    def remark(text: str, src_ref: Any = None) -> None:
        printer.print_message(messages.Severity.WARNING, text, src_ref)

    try:
        part = compile(compiler)
        # What is wrong with a part of it, such as registers that overlap, the map copes with.
        compiler.env.msg.error = remark
        top = compiler.elaborate(top_def_name=part or None).top
    except systemrdl.RDLCompileError as error:
        said = "; ".join(text for text in heard if not text.startswith("warning")) or str(error)
        if part and "not found" in said:
            raise NotFound(f"{path}: {said}") from None
        raise InvalidArgument(f"{path}: {said}") from None
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{path}: {error}") from None
    return _Reader(systemrdl, [*heard, *remarks]).read(top, path)


class _Reader:
    def __init__(self, systemrdl: Any, heard: list[str]) -> None:
        self.rdl = systemrdl
        self.remarks = list(heard)
        self.registers: list[RegisterInfo] = []
        self.memories: list[MemoryInfo] = []

    def read(self, top: Any, path: Path) -> Map:
        try:
            self.add_all(top, "", top)
        except TooMany as error:
            self.remarks.append(str(error))
        byte_order = "big" if top.get_property("bigendian") else "little"
        registers, memories = fitting(self.registers, self.memories, byte_order, self.remarks)
        if not registers and not memories:
            raise InvalidArgument(nothing_left(f"{path}: {top.inst_name}", self.remarks))
        return Map(
            top.inst_name,
            registers,
            memories,
            description=_said(top),
            byte_order=byte_order,
            remarks=self.remarks,
        )

    def add_all(self, parent: Any, prefix: str, top: Any) -> None:
        for node in (each for array in parent.children() for each in array.unrolled()):
            name = prefix + node.get_path_segment()
            if isinstance(node, self.rdl.RegNode):
                check_room(self.registers, name)
                self.add_register(node, name)
            elif isinstance(node, self.rdl.MemNode):
                self.add_memory(node, name)
            elif isinstance(node, self.rdl.AddressableNode):
                inner = isinstance(node, self.rdl.AddrmapNode)
                if inner and any(
                    node.get_property(order) and not top.get_property(order)
                    for order in ("bigendian", "littleendian")
                ):
                    self.remarks.append(f"{name}: its byte order is taken as that of the whole")
                self.add_all(node, f"{name}.", top)
            else:
                self.remarks.append(f"{name}: left out: a {type(node).__name__}")

    def add_register(self, node: Any, name: str) -> None:
        bits, address = node.get_property("regwidth"), node.absolute_address
        nodes = [each for each in node.fields() if self.is_within(each, f"{name}.", bits)]
        fields = [self.field(each, name) for each in nodes]
        infos = tuple(distinct((field for field, _ in fields), name, self.remarks))
        views = {field.name for field in infos if field.view}
        reset = sum(value << field.lsb for field, value in fields if field.name not in views)
        readable = any(field.readable for field in infos)
        writable = any(field.writable for field in infos)
        access: Access = "RW" if readable and writable else "WO" if writable else "RO"
        info = RegisterInfo(name, address, bits, access, reset, 0, _said(node), infos)
        if node.is_alias:
            info = info._replace(alias=_address(node.alias_primary))
        self.registers.append(info)

    def is_within(self, node: Any, prefix: str, bits: int) -> bool:
        if node.high >= bits:
            said = f"{prefix}{node.inst_name}: left out: the register has no such bits"
            self.remarks.append(said)
        return bool(node.high < bits)

    def field(self, node: Any, register: str) -> tuple[FieldInfo, int]:
        name = f"{register}.{node.inst_name}"
        for each in _UNHEARD:
            if node.get_property(each):
                self.remarks.append(f"{name}: {each} does nothing")
        reset = node.get_property("reset", default=0)
        if not isinstance(reset, int):
            self.remarks.append(f"{name}: resets to 0, not to {reset.inst_name}")
            reset = 0
        if reset >> node.width:
            self.remarks.append(f"{name}: it has no room for 0x{reset:X}, to which it resets")
            reset &= (1 << node.width) - 1
        if (
            not node.implements_storage
            and node.get_property("reset") is None
            and node.is_hw_writable
        ):
            self.remarks.append(f"{name}: what the hardware drives reads as 0")
        sw = node.get_property("sw").name
        info = FieldInfo(
            node.inst_name,
            node.low,
            node.width,
            "r" in sw,
            "w" in sw,
            self.effect(node, "onread", name),
            self.effect(node, "onwrite", name),
            bool(node.get_property("singlepulse")),
            sw in ("rw1", "w1"),
            _said(node),
            tuple(self.values(node, name)),
        )
        return self.constrained(node, info, name), reset

    def values(self, node: Any, name: str) -> Iterator[EnumValue]:
        for one in node.get_property("encode") or ():
            if one.value >> node.width:
                self.remarks.append(f"{name}: its value {one.name} = {one.value} does not fit")
            else:
                yield EnumValue(one.name, one.value, " ".join((one.rdl_desc or "").split()))

    def constrained(self, node: Any, info: FieldInfo, name: str) -> FieldInfo:
        """Returns the field with what IP-XACT says of the values that may be written."""
        allowed: Any = getattr(node.inst.original_def, "hwsim_allowed", "")
        if allowed is None:
            self.remarks.append(f"{name}: is writeAsRead: what is written to it is ignored")
            return info._replace(writable=False)
        constraint, lowest, highest = constraint_of(allowed)
        if not info.writable or (lowest, highest) == (0, (1 << info.width) - 1):
            return info
        if constraint == "enumerated" and not info.enum:
            self.remarks.append(f"{name}: its writeValueConstraint is not enforced: no values")
            return info
        return info._replace(constraint=constraint, lowest=lowest, highest=highest)

    def effect(self, node: Any, prop: str, name: str) -> Any:
        value = node.get_property(prop)
        if value is None:
            return ""
        if value.name in ("ruser", "wuser"):
            self.remarks.append(f"{name}: {prop} = {value.name} does nothing")
            return ""
        known: OnRead | OnWrite = value.name
        return known

    def add_memory(self, node: Any, name: str) -> None:
        bits, words = node.get_property("memwidth"), node.get_property("mementries")
        sw = node.get_property("sw").name
        for register in node.registers():
            self.remarks.append(f"{name}.{register.inst_name}: left out: is words of a memory")
        access: Access = "RW" if "r" in sw and "w" in sw else "WO" if "w" in sw else "RO"
        address = node.absolute_address
        self.memories.append(MemoryInfo(name, address, words, bits, access, _said(node)))


def _address(node: Any) -> int:
    """Also of an array of which no element is meant."""
    if node.is_array and node.current_idx is None:
        node = next(node.unrolled())
    return int(node.absolute_address)


def _said(node: Any) -> str:
    text = node.get_property("desc") or node.get_property("name") or ""
    return "" if text == node.inst_name else " ".join(str(text).split())
