"""A hundred instruments in one thread, with asyncio, and a deadline for all of them.

Each read takes 50 ms of bus time; a device that does not answer is given up after 200 ms, and is
free again at once.
"""

from __future__ import annotations

import asyncio
import time

import hwsim.aio


async def read(number: int) -> float | None:
    """Reads channel 0 of one device, in volts; None: it did not answer."""
    settings = "latency=50ms&timeout=inf" + ("&fault=timeout" if number == 13 else "")
    async with hwsim.aio.open(f"hwsim://rack{number}?{settings}&seed={number}") as device:
        try:
            async with asyncio.timeout(0.2):
                return await device.read_voltage(0)
        except TimeoutError:
            assert device.pending == 0, "it has left the bus"
            return None


async def main() -> None:
    """Reads all of them at once."""
    start = time.perf_counter()
    volts = await asyncio.gather(*(read(number) for number in range(100)))
    silent = [number for number, value in enumerate(volts) if value is None]
    print(f"{len(volts)} devices in {time.perf_counter() - start:.2f} s; silent: {silent}")
    assert silent == [13]


if __name__ == "__main__":
    asyncio.run(main())
