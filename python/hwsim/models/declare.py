"""Models as Python classes.

>>> class PSU(Model):
...     class CTRL(Register, at=0x00):
...         EN = Field(0)
...         MODE = Field(1, 2, enum={"CV": 0, "CC": 1})
>>> PSU.map.registers["CTRL"].access
'RW'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import EnumMeta
from typing import Any, ClassVar

from hwsim._kinds import Access, OnRead, OnWrite
from hwsim.errors import InvalidArgument
from hwsim.models.maps import EnumValue, FieldInfo, Map, MemoryInfo, RegisterInfo


class Field:
    """Bits of a register, as a class attribute of it.

    Args:
        lsb: The lowest bit.
        width: How many bits.
        access: ``"RW"``, ``"RO"``, ``"WO"`` or ``"NA"`` (neither); None: as the register.
        reset: Value at power-on and after a reset.
        enum: Names of values: a dictionary, or an ``enum.Enum`` of integers.
        onread: What a read does to it: ``""`` or ``"rclr"``, ``"rset"``.
        onwrite: What a write does to it: ``""`` stores it; ``"woset"``, ``"woclr"``, ``"wot"``,
            ``"wzs"``, ``"wzc"``, ``"wzt"``, ``"wclr"``, ``"wset"`` as in SystemRDL.
        pulse: It is 0 again when the write is over.
        once: It takes the first write after power-on or a reset, and no other.
        description: What it is for.
    """

    def __init__(
        self,
        lsb: int,
        width: int = 1,
        *,
        access: str | None = None,
        reset: int = 0,
        enum: Mapping[str, int] | EnumMeta | None = None,
        onread: OnRead = "",
        onwrite: OnWrite = "",
        pulse: bool = False,
        once: bool = False,
        description: str = "",
    ) -> None:
        if access not in (None, "RW", "RO", "WO", "NA"):
            raise InvalidArgument(f"access must be RW, RO, WO, NA or None, got {access!r}")
        self.lsb, self.width, self.access, self.reset = lsb, width, access, reset
        self.onread, self.onwrite, self.pulse, self.once = onread, onwrite, pulse, once
        self.description = description
        self.enum = tuple(_enum(enum))
        self.name = ""
        self.register: type[Register] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.register = name, owner

    def __str__(self) -> str:
        return f"{self.register.__name__}.{self.name}" if self.register else "?"

    def info(self, access: str) -> FieldInfo:
        """What it is in a register of this access."""
        own = self.access or (access if access in ("RW", "RO", "WO") else "RW")
        return FieldInfo(
            self.name,
            self.lsb,
            self.width,
            own in ("RW", "RO"),
            own in ("RW", "WO"),
            self.onread,
            self.onwrite,
            self.pulse,
            self.once,
            self.description,
            self.enum,
        )


def _enum(names: Mapping[str, int] | EnumMeta | None) -> Iterator[EnumValue]:
    if isinstance(names, EnumMeta):
        members: Mapping[str, Any] = names.__members__
        for name, member in members.items():
            yield EnumValue(name, int(member.value))
    else:
        for name, value in (names or {}).items():
            yield EnumValue(name, value)


class _Placed:
    """What has an address: its class arguments."""

    at: ClassVar[int]
    count: ClassVar[int | None]
    stride: ClassVar[int]

    @classmethod
    def _places(cls, name: str) -> Iterator[tuple[str, int]]:
        """The name and address of each."""
        if cls.count is None:
            yield name, cls.at
            return
        for index in range(cls.count):
            yield f"{name}[{index}]", cls.at + index * cls.stride

    @classmethod
    def _place(cls, at: int, count: int | None, stride: int | None, size: int | None) -> None:
        if count is not None and count < 1:
            raise InvalidArgument(f"{cls.__name__}: count must be from 1, got {count}")
        if count is not None and stride is None and size is None:
            raise InvalidArgument(f"{cls.__name__}: count needs a stride")
        cls.at, cls.count, cls.stride = at, count, stride if stride is not None else size or 0


class Register(_Placed):
    """A register, as a class in a model; its docstring is the description.

    Class arguments:
        at: Address in bytes, from the start of what it is in.
        bits: 8, 16, 32 or 64.
        access: ``"RW"``, ``"RO"``, ``"WO"``, ``"W1C"`` or ``"RC"``; its fields may differ.
        reset: Value at power-on, with the fields' own added.
        writable: Mask of what a write changes outside of fields; None: all, unless it has fields.
        count: Makes it an array, ``"NAME[0]"`` and so on.
        stride: From one to the next, in bytes; None: its size.
    """

    bits: ClassVar[int]
    access: ClassVar[Access]
    reset: ClassVar[int]
    writable: ClassVar[int | None]

    def __init_subclass__(
        cls,
        *,
        at: int,
        bits: int = 32,
        access: Access = "RW",
        reset: int = 0,
        writable: int | None = None,
        count: int | None = None,
        stride: int | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.bits, cls.access, cls.reset, cls.writable = bits, access, reset, writable
        cls._place(at, count, stride, bits // 8)

    @classmethod
    def _infos(cls, name: str) -> Iterator[RegisterInfo]:
        declared = [item for item in vars(cls).values() if isinstance(item, Field)]
        fields = tuple(field.info(cls.access) for field in declared)
        reset = cls.reset
        for field, info in zip(declared, fields, strict=True):
            if not 0 <= field.reset < 1 << field.width:
                raise InvalidArgument(f"{name}.{field.name}: reset {field.reset} does not fit")
            reset = (reset & ~info.mask) | field.reset << field.lsb
        access = cls.access
        if fields and access in ("RW", "RO", "WO"):
            readable = access != "WO" or any(field.readable for field in fields)
            writable = access != "RO" or any(field.writable for field in fields)
            access = "RW" if readable and writable else "RO" if readable else "WO"
        mask = cls.writable
        if mask is None:
            mask = 0 if fields or access in ("RO", "RC") else (1 << cls.bits) - 1
        for each, address in cls._places(name):
            yield RegisterInfo(each, address, cls.bits, access, reset, mask, _said(cls), fields)


class Memory(_Placed):
    """Words that hold what is written to them, as a class in a model.

    Class arguments:
        at: Address of the first word.
        words: How many.
        bits: Of a word: 8, 16, 32 or 64.
        access: ``"RW"``, ``"RO"`` or ``"WO"``.
    """

    words: ClassVar[int]
    bits: ClassVar[int]
    access: ClassVar[Access]

    def __init_subclass__(
        cls, *, at: int, words: int, bits: int = 32, access: Access = "RW"
    ) -> None:
        super().__init_subclass__()
        cls.words, cls.bits, cls.access = words, bits, access
        cls._place(at, None, None, None)


class Block(_Placed):
    """Registers, memories and other blocks that lie together, as a class in a model.

    Class arguments:
        at: Address of its start, from the start of what it is in.
        count: Makes it an array, ``"NAME[0]"`` and so on.
        stride: From one to the next, in bytes.
    """

    def __init_subclass__(
        cls, *, at: int, count: int | None = None, stride: int | None = None
    ) -> None:
        super().__init_subclass__()
        cls._place(at, count, stride, None)


def _said(cls: type) -> str:
    return " ".join((vars(cls).get("__doc__") or "").split())


class _MapOf:
    """The map of a model, made when it is first asked for."""

    def __get__(self, model: object, owner: type[Model]) -> Map:
        made = owner.__dict__.get("_map")
        if made is None:
            made = owner._map = _map_of(owner)
        found: Map = made
        return found


class Model:
    """A kind of device, as a class: its registers are class attributes.

    Attributes:
        channels: How many analogue channels it has, 1 to 64.
        byte_order: ``"little"`` or ``"big"``.
        map: What it says of its registers, a :class:`Map`.
    """

    channels: ClassVar[int] = 1
    byte_order: ClassVar[str] = "little"
    map: ClassVar[_MapOf] = _MapOf()
    _map: ClassVar[Map]


def _map_of(model: type[Model]) -> Map:
    registers: list[RegisterInfo] = []
    memories: list[MemoryInfo] = []
    inside: dict[str, Any] = {}
    for each in reversed(model.__mro__):
        inside.update(vars(each))
    _collect(inside, "", 0, registers, memories)
    if not registers:
        raise InvalidArgument(f"the model {model.__name__} has no registers")
    return Map(
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower(),
        registers,
        memories,
        description=_said(model),
        channels=model.channels,
        byte_order=model.byte_order,
    )


def _collect(
    inside: Mapping[str, Any],
    prefix: str,
    base: int,
    registers: list[RegisterInfo],
    memories: list[MemoryInfo],
) -> None:
    for name, item in inside.items():
        if not isinstance(item, type) or item in (Register, Memory, Block):
            continue
        if issubclass(item, Register):
            found = item._infos(prefix + name)
            registers += [one._replace(address=base + one.address) for one in found]
        elif issubclass(item, Memory):
            said = _said(item)
            at = base + item.at
            memories.append(MemoryInfo(prefix + name, at, item.words, item.bits, item.access, said))
        elif issubclass(item, Block):
            for each, address in item._places(prefix + name):
                _collect(vars(item), f"{each}.", base + address, registers, memories)
