"""A QCoDeS instrument whose parameters are the registers of the device.

They come from ``device.registers``, so that any model has its own: a register is a parameter, and a
field of it with names for its values one that has these.

Needs qcodes.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from qcodes.instrument import Instrument
from qcodes.validators import Ints

import hwsim


def identifier(*names: str) -> str:
    """Returns a parameter's name: of ``TIMER.COUNT`` it is ``timer_count``."""
    return re.sub(r"\W", "_", "_".join(names)).lower()


class Simulated(Instrument):
    """A device as an instrument.

    Attributes:
        device: For what is no parameter, such as streams.

    Args:
        name: Of the instrument.
        uri: Its resource string.
        options: For :func:`hwsim.open`, such as ``model``; ``metadata`` and ``label`` are QCoDeS's.
    """

    def __init__(
        self, name: str, uri: str, *, metadata: Any = None, label: str | None = None, **options: Any
    ) -> None:
        super().__init__(name, metadata=metadata, label=label)
        self.device = hwsim.open(uri, **options)
        # A snapshot asks the device for nothing: that takes its time, and a read may have effects.
        self._quiet = partial(self.add_parameter, snapshot_get=False)
        for channel in range(self.device.channels):
            read = partial(self.device.read_voltage, channel)
            self._quiet(f"voltage{channel}", unit="V", get_cmd=read)
        for register in self.device.registers.values():
            self._add_register(register)

    def _add_register(self, register: hwsim.Register) -> None:
        readable, writable = register.access != "WO", register.writable != 0
        self._quiet(
            identifier(register.name),
            get_cmd=register.read if readable else False,
            set_cmd=register.write if writable else False,
            vals=Ints(0, 2**register.bits - 1),
            docstring=register.description,
        )
        for field in register.fields.values():
            if field.info.enum:
                self._quiet(
                    identifier(register.name, field.name),
                    get_cmd=field.read if readable and field.info.readable else False,
                    set_cmd=field.write if field.info.writable else False,
                    val_mapping={value.name: value.value for value in field.info.enum},
                    docstring=field.info.description,
                )

    def get_idn(self) -> dict[str, str | None]:
        """What the instrument is."""
        firmware = f"{self.device.firmware_version:#010x}"
        return {"vendor": "hwsim", "model": None, "serial": self.device.name, "firmware": firmware}

    def close(self) -> None:
        """Closes the device too, which ends what waits for it."""
        if hasattr(self, "device"):
            self.device.close()
        super().close()


def main() -> None:
    """Sets registers by name."""
    instrument = Simulated("daq", "hwsim://daq0?latency=1ms")
    try:
        instrument.scratch0(42)
        print("SCRATCH0", instrument.scratch0(), "channel 0", instrument.voltage0(), "V")
        print(
            "can be set:", *(each.name for each in instrument.parameters.values() if each.settable)
        )
    finally:
        instrument.close()


if __name__ == "__main__":
    main()
