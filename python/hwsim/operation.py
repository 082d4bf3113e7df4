"""The operations: what the library can do, as its own table describes it (``operations.h``)."""

from __future__ import annotations

from typing import NamedTuple

from hwsim import _native
from hwsim._kinds import EventKind, Waits


class Operation(NamedTuple):
    """An operation of the library, under its names in C++ and in errors.

    Attributes:
        noun: Whose it is: ``"device"``, ``"stream"``, ``"subscription"`` or ``"library"``.
        name: As in errors, such as ``"read_register"``.
        waits: ``"never"``; ``"when blocking"``: for the bus, or for something to happen;
            ``"computes"`` for seconds; ``"copies"`` as long as its data need; ``"in slices"`` as
            long as what happens meanwhile needs.
        bytes: On the bus; of one register where there are several; 0: it does not use the bus.
        causes: The kinds of event that it may cause by itself.
        summary: What it does, in a line.
    """

    noun: str
    name: str
    waits: Waits
    bytes: int
    causes: tuple[EventKind, ...]
    summary: str


def operations() -> list[Operation]:
    """Returns every operation of the library."""
    return [Operation(*row) for row in _native.operations()]
