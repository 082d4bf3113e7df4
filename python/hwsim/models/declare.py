"""Models as Python classes.

>>> class PSU(Model):
...     class CTRL(Register, at=0x00):
...         EN = Field(0)
...         MODE = Field(1, 2, enum={"CV": 0, "CC": 1})
>>> PSU.map.registers["CTRL"].access
'RW'
"""

from __future__ import annotations

import importlib
import inspect
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import EnumMeta
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, cast

from hwsim import _kinds, _native
from hwsim._kinds import Access, Code, OnRead, OnWrite, Role, Then, When
from hwsim.arguments import choice
from hwsim.errors import InvalidArgument
from hwsim.models.maps import (
    BehaviourInfo,
    ConditionInfo,
    EnumValue,
    FieldInfo,
    FifoInfo,
    Map,
    MemoryInfo,
    OutputInfo,
    RegisterInfo,
    RuleInfo,
    constraint_of,
)


class Field:
    """Bits of a register, as a class attribute of it.

    Args:
        lsb: The lowest bit.
        width: How many bits.
        access: ``"RW"``, ``"RO"``, ``"WO"`` or ``"NA"`` (neither); None: as the register.
        reset: Value at power-on and after a reset; None: what that of the register says.
        enum: Names of values: a dictionary, or an ``enum.Enum`` of integers.
        onread: What a read does to it: ``""`` or ``"rclr"``, ``"rset"``.
        onwrite: What a write does to it: ``""`` stores it; ``"woset"``, ``"woclr"``, ``"wot"``,
            ``"wzs"``, ``"wzc"``, ``"wzt"``, ``"wclr"``, ``"wset"`` as in SystemRDL.
        pulse: It is 0 again when the write is over.
        once: It takes the first write after power-on or a reset, and no other.
        allowed: What may be written, beside the value that it resets to: ``(lowest, highest)``, or
            ``"enumerated"``, the values of `enum`; None: all. Another value raises InvalidArgument.
        description: What it is for.
    """

    def __init__(
        self,
        lsb: int,
        width: int = 1,
        *,
        access: str | None = None,
        reset: int | None = None,
        enum: Mapping[str, int] | EnumMeta | None = None,
        onread: OnRead = "",
        onwrite: OnWrite = "",
        pulse: bool = False,
        once: bool = False,
        allowed: tuple[int, int] | Literal["enumerated"] | None = None,
        description: str = "",
    ) -> None:
        if isinstance(allowed, str):
            choice("allowed", allowed, ("enumerated",))
        self.allowed = allowed
        if access not in (None, "RW", "RO", "WO", "NA"):
            raise InvalidArgument(f"access must be RW, RO, WO, NA or None, got {access!r}")
        self.lsb, self.width, self.access, self.reset = lsb, width, access, reset
        self.onread, self.onwrite, self.pulse, self.once = onread, onwrite, pulse, once
        self.description = description
        self.enum = tuple(_enum(enum))
        self.name = ""
        self.register: type[Register] | None = None

    def __init_subclass__(cls, **said: object) -> None:
        if said:
            raise TypeError(
                f"a field is an attribute of its register: {cls.__name__} = Field(lsb, width)"
            )

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
            False,
            *constraint_of(self.allowed or ""),
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

    def __new__(cls, *args: object, **said: object) -> _Placed:
        kind = next(each.__name__ for each in cls.__mro__ if each.__base__ is _Placed)
        raise TypeError(
            f"a {kind.lower()} of a model is a class inside of it, such as "
            f"'class NAME({kind}, at=0x10): ...', and no call: {cls.__name__}()"
        )

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
        role: What it has to do with the rest of the device, such as ``"uptime"``.
        alias: A register, or its name: it shows the bits of that by its own access and effects.
    """

    bits: ClassVar[int]
    role: ClassVar[Role]
    alias: ClassVar[type[Register] | str | None]
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
        role: Role = "",
        alias: type[Register] | str | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.role, cls.alias = role, alias
        cls.bits, cls.access, cls.reset, cls.writable = bits, access, reset, writable
        cls._place(at, count, stride, bits // 8)

    @classmethod
    def _infos(cls, name: str) -> Iterator[RegisterInfo]:
        declared = [item for item in vars(cls).values() if isinstance(item, Field)]
        fields = tuple(field.info(cls.access) for field in declared)
        reset = cls.reset
        for field, info in zip(declared, fields, strict=True):
            if field.reset is None:
                continue
            if not 0 <= field.reset < 1 << field.width:
                raise InvalidArgument(f"{name}.{field.name}: reset {field.reset} does not fit")
            other = (cls.reset & info.mask) >> field.lsb
            if other not in (0, field.reset):
                raise InvalidArgument(
                    f"{name}.{field.name}: resets to {field.reset}, but the register says {other}"
                )
            reset |= field.reset << field.lsb
        access = cls.access
        if fields and access in ("RW", "RO", "WO"):
            readable = access != "WO" or any(field.readable for field in fields)
            writable = access != "RO" or any(field.writable for field in fields)
            access = "RW" if readable and writable else "RO" if readable else "WO"
        mask = cls.writable
        if mask is None:
            mask = 0 if fields or access in ("RO", "RC") else (1 << cls.bits) - 1
        for each, address in cls._places(name):
            yield RegisterInfo(
                *(each, address, cls.bits, access, reset, mask, _said(cls), fields), role=cls.role
            )


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


# What takes part in a rule: a register, a field, or the name of one.
Part = type[Register] | Field | str


class Fifo:
    """Values one after the other, as a class attribute of a model. Empty at power-on.

    Args:
        depth: How many values, 1 to 65536.
        data: A register or field that shows the oldest value.
        pops: A read of ``data`` takes that value out.
        pushes: What is written to ``data`` goes in.
        level: A field with the number of values.
        empty: A field that is 1 while there is none.
        full: A field that is 1 while there is no room.
        overflow: A field that is set to 1 when a value finds no room, and is lost.
        underflow: A field that is set to 1 when there is nothing to take out.
    """

    def __init__(
        self,
        depth: int,
        *,
        data: Part | None = None,
        pops: bool = False,
        pushes: bool = False,
        level: Part | None = None,
        empty: Part | None = None,
        full: Part | None = None,
        overflow: Part | None = None,
        underflow: Part | None = None,
    ) -> None:
        self.depth, self.pops, self.pushes = depth, pops, pushes
        self.parts = (data, level, empty, full, overflow, underflow)
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


class Output:
    """A digital-to-analogue converter, as a class attribute of a model.

    What it puts out follows from bits of a register, however they change; without power it is 0 V.
    They are numbered in the order in which the class has them.

    Args:
        source: A register, or a field, of up to 32 bits.
        code: How the bits stand for volts: ``"signed"``: two's complement; ``"offset"``: 0 is the
            most negative voltage; ``"unipolar"``: 0 is 0 V.
        range: Full scale in volts, 1 mV to 1 kV; None: that of the device.
    """

    def __init__(self, source: Part, code: Code = "signed", range: float | None = None) -> None:
        self.source, self.code, self.range = source, code, range
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


class Rule:
    """What a device does by itself: made by :func:`when_written` and its like."""

    def __init__(self, trigger: Trigger, then: Then, **what: Any) -> None:
        self.trigger, self.then, self.what = trigger, then, what


class Comparison(NamedTuple):
    """What a value is asked to be: made by :func:`at_least` and its like."""

    comparison: _kinds.Comparison
    value: int | Part
    mask: int = 0
    signed: bool = False


def equal(value: int | Part, *, mask: int = 0) -> Comparison:
    """Is this.

    Args:
        value: A number, or a part, which holds it.
        mask: These bits alone; 0: all.
    """
    return Comparison("==", value, mask)


def unequal(value: int | Part, *, mask: int = 0) -> Comparison:
    """Is anything but this; ``unequal(0, mask=6)`` asks for bit 1 or 2, or both."""
    return Comparison("!=", value, mask)


def below(value: int | Part, *, signed: bool = False) -> Comparison:
    """Is less than this.

    Args:
        value: A number, or a part, which holds it.
        signed: Both are two's complement, each of its own width.
    """
    return Comparison("<", value, signed=signed)


def at_most(value: int | Part, *, signed: bool = False) -> Comparison:
    """Is this or less; see :func:`below`."""
    return Comparison("<=", value, signed=signed)


def above(value: int | Part, *, signed: bool = False) -> Comparison:
    """Is more than this; see :func:`below`."""
    return Comparison(">", value, signed=signed)


def at_least(value: int | Part, *, signed: bool = False) -> Comparison:
    """Is this or more; see :func:`below`."""
    return Comparison(">=", value, signed=signed)


def _asked(part: Part | None, value: object) -> tuple[Part | None, Comparison]:
    if not isinstance(value, Comparison):
        value = equal(cast("int | Part", value))
    return part, value


class Trigger:
    """What sets a rule off. What the rule does is said by one of the methods, and makes it.

    Parts of a model are registers (the class), fields (the attribute), or names such as
    ``"CH[0].CTRL.EN"``, with any role. But nothing tells when a register changes that the device
    makes up when it is read (``"status"``, ``"uptime"``, ``"firmware_version"``, ``"channels"``),
    and no rule sets it; and a ``"command"`` holds nothing that a rule could ask for.
    """

    def __init__(self, when: When, on: Part | None = None, value: object = None) -> None:
        conditions = () if value is None else (_asked(None, value),)
        self.what: dict[str, Any] = {"when": when, "on": on, "conditions": conditions}

    def _with(self, **more: Any) -> Trigger:
        other = Trigger(self.what["when"])
        other.what = {**self.what, **more}
        return other

    def given(self, part: Part, value: int | Part | Comparison = 1) -> Trigger:
        """Only if a part has this value when the rule is set off, and what else is given holds.

        Args:
            part: A register or field.
            value: A number, or a part, which holds it; or a comparison, such as ``at_least(5)``.
        """
        return self._with(conditions=(*self.what["conditions"], _asked(part, value)))

    def after(self, seconds: float, *, jitter: float = 0.0, again: str = "restart") -> Trigger:
        """After a delay of 1 us to an hour.

        Args:
            seconds: The delay.
            jitter: Plus or minus around it, uniform, by the seed.
            again: When it is set off again meanwhile: ``"restart"``: the delay starts over;
                ``"ignore"``: nothing.
        """
        choice("again", again, ("restart", "ignore"))
        return self._with(delay=seconds, jitter=jitter, ignore_again=again == "ignore")

    def set(self, target: Part, value: int = 1) -> Rule:
        """The target becomes this value."""
        return Rule(self, "set", target=target, value=value)

    def clear(self, target: Part) -> Rule:
        """The target becomes 0."""
        return Rule(self, "set", target=target, value=0)

    def copy(self, target: Part, source: Part | None = None) -> Rule:
        """The target becomes what the source holds; without one, what was written."""
        return Rule(self, "copy", target=target, source=source, written=source is None)

    def increment(self, target: Part, by: int = 1) -> Rule:
        """A number is added to the target, modulo its size."""
        return Rule(self, "add", target=target, value=by)

    def convert(self, channel: int, into: Part | Fifo, code: Code = "signed") -> Rule:
        """The next sample of a channel goes into a register, a field or a FIFO.

        Args:
            channel: From 0.
            into: Of fewer than 16 bits, it gets the upper ones of the code.
            code: ``"signed"``: two's complement; ``"offset"``: 0 is the most negative code;
                ``"unipolar"``: 0 is 0 V and below.
        """
        where: dict[str, Any] = {"fifo": into} if isinstance(into, Fifo) else {"target": into}
        return Rule(self, "convert", channel=channel, code=code, **where)

    def push(self, fifo: Fifo, source: Part | int | None = None) -> Rule:
        """A FIFO gets what the source holds, or a number; without one, what was written."""
        if isinstance(source, int):
            return Rule(self, "push", fifo=fifo, value=source)
        return Rule(self, "push", fifo=fifo, source=source, written=source is None)

    def pop(self, fifo: Fifo, into: Part | None = None) -> Rule:
        """The oldest value leaves a FIFO."""
        return Rule(self, "pop", fifo=fifo, target=into)

    def event(self, source: Part | int = 0) -> Rule:
        """A trigger event, with what the source holds, or a number."""
        if isinstance(source, int):
            return Rule(self, "event", value=source)
        return Rule(self, "event", source=source)


def when_written(part: Part, value: int | Part | Comparison | None = None) -> Trigger:
    """When an operation writes a register or field.

    Args:
        part: What is written.
        value: Only if this is written to it, or what compares so: ``below(100)``.
    """
    return Trigger("written", part, value)


def when_read(part: Part) -> Trigger:
    """When an operation reads a register."""
    return Trigger("read", part)


def when_changed(part: Part, value: int | Part | Comparison | None = None) -> Trigger:
    """When a register or field becomes another value.

    Args:
        part: What changes.
        value: Only if it becomes this, or what compares so: ``at_least(LIMIT)``.
    """
    return Trigger("changed", part, value)


def every(seconds: float, *, jitter: float = 0.0) -> Trigger:
    """Again and again from power-on or a reset on."""
    return Trigger("every").after(seconds, jitter=jitter)


def at_start() -> Trigger:
    """At power-on and at each reset."""
    return Trigger("started")


_Method = TypeVar("_Method", bound=Callable[..., object])
_CLAIMS = "__hwsim_claims__"  # of a method: (access, parts) of each decorator


def on_read(*parts: type[Register] | str) -> Callable[[_Method], _Method]:
    """A method of a :class:`hwsim.Model` that is called when an operation reads a register.

    Args:
        parts: Registers, or their names; one that stands for an array: each of its elements.

    The method gets what the register would read as, and returns what it reads as instead, an
    integer, or None: no difference. See :class:`hwsim.Model` for what it may do.
    """
    return _claim("read", parts)


def on_write(*parts: type[Register] | str) -> Callable[[_Method], _Method]:
    """A method of a :class:`hwsim.Model` that is called when an operation writes a register.

    Args:
        parts: Registers, or their names; one that stands for an array: each of its elements.

    The method gets the value that is written; for an operation that writes some bits only, with
    the others as they were. The registers show the effect of the write already. See
    :class:`hwsim.Model` for what it may do.
    """
    return _claim("write", parts)


def _claim(access: str, parts: Sequence[object]) -> Callable[[_Method], _Method]:
    for part in parts:
        if not (isinstance(part, str) or (isinstance(part, type) and issubclass(part, Register))):
            raise InvalidArgument(f"on_{access} takes registers or their names, got {part!r}")
    if not parts:
        raise InvalidArgument(f"on_{access} needs the register that it is about: @on_{access}(REG)")

    def decorate(method: _Method) -> _Method:
        if not callable(method) or inspect.iscoroutinefunction(method):
            raise InvalidArgument(f"on_{access} must decorate a plain method, got {method!r}")
        setattr(method, _CLAIMS, (*getattr(method, _CLAIMS, ()), (access, parts)))
        return method

    return decorate


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


class _Bits(NamedTuple):
    """Where a part of a model is."""

    address: int
    mask: int
    lsb: int


class Model:
    """A kind of device, as a class: its registers are class attributes.

    What rules cannot say is a behaviour: a method with :func:`hwsim.models.on_read` or
    :func:`hwsim.models.on_write`, called in the middle of the operations that read or write its
    registers. Each device has an object of the class, :attr:`hwsim.Device.model`, whose attributes
    are its state: made by ``cls()`` when the device is opened, or the one that is passed as its
    model.

    A behaviour is called on a thread that waits for the device: that of the operation, if this
    blocks; for one that is awaited mostly that of the event loop. For one device the calls come
    one at a time, in the order of the operations on the bus, and its time stands still meanwhile.
    Calls of behaviours of different devices overlap. A behaviour

    - sees and changes registers by ``self.read()`` and ``self.write()``, and takes time by
      ``self.spend()``. It all happens together, when the operation takes effect;
    - makes the operation fail by raising an exception: that very one is raised to whoever made the
      call, and no register has changed. Its own attributes are as it left them;
    - must not wait for a thread that uses the device. Operations on devices with behaviours raise
      StateError in it; on others they are fine;
    - loses its effect when the operation is cancelled, the device is closed, or the time that it
      spends exceeds the timeout, but it runs to its end.

    Attributes:
        channels: How many analogue channels it has, 1 to 64.
        byte_order: ``"little"`` or ``"big"``.
        source: A model whose registers it has as well, as for :func:`hwsim.models.load`: a file to
            which the class adds rules.
        rules: What it does by itself, in the order in which rules that are set off at once act.
        map: What it says of its registers, a :class:`hwsim.models.Map`.
    """

    channels: ClassVar[int] = 1
    byte_order: ClassVar[str] = "little"
    source: ClassVar[Any] = None
    rules: ClassVar[Sequence[Rule]] = ()
    map: ClassVar[Map] = cast(Map, _MapOf())
    _map: ClassVar[Map]
    _places: ClassVar[dict[Any, _Bits]]

    def read(self, part: Part) -> int:
        """In a behaviour: what a register or field holds, with what the behaviour has changed.

        Reading it so has no effect on it, and calls no behaviour.

        Raises:
            StateError: Not in a behaviour of this object, on its thread.
            InvalidArgument: The model has no such part.
        """
        place = self._place_of(part)
        return (_native.transaction_get(self, place.address) & place.mask) >> place.lsb

    def write(self, part: Part, value: int, *, after: float | None = None) -> None:
        """In a behaviour: a register or field becomes this value, whatever its access.

        It does so when the operation takes effect. That sets off rules on changes, and is an event.

        Args:
            part: A register or a field.
            value: An integer that fits.
            after: So much later, in seconds of the device's clock: 1 us to an hour. A reset, and
                the loss of power, end what waits for its time. None: at once.

        Raises:
            StateError: Not in a behaviour of this object, on its thread.
            InvalidArgument: The model has no such part, or the value does not fit.
        """
        place = self._place_of(part)
        highest = place.mask >> place.lsb
        number = operator.index(value) if hasattr(value, "__index__") else -1
        if not 0 <= number <= highest:
            name = _name_of(type(self), part)
            raise InvalidArgument(
                f"{name} must be an integer from 0 to {highest:#x}, got {value!r}"
            )
        where = (place.address, place.mask, number << place.lsb)
        if after is None:
            _native.transaction_set(self, *where)
        else:
            _native.transaction_set_later(self, after, *where)

    def spend(self, seconds: float) -> None:
        """In a behaviour: the operation takes so much longer, and the bus is busy for as long.

        Args:
            seconds: From 0, on the device's clock; up to 3600 in one operation.

        Raises:
            StateError: Not in a behaviour of this object, on its thread.
        """
        _native.transaction_spend(self, seconds)

    @property
    def now(self) -> float:
        """In a behaviour: the device's time, with what the behaviour has spent, in seconds."""
        return _native.transaction_now_ns(self) / 1e9

    @property
    def accessed(self) -> str:
        """In a behaviour: the name of the register that the operation accesses."""
        return type(self).map.behaviours[_native.transaction_claim(self)].on

    def on_reset(self) -> None:
        """Called before the next behaviour when the registers have been reset since the last.

        By :meth:`hwsim.Device.reset`, or because the device was without power. Override it to
        reset attributes.
        """

    @classmethod
    def _place_of(cls, part: Part) -> _Bits:
        places = cls.__dict__.get("_places")
        if places is None:
            places = cls._places = {}
        found = places.get(part)
        if found is None:
            found = places[part] = _find_place(cls, part)
        return cast(_Bits, found)


def _find_place(model: type[Model], part: Part) -> _Bits:
    name = _name_of(model, part) or ""
    register = model.map.registers.get(name)
    if register is not None:
        return _Bits(register.address, (1 << register.bits) - 1, 0)
    whole, _, inner = name.rpartition(".")
    for field in model.map.registers[whole].fields if whole in model.map.registers else ():
        if field.name == inner:
            return _Bits(model.map.registers[whole].address, field.mask, field.lsb)
    raise InvalidArgument(f"the model {model.__name__} has no register or field {name}")


def _map_of(model: type[Model]) -> Map:
    registers: list[RegisterInfo] = []
    memories: list[MemoryInfo] = []
    aliases: dict[type[Register], list[int]] = {}
    inside: dict[str, Any] = {}
    for each in reversed(model.__mro__):
        inside.update(vars(each))
    _collect(inside, "", 0, registers, memories, aliases)
    remarks: Sequence[str] = ()
    if model.source is not None:
        # Which knows this module.
        load = importlib.import_module("hwsim.models.lookup").load
        base: Map = load(model.source)
        registers += base.registers.values()
        memories += base.memories.values()
        remarks = base.remarks
    for kind, places in aliases.items():
        _alias(model, kind, places, registers)
    if not registers and not memories:
        raise InvalidArgument(f"the model {model.__name__} has no registers and no memories")
    fifos = [item for item in inside.values() if isinstance(item, Fifo)]
    return Map(
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower(),
        registers,
        memories,
        description=_said(model),
        channels=model.channels,
        byte_order=model.byte_order,
        fifos=[_fifo_info(model, item) for item in fifos],
        rules=[_rule_info(model, rule) for rule in model.rules],
        behaviours=_behaviours(model, [one.name for one in registers if not one.view]),
        model=model,
        outputs=[
            OutputInfo(item.name, _name_of(model, item.source) or "", item.code, item.range or 0.0)
            for item in inside.values()
            if isinstance(item, Output)
        ],
        remarks=remarks,
    )


def _alias(
    model: type[Model], kind: type[Register], places: list[int], registers: list[RegisterInfo]
) -> None:
    """Says of the registers at these places, which are of this class, what they are aliases of."""
    found = {one.name: one for one in registers if not one.view}
    primaries = [found[name] for name in _registers(model, kind.alias, list(found))]
    name = registers[places[0]].name
    if len(primaries) == 1:
        primaries *= len(places)
    if len(primaries) != len(places):
        raise InvalidArgument(
            f"{name}: must be an alias of 1 register, or of as many as there are of it, "
            f"{len(places)}, got {len(primaries)}"
        )
    for place, primary in zip(places, primaries, strict=True):
        one = registers[place]
        if one.reset_value not in (0, primary.reset_value):
            raise InvalidArgument(f"{one.name}: is an alias, and resets as {primary.name} does")
        registers[place] = one._replace(alias=primary.address, reset_value=primary.reset_value)


def _behaviours(model: type[Model], names: Sequence[str]) -> Iterator[BehaviourInfo]:
    """The methods of the class that are behaviours, by register; an override stays one."""
    methods: dict[tuple[str, str], str] = {}
    for name, said in _claims(model).items():
        for access, parts in said:
            for register in (each for part in parts for each in _registers(model, part, names)):
                other = methods.setdefault((register, access), name)
                if other != name:
                    twice = f"{model.__name__}.{name} and {other}"
                    raise InvalidArgument(f"{twice}: both are called for a {access} of {register}")
    for register in dict.fromkeys(register for register, _ in methods):
        found = (methods.get((register, "read")), methods.get((register, "write")))
        yield BehaviourInfo(register, *found)


def _claims(model: type[Model]) -> dict[str, tuple[tuple[str, tuple[Part, ...]], ...]]:
    claims = {}
    for each in reversed(model.__mro__):
        for name, item in vars(each).items():
            if hasattr(item, _CLAIMS):
                claims[name] = getattr(item, _CLAIMS)
    return claims


def _registers(model: type[Model], part: Part | None, names: Sequence[str]) -> Iterator[str]:
    """Those that a part stands for: itself, or all elements of an array."""
    name = _name_of(model, part) or ""
    index = r"(\[\d+\])?"
    pattern = re.compile(rf"{index}\.".join(re.escape(step) for step in name.split(".")) + index)
    found = [name] if name in names else [each for each in names if pattern.fullmatch(each)]
    if not found:
        raise InvalidArgument(f"the model {model.__name__} has no register {name}")
    yield from found


def _name_of(model: type[Model], part: Part | None) -> str | None:
    """What a part is called in the model."""
    if part is None or isinstance(part, str):
        return part
    register = part.register if isinstance(part, Field) else part
    if register is not None and not (isinstance(register, type) and issubclass(register, Register)):
        raise TypeError(f"must be a register, a field, or the name of one, got {part!r}")
    if register is None:
        raise InvalidArgument("a field that is in no register takes part in a rule")
    name = register.__qualname__
    for each in model.__mro__:
        if name.startswith(f"{each.__qualname__}."):
            name = name.removeprefix(f"{each.__qualname__}.")
            break
    return f"{name}.{part.name}" if isinstance(part, Field) else name


def _fifo_info(model: type[Model], item: Fifo) -> FifoInfo:
    data, *others = (_name_of(model, part) for part in item.parts)
    return FifoInfo(item.name, item.depth, data, item.pops, item.pushes, *others)


def _rule_info(model: type[Model], rule: Rule) -> RuleInfo:
    if not isinstance(rule, Rule):
        raise InvalidArgument(f"rules of {model.__name__} must be rules, got {rule!r}")
    said = {**rule.trigger.what, **rule.what, "then": rule.then}
    for key in ("on", "target", "source"):
        said[key] = _name_of(model, said.get(key))
    said["conditions"] = tuple(_condition(model, *asked) for asked in said["conditions"])
    fifo = said.get("fifo")
    said["fifo"] = fifo.name if isinstance(fifo, Fifo) else fifo
    return RuleInfo(**said)


def _condition(model: type[Model], part: Part | None, asked: Comparison) -> ConditionInfo:
    comparison, value, mask, signed = asked
    than = None
    if isinstance(value, str | Field) or (isinstance(value, type) and issubclass(value, Register)):
        than, value = _name_of(model, value), 0
    return ConditionInfo(_name_of(model, part), comparison, value, than, mask, signed)


def _collect(
    inside: Mapping[str, Any],
    prefix: str,
    base: int,
    registers: list[RegisterInfo],
    memories: list[MemoryInfo],
    aliases: dict[type[Register], list[int]],
) -> None:
    for name, item in inside.items():
        if isinstance(item, Field):
            raise InvalidArgument(f"{prefix}{name}: a field belongs into the class of a register")
        if prefix and isinstance(item, Fifo | Output):
            raise InvalidArgument(
                f"{prefix}{name}: FIFOs and outputs belong into the class of the model itself"
            )
        if not isinstance(item, type) or item in (Register, Memory, Block):
            continue
        if issubclass(item, Register):
            first = len(registers)
            found = item._infos(prefix + name)
            registers += [one._replace(address=base + one.address) for one in found]
            if item.alias is not None:
                aliases.setdefault(item, []).extend(range(first, len(registers)))
        elif issubclass(item, Memory):
            said = _said(item)
            at = base + item.at
            memories.append(MemoryInfo(prefix + name, at, item.words, item.bits, item.access, said))
        elif issubclass(item, Block):
            for each, address in item._places(prefix + name):
                inner = base + address
                _collect(vars(item), f"{each}.", inner, registers, memories, aliases)
