"""Devices for asyncio: the same names as :mod:`hwsim`, awaited.

>>> import asyncio, hwsim.aio
>>> async def main():
...     async with hwsim.aio.open("hwsim://daq0?latency=2ms") as device:
...         await device.write_register(0x40, 7)
...         return await device.read_register(0x40)
>>> asyncio.run(main())
7

Operations need no thread: the loop watches a descriptor of the library's, and is told when they
have ended. Cancelling takes an operation off the bus before CancelledError is raised. Any number of
loops, of asyncio or uvloop, may run in as many threads, and share devices.
"""

from __future__ import annotations

from hwsim.aio.calls import Device, Register, Registers, Stream, Subscription
from hwsim.aio.opening import Opening, open

__all__ = ["Device", "Opening", "Register", "Registers", "Stream", "Subscription", "open"]
