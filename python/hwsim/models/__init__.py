"""Models: what kinds of device there are, as Python classes, files or data.

>>> import hwsim
>>> from hwsim.models import Field, Register
>>> class PSU(hwsim.Model):
...     class CTRL(Register, at=0x00):
...         EN = Field(0)
>>> with hwsim.open("hwsim://psu0", model=PSU) as device:
...     device.registers.CTRL.EN.write(1)
"""

from __future__ import annotations

from hwsim.models.declare import (
    Block,
    Comparison,
    Field,
    Fifo,
    Memory,
    Model,
    Output,
    Register,
    Rule,
    Trigger,
    above,
    at_least,
    at_most,
    at_start,
    below,
    equal,
    every,
    on_read,
    on_write,
    unequal,
    when_changed,
    when_read,
    when_written,
)
from hwsim.models.document import c_header, markdown, schema, yaml_of
from hwsim.models.lookup import Offered, load, offered
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
)

__all__ = [
    "BehaviourInfo",
    "Block",
    "Comparison",
    "ConditionInfo",
    "EnumValue",
    "Field",
    "FieldInfo",
    "Fifo",
    "FifoInfo",
    "Map",
    "Memory",
    "MemoryInfo",
    "Model",
    "Offered",
    "Output",
    "OutputInfo",
    "Register",
    "RegisterInfo",
    "Rule",
    "RuleInfo",
    "Trigger",
    "above",
    "at_least",
    "at_most",
    "at_start",
    "below",
    "c_header",
    "equal",
    "every",
    "load",
    "markdown",
    "offered",
    "on_read",
    "on_write",
    "schema",
    "unequal",
    "when_changed",
    "when_read",
    "when_written",
    "yaml_of",
]
