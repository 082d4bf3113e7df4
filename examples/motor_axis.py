"""A motor axis as a model: moves, two limits and homing, in virtual time.

The position counts by one each millisecond while the axis moves. Where it stands after power-on is
known once HOME has driven it to the lower limit. A new command replaces the one that runs.
"""

from __future__ import annotations

import hwsim
from hwsim.models import Field, Register, every, when_changed, when_written

STEP = 1e-3  # seconds
LIMIT = 100  # the upper one; the lower one is 0
MINUS_1 = 0xFFFF  # of 16 bits
IDLE, UP, DOWN, HOMING = range(4)


class Axis(hwsim.Model):
    """One axis between two limits."""

    class CTRL(Register, at=0x00):
        MOVE_UP = Field(0, pulse=True)
        MOVE_DOWN = Field(1, pulse=True)
        HOME = Field(2, pulse=True)
        STOP = Field(3, pulse=True)

    class STATUS(Register, at=0x04, access="RO"):
        BUSY = Field(0)
        LIMIT = Field(1, description="it stands at a limit")
        HOMED = Field(2)
        STATE = Field(4, 2, enum={"idle": IDLE, "up": UP, "down": DOWN, "homing": HOMING})

    class STEPS(Register, at=0x08, bits=16):
        """How far to move, 0: to the limit; counts down meanwhile."""

    class POSITION(Register, at=0x0C, bits=16, access="RO", reset=37):
        pass

    rules = (
        when_written(CTRL.MOVE_UP, 1).set(STATUS.STATE, UP),
        when_written(CTRL.MOVE_UP, 1).given(POSITION, LIMIT).set(STATUS.STATE, IDLE),
        when_written(CTRL.MOVE_DOWN, 1).set(STATUS.STATE, DOWN),
        when_written(CTRL.MOVE_DOWN, 1).given(POSITION, 0).set(STATUS.STATE, IDLE),
        when_written(CTRL.HOME, 1).set(STATUS.STATE, HOMING),
        when_written(CTRL.HOME, 1).given(POSITION, 0).set(STATUS.HOMED),
        when_written(CTRL.HOME, 1).given(POSITION, 0).set(STATUS.STATE, IDLE),
        when_written(CTRL.STOP, 1).set(STATUS.STATE, IDLE),
        when_changed(STATUS.STATE).set(STATUS.BUSY),
        when_changed(STATUS.STATE, IDLE).clear(STATUS.BUSY),
        # One step.
        every(STEP).given(STATUS.STATE, UP).increment(POSITION),
        every(STEP).given(STATUS.STATE, DOWN).increment(POSITION, MINUS_1),
        every(STEP).given(STATUS.STATE, HOMING).increment(POSITION, MINUS_1),
        when_changed(POSITION).given(STATUS.STATE, UP).increment(STEPS, MINUS_1),
        when_changed(POSITION).given(STATUS.STATE, DOWN).increment(STEPS, MINUS_1),
        # Where it ends.
        when_changed(POSITION).clear(STATUS.LIMIT),
        when_changed(POSITION, 0).set(STATUS.LIMIT),
        when_changed(POSITION, LIMIT).set(STATUS.LIMIT),
        when_changed(POSITION, 0).given(STATUS.STATE, HOMING).set(STATUS.HOMED),
        when_changed(POSITION, 0).set(STATUS.STATE, IDLE),
        when_changed(POSITION, LIMIT).set(STATUS.STATE, IDLE),
        when_changed(STEPS, 0).given(STATUS.STATE, UP).set(STATUS.STATE, IDLE),
        when_changed(STEPS, 0).given(STATUS.STATE, DOWN).set(STATUS.STATE, IDLE),
    )


if __name__ == "__main__":
    with hwsim.open("hwsim://axis0?clock=virtual&latency=0s", model=Axis) as axis:
        registers = axis.registers
        for command, steps in ("HOME", 0), ("MOVE_UP", 60), ("MOVE_UP", 60), ("MOVE_DOWN", 25):
            start = registers.POSITION.read()
            registers.STEPS.write(steps)
            registers.CTRL.fields[command].write(1)
            registers.STATUS.BUSY.wait(0)
            end, limit = registers.POSITION.read(), registers.STATUS.LIMIT.read()
            print(f"{axis.now * 1e3:4.0f} ms {command:>9} {steps:2}: {start} to {end}, {limit=}")
