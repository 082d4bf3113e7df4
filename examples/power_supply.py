"""A power supply as a model: soft start and over-current trip, on a manual clock.

Rules compare with constants only, so the ramp counts down the steps that are left, and the load is
the bit that a comparator would give. A new setpoint counts from the next start on.
"""

from __future__ import annotations

import hwsim
from hwsim.models import Field, Register, every, when_changed, when_written

STEP = 1e-3  # seconds
BLANKING = 2e-3  # an overload that is shorter does not trip
MINUS_1 = 0xFF  # of 8 bits


class PowerSupply(hwsim.Model):
    """One output, up to 25.5 V."""

    class OUTPUT(Register, at=0x00):
        EN = Field(0)

    class STATUS(Register, at=0x04, access="RO"):
        RAMPING = Field(0)
        OVER = Field(1, description="too much current flows")
        TRIP = Field(2, access="RW", onwrite="woclr", description="holds the output off")

    class SETPOINT(Register, at=0x08, bits=8, reset=50):
        """In units of 100 mV."""

    class MEASURED(Register, at=0x0C, bits=8, access="RO"):
        """In units of 100 mV."""

    class LOAD(Register, at=0x10):
        OVER = Field(0, description="it would draw more than the limit")

    class INTERNAL(Register, at=0x14, access="RO"):
        LEFT = Field(0, 8, description="steps until the setpoint")
        CHECK = Field(8, description="the blanking time is over")

    rules = (
        # The soft start.
        when_changed(OUTPUT.EN, 1).copy(INTERNAL.LEFT, SETPOINT),
        when_changed(OUTPUT.EN, 1).set(STATUS.RAMPING),
        when_changed(OUTPUT.EN, 1).given(SETPOINT, 0).clear(STATUS.RAMPING),
        every(STEP).given(STATUS.RAMPING).increment(MEASURED),
        when_changed(MEASURED).given(STATUS.RAMPING).increment(INTERNAL.LEFT, MINUS_1),
        when_changed(INTERNAL.LEFT, 0).clear(STATUS.RAMPING),
        when_changed(OUTPUT.EN, 0).clear(STATUS.RAMPING),
        when_changed(OUTPUT.EN, 0).clear(MEASURED),
        # Current flows while the output is on.
        when_changed(OUTPUT.EN, 1).copy(STATUS.OVER, LOAD.OVER),
        when_changed(LOAD.OVER).given(OUTPUT.EN).copy(STATUS.OVER, LOAD.OVER),
        when_changed(OUTPUT.EN, 0).clear(STATUS.OVER),
        # The trip.
        when_changed(STATUS.OVER, 1).after(BLANKING).set(INTERNAL.CHECK),
        when_changed(INTERNAL.CHECK, 1).given(STATUS.OVER).set(STATUS.TRIP),
        when_changed(INTERNAL.CHECK, 1).after(1e-6).clear(INTERNAL.CHECK),
        when_changed(STATUS.TRIP, 1).event(MEASURED),
        when_changed(STATUS.TRIP, 1).clear(OUTPUT.EN),
        when_written(OUTPUT.EN, 1).given(STATUS.TRIP).clear(OUTPUT.EN),
    )


def show(psu: hwsim.Device, what: str) -> None:
    """Prints a line of the table."""
    volts = psu.registers.MEASURED.read() / 10
    print(f"{psu.now * 1e3:6.1f} ms  {what:<12} {volts:4.1f} V")


if __name__ == "__main__":
    with hwsim.open("hwsim://psu0?clock=manual&latency=0s", model=PowerSupply) as psu:
        registers = psu.registers
        registers.OUTPUT.EN.write(1)
        for _ in range(6):
            psu.advance(10e-3)
            show(psu, "soft start" if registers.STATUS.RAMPING.read() else "on")
        registers.LOAD.OVER.write(1)
        psu.advance(BLANKING)
        show(psu, "trip" if registers.STATUS.TRIP.read() else "on")
