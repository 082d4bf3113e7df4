"""A link that fails now and then, and a program that tries again.

Faults are drawn from the device's seed and the number of the operation: the same seed fails at the
same places, in any thread schedule, so a test of the retries is as repeatable as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import hwsim

T = TypeVar("T")


def retry(operation: Callable[[], T], attempts: int = 5) -> T:
    """Calls it again where trying again may help: an operation that failed has had no effect."""
    for attempt in range(1, attempts + 1):
        try:
            return operation()
        except (hwsim.errors.TransferError, hwsim.errors.DeviceTimeout) as error:
            if attempt == attempts:
                raise
            print(f"  attempt {attempt}: {error}")
    raise AssertionError("unreachable")


def main() -> None:
    """Counts up in a register, over a link on which one operation of ten has a CRC error."""
    uri = "hwsim://daq0?clock=virtual&latency=5ms&timeout=50ms&seed=1&fault=crc~0.1&fault=timeout@7"
    with hwsim.open(uri) as device:
        counter = device.registers["SCRATCH0"]
        for value in range(1, 21):
            retry(lambda value=value: counter.write(value))  # type: ignore[misc]
            assert retry(counter.read) == value
        faults = retry(lambda: device.registers["FAULT_COUNT"].read())
        print(f"{device.transactions} operations, {faults} faults, none of them seen by the user")
        assert faults >= 1


if __name__ == "__main__":
    main()
