"""The table of operations, read out of its header; hwsim.operations() will replace this file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HEADER = Path(__file__).parent.parent / "hwsim/include/hwsim/operations.h"
ROW = re.compile(r'^  X\((\w+), (\w+), (\w+), (\d+), (\w+), +"(.*)"\)', re.MULTILINE)


class Operation(NamedTuple):
    """A row."""

    noun: str
    name: str
    waits: str
    bytes: int
    causes: str
    summary: str


def operations() -> list[Operation]:
    """All rows."""
    return [
        Operation(noun, name, waits.replace("_", " "), int(size), causes, summary)
        for noun, name, waits, size, causes, summary in ROW.findall(HEADER.read_text())
    ]
