"""A call of each operation on a device, for the tests that check one promise for all of them.

Which of them wait, use the bus and take options follows from the table of operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hwsim
from hwsim import firmware, operations

IMAGE = firmware.build_image(0x00020000, bytes(5000))

# By the operation's name, or one of the aliases. What waits for something other than the bus waits
# for what never comes on a device at power-on.
CALLS: dict[str, Callable[..., object]] = {
    "read_register": lambda d, **options: d.read_register(0x40, **options),
    "write_register": lambda d, **options: d.write_register(0x40, 1, **options),
    "__getitem__": lambda d: d[0x40],
    "__setitem__": lambda d: d.__setitem__(0x40, 1),
    "Register.read": lambda d, **options: d.registers["SCRATCH0"].read(**options),
    "Register.write": lambda d, **options: d.registers["SCRATCH0"].write(1, **options),
    "read_block": lambda d, **options: d.read_block(0x40, 4, **options),
    "write_block": lambda d, **options: d.write_block(0x40, [1, 2], **options),
    "read_bytes": lambda d, **options: d.read_bytes(0x41, 6, **options),
    "write_bytes": lambda d, **options: d.write_bytes(0x41, b"1234", **options),
    "update_register": lambda d, **options: d.update_register(0x40, 1, 1, **options),
    "wait_register": lambda d, **options: d.wait_register(0x44, 1, 1, **options),
    "read_voltages": lambda d, **options: d.read_voltages([0, 1], **options),
    "read_voltage": lambda d, **options: d.read_voltage(0, **options),
    "reset": lambda d, **options: d.reset(**options),
    "trigger": lambda d, **options: d.trigger(1.0, **options),
    "wait_connected": lambda d, **options: d.wait_connected(False, **options),
    "wait_pending": lambda d, **options: d.wait_pending(99, **options),
    "calibrate": lambda d, **options: d.calibrate(0, samples=2**18, **options),
    "program_firmware": lambda d, **options: d.program_firmware(IMAGE, **options),
    "advance": lambda d: d.advance(0),  # of a manual clock
    "cancel": lambda d: d.cancel(),
    "clear_calibration": lambda d: d.clear_calibration(0),
    "clear_faults": lambda d: d.clear_faults(),
    "clear_threshold": lambda d: d.clear_threshold(0),
    "events": lambda d: d.events(),
    "firmware_version": lambda d: d.firmware_version,
    "inject": lambda d: d.inject("spike", at=1_000_000),
    "on_event": lambda d: d.on_event(len),
    "set_signal": lambda d: d.set_signal(0, "dc"),
    "set_threshold": lambda d: d.set_threshold(0, 1.0),
    "signal": lambda d: d.signal(0),
    "output": lambda d: d.output(0),
    "set_output": lambda d, **options: d.set_output(0, 1.0, **options),
    "connect": lambda d: d.connect(0, 0),
    "disconnect": lambda d: (d.is_open and d.connect(1, 3), d.disconnect(3)),
    "stream": lambda d: d.stream(1000),
    "timer": lambda d: d.timer,
    "timer=": lambda d: setattr(d, "timer", 0),
    "timeout": lambda d: d.timeout,
    "timeout=": lambda d: setattr(d, "timeout", 1),
    "now": lambda d: d.now,
    "transactions": lambda d: d.transactions,
    "pending": lambda d: d.pending,
    "connected": lambda d: d.connected,
    "connections": lambda d: d.connections,
}
ALIASES = {
    "__getitem__": "read_register",
    "__setitem__": "write_register",
    "Register.read": "read_register",
    "Register.write": "write_register",
    "events": "subscribe",
    "on_event": "subscribe",
    "signal": "get_signal",
    "timer=": "timer",
    "timeout=": "timeout",
}
# Other operations that wait: for a sample, an event, or a name that is in use.
PARTS: dict[str, Callable[..., object]] = {
    "wait_free": lambda d, timeout=None, cancel=None: hwsim._native.wait_free(
        d.name, timeout, cancel
    ),
    "read": lambda d, **options: d.stream(0.001).read(1, **options),
    "next": lambda d, **options: d.events().read(**options),
}

TABLE = {op.name: op for op in operations() if op.noun == "device"}
OPERATION = {call: TABLE[ALIASES.get(call, call)] for call in CALLS}
# Those that work for long, with many operations on the bus or none; they take progress= as well.
LONG = {
    call: function
    for call, function in CALLS.items()
    if OPERATION[call].waits == "computes" or call == "program_firmware"
}
BLOCKING = {
    call: function
    for call, function in CALLS.items()
    if OPERATION[call].waits == "when blocking" and call not in LONG
}
# Those that are not pending, so that nobody can see that they wait.
UNSEEN = ["wait_connected", "wait_pending"]
# Those that take timeout= and cancel=: all but the subscripts.
WITH_OPTIONS = [call for call in BLOCKING if not call.startswith("__")]
# Those that end by themselves when they have been on the bus.
ON_BUS = [call for call in BLOCKING if OPERATION[call].bytes and call != "wait_register"]

# What needs nothing of the device but its settings; is_open and close never fail.
SETTINGS = [
    "name", "uri", "latency", "jitter", "bandwidth", "channels", "seed", "clock", "clock_name",
    "rate", "registers", "map",
]  # fmt: skip
WORK_AFTER_CLOSE = {
    "clear_faults", "firmware_version", "signal", "output", "timeout", "timeout=", "timer", "now",
    "transactions", "pending", "connected", "connections",
}  # fmt: skip


def public_names() -> set[str]:
    """The public names of Device, without those of SWIG's base class."""
    classes: tuple[Any, ...] = hwsim.Device.__mro__
    swig_base = classes[classes.index(hwsim._native.Device) + 1]
    names = {name for cls in (hwsim.Device, hwsim._native.Device) for name in vars(cls)}
    return {n for n in names if not n.startswith("_")} - set(vars(swig_base))
