"""The closed sets of the C interface: names by their numbers; and its limits.

Generated from the C headers by ``make generated``; not to be edited.
"""

from __future__ import annotations

from typing import Literal, get_args

EventKind = Literal[
    "fault",
    "disconnect",
    "reconnect",
    "trigger",
    "overrun",
    "firmware",
    "register",
    "timer",
    "threshold",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)

FaultKind = Literal[
    "timeout",
    "bus",
    "crc",
    "busy",
    "disconnect",
    "reconnect",
    "stuck",
    "spike",
    "overrun",
    "firmware",
    "memory",
    "internal",
    "foreign",
    "power",
    "corrupt",
    "lost",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

Waveform = Literal["dc", "sine", "square", "triangle", "table", "table_once", "output"]
WAVEFORMS: tuple[Waveform, ...] = get_args(Waveform)

Clock = Literal["real", "scaled", "virtual", "manual"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)

Access = Literal["RW", "RO", "WO", "W1C", "RC"]
ACCESSES: tuple[Access, ...] = get_args(Access)

Role = Literal[
    "",
    "firmware_version",
    "converters",
    "status",
    "uptime",
    "fault_count",
    "event_mask",
    "event_status",
    "command",
    "channels",
]
ROLES: tuple[Role, ...] = get_args(Role)

OnRead = Literal["", "rclr", "rset"]
ON_READS: tuple[OnRead, ...] = get_args(OnRead)

OnWrite = Literal["", "woset", "woclr", "wot", "wzs", "wzc", "wzt", "wclr", "wset"]
ON_WRITES: tuple[OnWrite, ...] = get_args(OnWrite)

Constraint = Literal["", "enumerated", "range"]
CONSTRAINTS: tuple[Constraint, ...] = get_args(Constraint)

When = Literal["written", "read", "changed", "every", "started"]
WHENS: tuple[When, ...] = get_args(When)

Then = Literal["set", "copy", "add", "convert", "push", "pop", "event"]
THENS: tuple[Then, ...] = get_args(Then)

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

Code = Literal["signed", "offset", "unipolar"]
CODES_OF_RULES: tuple[Code, ...] = get_args(Code)

Overflow = Literal["drop", "wait"]
OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)

Overrun = Literal["error", "skip"]
OVERRUNS: tuple[Overrun, ...] = get_args(Overrun)

Format = Literal["int16", "float32", "float64"]
FORMATS: tuple[Format, ...] = get_args(Format)

Waits = Literal["never", "when blocking", "computes", "copies", "in slices"]
WAITS: tuple[Waits, ...] = get_args(Waits)

CODES = 65536
STREAM_LARGEST_BUFFER = 1099511627776
STREAM_LARGEST_INDEX = 4611686018427387904
FIRMWARE_MAGIC = b"HWSIMFW1"
FIRMWARE_LARGEST = 262144
FIRMWARE_MOST_RETRIES = 100
EVENTS_LARGEST_QUEUE = 1048576
REGISTERS_LARGEST = 65535
MEMORY_LARGEST = 268435456
