"""An instrument that takes commands as text, byte by byte: what no rule could say is a behaviour.

A command goes to TX and ends with a line feed; the answer waits in RX. The instrument measures for
5 ms, which on a virtual clock take no time. When an operation fails, what it has done to registers
is undone, and what it has done to attributes is not: so registers say what has been answered.
"""

from __future__ import annotations

import hwsim
from hwsim.models import Field, Register, on_read, on_write

MEASURING = 5e-3  # seconds


class Meter(hwsim.Model):
    """A meter behind a port of bytes."""

    class TX(Register, at=0x0, bits=8, access="WO"):
        """The next byte of a command."""

    class RX(Register, at=0x4, bits=8, access="RO"):
        """Takes out the next byte of the answers; 0: there is none."""

    class STATUS(Register, at=0x8, access="RO"):
        LEVEL = Field(0, 16, description="bytes in RX")
        ERROR = Field(16, description="the last command was none")

    class GIVEN(Register, at=0xC, access="RO"):
        """How many bytes have been taken out of RX."""

    def __init__(self) -> None:
        self.on_reset()

    def on_reset(self) -> None:
        """Forgets what was sent, and the answers."""
        self.command, self.answers, self.range = "", bytearray(), 10.0

    @on_write(TX)
    def take(self, value: int) -> None:
        """Takes a byte of a command, and executes that when it is complete."""
        if value != ord("\n"):
            self.command += chr(value)
            return
        command, self.command = self.command, ""
        answer = self.execute(command)
        given, level = self.read(self.GIVEN), self.read(self.STATUS.LEVEL)
        self.answers[given + level :] = (answer or "").encode()
        self.write(self.STATUS.LEVEL, len(self.answers) - given)
        self.write(self.STATUS.ERROR, answer is None)

    @on_read(RX)
    def give(self, value: int) -> int:
        """Gives the next byte of the answers."""
        given, level = self.read(self.GIVEN), self.read(self.STATUS.LEVEL)
        if not level:
            return 0
        self.write(self.GIVEN, given + 1)
        self.write(self.STATUS.LEVEL, level - 1)
        return self.answers[given]

    def execute(self, command: str) -> str | None:
        """The answer to a command, "" if it has none; None: an error."""
        match command.split():
            case ["*IDN?"]:
                return "hwsim,meter,0,1\n"
            case ["RANGE", ("1" | "10" | "100") as volts]:
                self.range = float(volts)
                return ""
            case ["MEAS?"]:
                self.spend(MEASURING)
                return f"{self.range * 0.123:.3f}\n"
        return None


def ask(meter: hwsim.Device, command: str) -> str:
    """Sends a command, and returns the answer."""
    registers = meter.registers
    for byte in f"{command}\n".encode():
        registers.TX.write(byte)
    if registers.STATUS.ERROR.read():
        raise ValueError(command)
    return bytes(registers.RX.read() for _ in range(registers.STATUS.LEVEL.read())).decode()


if __name__ == "__main__":
    with hwsim.open("hwsim://meter0?latency=1us&clock=virtual", model=Meter) as meter:
        print(ask(meter, "*IDN?"), end="")
        ask(meter, "RANGE 100")
        print(ask(meter, "MEAS?"), end="")
        print(f"{meter.now * 1e3:.0f} ms")
        try:
            ask(meter, "MEASURE")
        except ValueError as error:
            print(f"no command: {error}")
