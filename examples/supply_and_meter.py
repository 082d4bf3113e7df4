"""Two instruments on one clock: a supply feeds a load, a meter measures it, a loop regulates.

The wires to the load cost some of what the supply puts out, and its capacitors need time. The loop
knows neither: it only asks the meter. `clock=virtual:bench` is one clock, so that what the meter
samples is what the supply has put out by then, and half a minute passes in a moment.
"""

from __future__ import annotations

from typing import NamedTuple

import hwsim
from hwsim.models import Output, Register

WIRES = 0.92  # of the voltage is left at the load
TAU = 0.05  # seconds, of the load's capacitors
PERIOD = 0.1  # seconds, of the loop
BENCH = "clock=virtual:bench&latency=2ms"


class Supply(hwsim.Model):
    """One output, of 16 bits, up to 20 V."""

    class VOLTS(Register, at=0x0, bits=16):
        """What it puts out, in 20 V / 65536."""

    out = Output(VOLTS, "unipolar", range=20.0)


class Meter(hwsim.Model):
    """Measures up to 20 V on two channels."""

    channels = 2

    class READY(Register, at=0x0, access="RO", reset=1):
        """Always."""


class Bench(NamedTuple):
    """The two, connected."""

    supply: hwsim.Device
    meter: hwsim.Device


def open_bench() -> Bench:
    """Opens both, and connects the supply's output to the meter: at the supply and at the load."""
    supply = hwsim.open(f"hwsim://supply?{BENCH}", model=Supply)
    meter = hwsim.open(f"hwsim://meter?{BENCH}&range=20V&noise=1mV&seed=7", model=Meter)
    supply.connect("out", 0, to=meter)
    supply.connect("out", 1, to=meter, gain=WIRES, tau=TAU)
    return Bench(supply, meter)


def regulate(bench: Bench, wanted: float, seconds: float) -> list[float]:
    """Brings the load to a voltage and keeps it there; returns what the meter has shown."""
    shown, volts = [], wanted
    bench.supply.set_output("out", volts)
    bench.meter.timer = PERIOD
    end = bench.meter.now + seconds
    with bench.meter.events(kinds=["timer"]) as ticks:
        while bench.meter.now < end:
            ticks.read(timeout=2 * PERIOD)
            shown.append(bench.meter.read_voltage(1))
            volts = min(max(volts + 0.5 * (wanted - shown[-1]), 0.0), 20.0)
            bench.supply.set_output("out", volts)
    return shown


if __name__ == "__main__":
    bench = open_bench()
    with bench.supply, bench.meter:
        shown = regulate(bench, 12.0, 30.0)
        assert bench.supply.now == bench.meter.now
        print(f"at first {shown[0]:.3f} V, at the end {shown[-1]:.3f} V at the load")
        print(f"the supply puts out {bench.meter.read_voltage(0):.3f} V")
