"""Register maps: what a model says of its registers, whatever it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from hwsim import _kinds, _native
from hwsim._kinds import Access, Code, Comparison, Constraint, OnRead, OnWrite, Role, Then, When
from hwsim.arguments import UINT32_MAX, UINT64_MAX, choice, integer
from hwsim.errors import InvalidArgument

ByteOrder = Literal["little", "big"]
WIDEST = 64
_HOUR = 3600.0
_READABLE, _WRITABLE, _PULSE, _ONCE = 1, 2, 4, 8  # as in interface/model.h


def _numbers(texts: Sequence[str]) -> dict[str, int]:
    return {text: number for number, text in enumerate(texts)}


_ACCESSES, _ROLES = _numbers(_kinds.ACCESSES), _numbers(_kinds.ROLES)
_ON_READS, _ON_WRITES = _numbers(_kinds.ON_READS), _numbers(_kinds.ON_WRITES)
_CONSTRAINTS = _numbers(_kinds.CONSTRAINTS)


class EnumValue(NamedTuple):
    """A name for a value of a field.

    Attributes:
        name: Such as ``"ON"``.
        value: An integer from 0.
        description: What it means.
    """

    name: str
    value: int
    description: str = ""


class FieldInfo(NamedTuple):
    """Bits of a register with a meaning of their own.

    Attributes:
        name: Unique in its register.
        lsb: Its lowest bit, from 0.
        width: How many bits.
        readable: Otherwise its bits read as 0.
        writable: Otherwise what is written to them is ignored.
        onread: What a read does to it, as in SystemRDL: ``""`` (nothing), ``"rclr"``, ``"rset"``.
        onwrite: What a write does to it: ``""`` (stores the value), ``"woset"``, ``"woclr"``,
            ``"wot"``, ``"wzs"``, ``"wzc"``, ``"wzt"``, ``"wclr"``, ``"wset"``.
        pulse: It is 0 again when the write is over (``singlepulse``).
        once: It takes the first write after power-on or a reset, and no other.
        description: What it is for.
        enum: Names of its values.
        view: It names bits that are other fields' as well; what those do counts.
        constraint: Which values may be written, beside the one that it resets to: ``""`` (all),
            ``"enumerated"`` (those of `enum`), ``"range"``.
        lowest: Of that range.
        highest: Of that range.
    """

    name: str
    lsb: int
    width: int = 1
    readable: bool = True
    writable: bool = True
    onread: OnRead = ""
    onwrite: OnWrite = ""
    pulse: bool = False
    once: bool = False
    description: str = ""
    enum: tuple[EnumValue, ...] = ()
    view: bool = False
    constraint: Constraint = ""
    lowest: int = 0
    highest: int = 0

    @property
    def mask(self) -> int:
        """Its bits in the register."""
        return ((1 << self.width) - 1) << self.lsb

    @property
    def access(self) -> str:
        """Such as ``"RW"``, ``"RO"`` or ``"RW woclr"``; ``"-"``: neither."""
        way = {(1, 1): "RW", (1, 0): "RO", (0, 1): "WO", (0, 0): "-"}
        effects = (self.onread, self.onwrite, "pulse" * self.pulse, "once" * self.once)
        return " ".join(filter(None, (way[self.readable, self.writable], *effects)))


def constraint_of(allowed: Sequence[int] | Constraint) -> tuple[Constraint, int, int]:
    """Returns the last members of a field from how a class, or a document, says them."""
    if isinstance(allowed, str):
        return allowed, 0, 0
    lowest, highest = allowed
    return "range", lowest, highest


class RegisterInfo(NamedTuple):
    """What a model says of a register.

    Attributes:
        name: Unique in the model.
        address: In bytes; a multiple of its size.
        bits: 8, 16, 32 or 64.
        access: ``"RW"``, ``"RO"``, ``"WO"``, ``"W1C"`` (write 1 to clear) or ``"RC"`` (reading
            clears). What its fields say of their bits counts instead.
        reset_value: Its value at power-on and after a reset.
        writable: Mask of the bits outside of its fields that a write can change.
        description: What it is for.
        fields: Bits with a meaning of their own.
        view: It is another name of a register, or of a part of one; what that does counts.
        role: What it has to do with the rest of the device: ``""``: nothing;
            ``"firmware_version"``, ``"converters"``, ``"status"``, ``"uptime"``, ``"fault_count"``,
            ``"event_mask"``, ``"event_status"``, ``"command"``, ``"channels"``; see ``HWSIM_ROLES``
            in C. Each at most once in a model.
        inside: Of a view that is a part of a register: that one's address, and the lowest bit.
        alias: It shows the bits of the register of its size at this address, by its own access
            and effects; None: it has bits of its own.
    """

    name: str
    address: int
    bits: int = 32
    access: Access = "RW"
    reset_value: int = 0
    writable: int = 0
    description: str = ""
    fields: tuple[FieldInfo, ...] = ()
    view: bool = False
    role: Role = ""
    inside: tuple[int, int] | None = None
    alias: int | None = None

    @property
    def changeable(self) -> int:
        """Mask of all bits that a write can change."""
        mask = self.writable
        for field in self.fields:
            if field.view:
                continue
            mask = mask | field.mask if field.writable else mask & ~field.mask
        return mask


class MemoryInfo(NamedTuple):
    """Words that hold what is written to them.

    Attributes:
        name: Of the memory.
        address: Of its first word, in bytes.
        words: How many.
        bits: Of a word: 8, 16, 32 or 64.
        access: ``"RW"``, ``"RO"`` or ``"WO"``.
        description: What it is for.
    """

    name: str
    address: int
    words: int
    bits: int = 32
    access: Access = "RW"
    description: str = ""


class FifoInfo(NamedTuple):
    """Values one after the other; names are those of registers, or ``"REGISTER.FIELD"``.

    Attributes:
        name: Of the FIFO.
        depth: How many values, 1 to 65536.
        data: Shows the oldest value, unless the FIFO only takes what is written.
        pops: A read of ``data`` takes that value out.
        pushes: What is written to ``data`` goes in.
        level: How many values there are.
        empty: 1 while there is none.
        full: 1 while there is no room.
        overflow: Set to 1 when a value finds no room, and is lost.
        underflow: Set to 1 when there is nothing to take out.
    """

    name: str
    depth: int
    data: str | None = None
    pops: bool = False
    pushes: bool = False
    level: str | None = None
    empty: str | None = None
    full: str | None = None
    overflow: str | None = None
    underflow: str | None = None


class ConditionInfo(NamedTuple):
    """What a rule asks for when it is set off.

    Attributes:
        part: A register, or ``"REGISTER.FIELD"``, that must hold a value; None: what is written to
            what the rule is on, or what that becomes.
        comparison: How that must compare: ``"=="``, ``"!="``, ``"<"``, ``"<="``, ``">"``, ``">="``.
        value: With this, which fits.
        than: With what this register or field holds, instead of a value.
        mask: Only these bits of both; 0: all.
        signed: Both are two's complement; there is no mask then, and a value may be negative.
    """

    part: str | None = None
    comparison: Comparison = "=="
    value: int = 0
    than: str | None = None
    mask: int = 0
    signed: bool = False


class RuleInfo(NamedTuple):
    """What a device does by itself; see ``hwsim_rule`` in C, which has the same members.

    Attributes:
        when: What sets it off: ``"written"``, ``"read"``, ``"changed"``, ``"every"``,
            ``"started"``.
        then: What it does: ``"set"``, ``"copy"``, ``"add"``, ``"convert"``, ``"push"``, ``"pop"``,
            ``"event"``.
        on: The register or field that is written, read or changed.
        conditions: What it asks for when it is set off; all must hold.
        delay: Until it acts, in seconds: 0, or from 1 us to an hour.
        jitter: Plus or minus around that, by the seed.
        ignore_again: Set off again while it waits, it does not start over.
        target: What it changes.
        source: Where it takes a value from.
        fifo: A FIFO, by its name.
        written: It takes what was written.
        value: It takes this.
        channel: Of a conversion.
        code: How that stands in bits: ``"signed"``, ``"offset"``, ``"unipolar"``.
    """

    when: When
    then: Then
    on: str | None = None
    conditions: tuple[ConditionInfo, ...] = ()
    delay: float = 0.0
    jitter: float = 0.0
    ignore_again: bool = False
    target: str | None = None
    source: str | None = None
    fifo: str | None = None
    written: bool = False
    value: int = 0
    channel: int = 0
    code: Code = "signed"


class BehaviourInfo(NamedTuple):
    """Accesses to a register for which methods of the model's class are called.

    Attributes:
        on: The register's name.
        read: The method that is called for reads; None: none.
        write: The method that is called for writes; None: none.
    """

    on: str
    read: str | None = None
    write: str | None = None


class OutputInfo(NamedTuple):
    """A digital-to-analogue converter: what it puts out follows from bits of a register.

    Attributes:
        name: Of the output.
        source: The register, or ``"REGISTER.FIELD"``, of up to 32 bits.
        code: How the bits stand for volts: ``"signed"``: two's complement; ``"offset"``: 0 is the
            most negative voltage; ``"unipolar"``: 0 is 0 V.
        range: Full scale in volts, 1 mV to 1 kV; 0: that of the device.
    """

    name: str
    source: str
    code: Code = "signed"
    range: float = 0.0


class Map:
    """The registers and memories of a kind of device. Constant; any thread may use it.

    Args:
        name: Of the kind of device.
        registers: In any order.
        memories: In any order.
        fifos: In any order.
        rules: What it does by itself; those that are set off at once act in this order.
        outputs: What it puts out, in the order of their numbers.
        description: What it is.
        channels: How many analogue channels it has, 1 to 64.
        byte_order: ``"little"`` or ``"big"``.
        behaviours: Each register once.
        model: The class whose methods the behaviours are.
        remarks: What its source says and the map cannot.

    Attributes:
        name: Of the kind of device.
        registers: By name, in the order of their addresses.
        memories: By name, in the order of their addresses.
        fifos: Values one after the other.
        rules: What it does by itself.
        behaviours: For what methods of its class are called.
        model: That class, derived from :class:`hwsim.Model`; or None.
        outputs: What it puts out, in the order of their numbers.
        description: What it is.
        channels: How many analogue channels.
        byte_order: ``"little"`` or ``"big"``.
        remarks: What its source says and the map cannot, each with the name that it is about.

    Raises:
        InvalidArgument: Something makes no sense; the error names the register.
    """

    def __init__(
        self,
        name: str,
        registers: Iterable[RegisterInfo],
        memories: Iterable[MemoryInfo] = (),
        *,
        fifos: Iterable[FifoInfo] = (),
        rules: Iterable[RuleInfo] = (),
        outputs: Iterable[OutputInfo] = (),
        description: str = "",
        channels: int = 1,
        byte_order: str = "little",
        behaviours: Iterable[BehaviourInfo] = (),
        model: Any = None,
        remarks: Iterable[str] = (),
    ) -> None:
        choice("byte_order", byte_order, ("little", "big"))
        self.name = name
        self.description = description
        self.channels = integer("channels", channels, 1, 64)
        self.byte_order: ByteOrder = "big" if byte_order == "big" else "little"
        self.remarks = tuple(remarks)
        ordered = sorted(registers, key=lambda one: one.address)
        self.registers: Mapping[str, RegisterInfo] = _by_name("register", ordered)
        areas = sorted(memories, key=lambda one: one.address)
        self.memories: Mapping[str, MemoryInfo] = _by_name("memory", areas)
        self.fifos, self.rules, self.outputs = tuple(fifos), tuple(rules), tuple(outputs)
        self.behaviours, self.model = tuple(behaviours), model
        if self.behaviours and model is None:
            raise InvalidArgument("behaviours need the model whose methods they are")
        self.native = _native.Model(  # which checks the rest
            (
                name,
                self.channels,
                byte_order == "big",
                [_register(one) for one in ordered if not one.view],
                [_memory(one) for one in areas],
                [_fifo(one) for one in self.fifos],
                [_rule(number, one) for number, one in enumerate(self.rules)],
                [(one.on, bool(one.read), bool(one.write)) for one in self.behaviours],
                [_output(number, one) for number, one in enumerate(self.outputs)],
            )
        )

    @classmethod
    def of_native(cls, device: Any) -> Map:
        """Returns the map of a device whose model comes from C."""
        name, channels, big_endian, registers, memories, fifos, rules, _, outputs = (
            device._description()
        )
        self = cls.__new__(cls)
        self.name, self.description, self.remarks, self.channels = name, "", (), channels
        self.byte_order = "big" if big_endian else "little"
        self.fifos = tuple(FifoInfo(*one) for one in fifos)
        self.rules = tuple(_of_rule(one) for one in rules)
        self.behaviours, self.model = (), None
        self.outputs = tuple(
            OutputInfo(name, source, _kinds.CODES_OF_RULES[code], range_v)
            for name, source, code, range_v in outputs
        )
        self.registers = MappingProxyType({one[0]: _of_register(one) for one in registers})
        self.memories = MappingProxyType({one[0]: _of_memory(one) for one in memories})
        return self

    @cached_property
    def by_address(self) -> Mapping[int, RegisterInfo]:
        """The registers by address."""
        return {one.address: one for one in self.registers.values() if not one.view}

    @cached_property
    def methods(self) -> list[tuple[str | None, str | None, int]]:
        """The behaviours as a native device takes them."""
        return [
            (one.read, one.write, (1 << self.registers[one.on].bits) - 1) for one in self.behaviours
        ]

    def __repr__(self) -> str:
        return f"<hwsim.models.Map {self.name!r}, {len(self.registers)} registers>"


def _by_name(kind: str, items: list[Any]) -> Mapping[str, Any]:
    found = {item.name: item for item in items}
    if len(found) < len(items):
        names = [item.name for item in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgument(f"{kind} {twice}: the model has two of this name")
    return MappingProxyType(found)


def _check(where: str, limits: Mapping[str, tuple[object, int]]) -> None:
    """What the native structures have room for; the rest is for the library to say."""
    for name, (value, highest) in limits.items():
        if type(value) is int and 0 <= value <= highest:
            continue  # as almost always, of many registers
        try:
            integer(name, value, 0, highest)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"{where}: {error}") from None


def _register(one: RegisterInfo) -> tuple[object, ...]:
    """As the library takes it. There may be many of them, so what is right is known at once."""
    name, address, bits, access, reset, writable, _, fields, _, role, _, alias = one
    if not (
        type(address) is type(bits) is type(reset) is type(writable) is int
        and 0 <= address <= UINT32_MAX
        and 0 <= bits <= WIDEST
        and 0 <= reset <= UINT64_MAX
        and 0 <= writable <= UINT64_MAX
        and alias is None
    ):
        numbers = {
            "address": (address, UINT32_MAX),
            "bits": (bits, WIDEST),
            "reset value": (reset, UINT64_MAX),
            "writable": (writable, UINT64_MAX),
            "alias": (0 if alias is None else alias, UINT32_MAX),
        }
        _check(f"register {name}", numbers)
    if access not in _ACCESSES or role not in _ROLES:
        kind, text, known = (
            ("role", role, _ROLES) if access in _ACCESSES else ("access", access, _ACCESSES)
        )
        raise InvalidArgument(f"register {name}: {_one_of(kind, text, known)}")
    inner = [_field(name, field) for field in fields if not field.view] if fields else ()
    # Descriptions and enumerations stay in Python.
    way, part = _ACCESSES[access], _ROLES[role]
    return name, address, bits, way, reset, writable, None, inner, part, alias


def _one_of(kind: str, text: object, known: Iterable[str]) -> str:
    return f"{kind} must be one of {', '.join(filter(None, known))}: {text!r}"


def _field(register: str, one: FieldInfo) -> tuple[object, ...]:
    (name, lsb, width, readable, writable, onread, onwrite, pulse, once) = one[:9]
    enum, _, constraint, lowest, highest = one[10:]
    for each in enum:
        if not 0 <= each.value < 1 << width:
            raise InvalidArgument(
                f"register {register}: field {name}: {each.name} = {each.value} does not fit"
            )
    if not (
        type(lsb) is type(width) is type(lowest) is type(highest) is int
        and 0 <= lsb <= WIDEST
        and 0 <= width <= WIDEST
        and 0 <= lowest <= UINT64_MAX
        and 0 <= highest <= UINT64_MAX
    ):
        numbers = {
            "lsb": (lsb, WIDEST),
            "width": (width, WIDEST),
            "lowest": (lowest, UINT64_MAX),
            "highest": (highest, UINT64_MAX),
        }
        _check(f"register {register}: field {name}", numbers)
    for kind, text, known in (
        ("onread", onread, _ON_READS),
        ("onwrite", onwrite, _ON_WRITES),
        ("constraint", constraint, _CONSTRAINTS),
    ):
        if text not in known:
            raise InvalidArgument(
                f"register {register}: field {name}: {_one_of(kind, text, known)}"
            )
    names = (
        tuple((each.name, each.value, None) for each in enum) if constraint == "enumerated" else ()
    )
    flags = _READABLE * readable | _WRITABLE * writable | _PULSE * pulse | _ONCE * once
    effects = _ON_READS[onread], _ON_WRITES[onwrite]
    return name, lsb, width, flags, *effects, None, names, _CONSTRAINTS[constraint], lowest, highest


def _memory(one: MemoryInfo) -> tuple[object, ...]:
    numbers = {
        "address": (one.address, UINT32_MAX),
        "bits": (one.bits, WIDEST),
        "words": (one.words, UINT32_MAX),
    }
    _check(f"memory {one.name}", numbers)
    access = _kinds.ACCESSES.index(one.access)
    return (one.name, one.address, one.bits, one.words, access, None)


def _fifo(one: FifoInfo) -> tuple[object, ...]:
    _check(f"fifo {one.name}", {"depth": (one.depth, UINT32_MAX)})
    return tuple(one)


def _rule(number: int, one: RuleInfo) -> tuple[object, ...]:
    where = f"rule {number}"
    for name, text, known in (
        ("when", one.when, _kinds.WHENS),
        ("then", one.then, _kinds.THENS),
        ("code", one.code, _kinds.CODES_OF_RULES),
    ):
        if text not in known:
            raise InvalidArgument(f"{where}: {name} must be one of {', '.join(known)}: {text!r}")
    limits = {
        "value": (one.value, UINT64_MAX),
        "channel": (one.channel, UINT32_MAX),
    }
    _check(where, limits)
    if not (0 <= one.delay <= _HOUR and 0 <= one.jitter <= _HOUR):
        raise InvalidArgument(f"{where}: delay and jitter must be from 0 to 3600 s")
    return (
        *(_kinds.WHENS.index(one.when), one.on),
        [_condition(where, each) for each in one.conditions],
        *(round(one.delay * 1e9), round(one.jitter * 1e9), one.ignore_again),
        *(_kinds.THENS.index(one.then), one.target, one.source, one.fifo, one.written),
        *(one.value, one.channel, _kinds.CODES_OF_RULES.index(one.code)),
    )


def _condition(where: str, one: ConditionInfo) -> tuple[object, ...]:
    if one.comparison not in _kinds.COMPARISONS:
        known = " ".join(_kinds.COMPARISONS)
        raise InvalidArgument(f"{where}: comparison must be one of {known}: {one.comparison!r}")
    lowest = -(1 << 63) if one.signed else 0
    try:
        value = integer("value", one.value, lowest, UINT64_MAX + lowest) & UINT64_MAX
        mask = integer("mask", one.mask, 0, UINT64_MAX)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{where}: of a condition, {error}") from None
    comparison = _kinds.COMPARISONS.index(one.comparison)
    return one.part, comparison, value, one.than, mask, bool(one.signed)


def _output(number: int, one: OutputInfo) -> tuple[object, ...]:
    if one.code not in _kinds.CODES_OF_RULES:
        known = ", ".join(_kinds.CODES_OF_RULES)
        raise InvalidArgument(f"output {number}: code must be one of {known}: {one.code!r}")
    return one.name, one.source, _kinds.CODES_OF_RULES.index(one.code), one.range


def _of_rule(entry: tuple[Any, ...]) -> RuleInfo:
    when, on, conditions, delay_ns, jitter_ns, ignore, then, *rest = entry
    *others, code = rest
    asked = tuple(_of_condition(each) for each in conditions)
    said = (on, asked, delay_ns / 1e9, jitter_ns / 1e9, ignore)
    texts = (_kinds.WHENS[when], _kinds.THENS[then])
    return RuleInfo._make((*texts, *said, *others, _kinds.CODES_OF_RULES[code]))


def _of_condition(entry: tuple[Any, ...]) -> ConditionInfo:
    part, comparison, value, than, mask, signed = entry
    number = value - (1 << 64) if signed and value >> 63 else value
    return ConditionInfo(part, _kinds.COMPARISONS[comparison], number, than, mask, signed)


def _of_register(entry: tuple[Any, ...]) -> RegisterInfo:
    name, address, bits, access, reset, writable, description, fields, role, alias = entry
    return RegisterInfo(
        *(name, address, bits, _kinds.ACCESSES[access], reset, writable, description or ""),
        tuple(_of_field(field) for field in fields),
        role=_kinds.ROLES[role],
        alias=alias,
    )


def _of_field(entry: tuple[Any, ...]) -> FieldInfo:
    name, lsb, width, flags, onread, onwrite, description, enumerators, *allowed = entry
    constraint, lowest, highest = allowed
    return FieldInfo(
        name,
        lsb,
        width,
        bool(flags & _READABLE),
        bool(flags & _WRITABLE),
        _kinds.ON_READS[onread],
        _kinds.ON_WRITES[onwrite],
        bool(flags & _PULSE),
        bool(flags & _ONCE),
        description or "",
        tuple(EnumValue(text, value, said or "") for text, value, said in enumerators),
        constraint=_kinds.CONSTRAINTS[constraint],
        lowest=lowest,
        highest=highest,
    )


def _of_memory(entry: tuple[Any, ...]) -> MemoryInfo:
    name, address, bits, words, access, description = entry
    return MemoryInfo(name, address, words, bits, _kinds.ACCESSES[access], description or "")
