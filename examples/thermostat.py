"""A thermostat: a PID controller in Python, tested in virtual time against a simulated oven.

The oven is a model with a heater's converter and a thermometer. What lies between the two is a
connection: the heater's power is volts squared over its resistance, heat needs a second to arrive,
and the oven's time constant is forty. Ten minutes of control take a moment, and come out the same
each time. `python thermostat.py picture.svg` draws them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import hwsim
from hwsim.models import Output, Register

AMBIENT = 20.0  # degrees Celsius
FULL_V = 24.0  # of the heater
OHMS = 5.76  # of the heater: 100 W at 24 V
KELVIN_PER_WATT = 2.0
TAU, DELAY = 40.0, 1.0  # seconds
PERIOD = 0.5  # of the controller, in seconds
STEPS = ((0.0, 60.0), (200.0, 90.0), (400.0, 50.0))  # from when on which temperature is wanted


class Oven(hwsim.Model):
    """A heater and a thermometer, which gives 10 mV per kelvin."""

    class HEATER(Register, at=0x0, bits=16):
        """What the heater's supply puts out, in 24 V / 65536."""

    heater = Output(HEATER, "unipolar", range=FULL_V)


def build_oven(device: hwsim.Device) -> None:
    """Connects the heater of an oven to its thermometer, channel 0."""
    device.connect(
        "heater",
        0,
        function=lambda volts: volts**2 / OHMS,  # watts
        gain=KELVIN_PER_WATT / 100,
        offset=AMBIENT / 100,
        delay=DELAY,
        tau=TAU,
        noise=0.5e-3,
    )


@dataclass
class PID:
    """A controller that asks for watts, from 0 to a limit, and stops integrating at either."""

    gain: float = 4.0  # watts per kelvin
    integral_time: float = 30.0  # seconds
    derivative_time: float = 0.8  # seconds
    limit: float = FULL_V**2 / OHMS
    integral: float = 0.0
    before: float | None = field(default=None)

    def step(self, wanted: float, measured: float, period: float) -> float:
        """Returns the power for the next period, in watts."""
        error = wanted - measured
        slope = 0.0 if self.before is None else (measured - self.before) / period
        self.before = measured
        power = self.gain * (error - self.derivative_time * slope) + self.integral
        limited = min(max(power, 0.0), self.limit)
        if power == limited:
            self.integral += self.gain * error * period / self.integral_time
        return limited


class Point(NamedTuple):
    """One period of the controller."""

    time: float  # seconds
    wanted: float  # degrees Celsius
    measured: float  # degrees Celsius
    watts: float


def control(device: hwsim.Device, pid: PID, seconds: float) -> list[Point]:
    """Runs the controller for so long, in the device's time, which a timer of it keeps."""
    points = []
    device.timer = PERIOD
    with device.events(kinds=["timer"]) as ticks:
        while device.now < seconds:
            now = ticks.read(timeout=2 * PERIOD)[-1].time_s
            wanted = next(level for begin, level in reversed(STEPS) if now >= begin)
            measured = device.read_voltage(0) * 100
            watts = pid.step(wanted, measured, PERIOD)
            device.set_output("heater", (watts * OHMS) ** 0.5)
            points.append(Point(now, wanted, measured, watts))
    return points


# ------------------------------------------------------------------------------------ the picture

WIDTH, HEIGHT, LEFT, TOP, RIGHT = 720, 300, 48, 16, 24
STYLE = (
    "text{font:12px sans-serif;fill:#57606a}.grid{stroke:#d0d7de}.line{fill:none;stroke-width:2}"
    ".wanted{stroke:#57606a;stroke-dasharray:5 4}.measured{stroke:#cf222e}.watts{stroke:#0969da}"
    "@media(prefers-color-scheme:dark){text{fill:#9198a1}.grid{stroke:#3d444d}"
    ".measured{stroke:#ff7b72}.watts{stroke:#58a6ff}.wanted{stroke:#9198a1}}"
)


def picture(points: list[Point]) -> str:
    """Returns an SVG: temperatures above, the power below."""
    end = points[-1].time

    def x(time: float) -> float:
        return LEFT + time / end * (WIDTH - LEFT - RIGHT)

    def upper(celsius: float) -> float:
        return TOP + (100 - celsius) / 90 * 180

    def lower(watts: float) -> float:
        return TOP + 200 + (100 - watts) / 100 * 50

    def line(kind: str, places: list[tuple[float, float]]) -> str:
        return (
            f'<polyline class="line {kind}" points="'
            + " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
            + '"/>'
        )

    marks = [(upper(level), f"{level} °C") for level in (20, 40, 60, 80, 100)]
    marks += [(lower(level), f"{level} W") for level in (0, 100)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>A thermostat under virtual time: what is wanted, what is measured, and the "
        f"power</title><style>{STYLE}</style>",
    ]
    for down, text in marks:
        parts.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{text}</text>')
    for seconds in range(0, int(end) + 1, 100):
        parts.append(
            f'<text x="{x(seconds):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{seconds} s</text>'
        )
    parts.append(line("wanted", [(x(one.time), upper(one.wanted)) for one in points]))
    parts.append(line("measured", [(x(one.time), upper(one.measured)) for one in points]))
    parts.append(line("watts", [(x(one.time), lower(one.watts)) for one in points]))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    uri = "hwsim://oven0?clock=virtual&latency=1ms&jitter=100us&range=2V&seed=1"
    with hwsim.open(uri, model=Oven) as oven:
        build_oven(oven)
        run = control(oven, PID(), 600.0)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(picture(run), encoding="utf-8")
    for point in run[:: len(run) // 12]:
        print(
            f"{point.time:6.1f} s  wanted {point.wanted:4.1f} °C  is {point.measured:5.1f} °C  "
            f"{point.watts:5.1f} W"
        )
