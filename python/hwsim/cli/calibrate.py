"""``hwsim calibrate``: measures the errors of a converter."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hwsim.calibration import CODES, Calibration
from hwsim.cli import command
from hwsim.cli.bar import bar
from hwsim.cli.quantity import quantity, volts
from hwsim.cli.table import table
from hwsim.device import Device
from hwsim.figure import new_figure

NO_CODES = slice(1, -1)  # the outermost have no DNL


def add_parser(commands: Any) -> None:
    """Adds ``hwsim calibrate``."""
    parser = command.add(
        commands,
        "calibrate",
        _run,
        help="measure the errors of a converter: gain, offset, ENOB, INL, DNL",
        description="Measures a channel's converter after IEEE Std 1241: a sine fit and a "
        "sine-wave histogram. With errors of the converter as options there is more to see.",
    )
    parser.add_argument(
        "uri",
        nargs="?",
        default="hwsim://daq0",
        metavar="URI",
        help="resource string, such as hwsim://daq0?seed=7 (default: %(default)s)",
    )
    parser.add_argument(
        "--channel", type=int, default=0, metavar="N", help="from 0 (default: %(default)s)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=2**22,
        metavar="N",
        help="of each test, 262144 to 67108864 (default: %(default)s)",
    )
    errors = parser.add_argument_group("errors of the simulated converter")
    errors.add_argument(
        "--gain-error", type=float, default=0.0, metavar="X", help="relative, such as 0.01"
    )
    errors.add_argument("--offset-error", type=volts, default=0.0, metavar="V", help="such as 5mV")
    errors.add_argument(
        "--inl", type=float, default=0.0, metavar="LSB", help="integral non-linearity, in codes"
    )
    errors.add_argument("--noise", type=volts, metavar="V", help="RMS, such as 1mV")
    parser.add_argument(
        "--plot",
        type=command.path,
        metavar="PNG",
        help="draw INL and DNL to a file (needs matplotlib)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a plot that is there already"
    )


def _run(console: Console, arguments: argparse.Namespace) -> None:
    plot, overwrite = arguments.plot, arguments.overwrite
    figure = None if plot is None else new_figure(plot, 10, 6, overwrite=overwrite)
    channel = arguments.channel
    with Device(arguments.uri) as device:
        signal = device.signal(channel)
        device.set_signal(
            channel,
            noise=signal.noise if arguments.noise is None else arguments.noise,
            gain_error=arguments.gain_error,
            offset_error=arguments.offset_error,
            inl=arguments.inl,
        )
        title = f"{device.name}, channel {channel}"
        with bar(console, title, stopped=f"{title}: stopped") as progress:
            result = device.calibrate(channel, samples=arguments.samples, progress=progress)
        console.print(table((title, "measured"), _rows(result, signal.range * 2 / CODES)))
    if figure is not None:
        _draw(figure, arguments.plot, title, result)
        console.print(f"{arguments.plot}: INL and DNL", soft_wrap=True)


def _rows(result: Calibration, lsb: float) -> list[tuple[str, str]]:
    return [
        ("reference", f"{quantity(result.reference, 'V')}, {result.cycles:,.0f} cycles"),
        ("gain error", f"{result.gain_error:+.4%}"),
        (
            "offset",
            f"{quantity(result.offset, 'V')}, {round(result.offset / lsb, 2) + 0.0:+.2f} LSB",
        ),
        ("SINAD", f"{result.sinad:.2f} dB"),
        ("ENOB", f"{result.enob:.2f} bits"),
        ("INL", f"{result.inl_max:.2f} LSB at most"),
        ("DNL", f"{result.dnl_max:.2f} LSB at most"),
        ("missing codes", str(result.missing_codes)),
        ("one LSB", quantity(lsb, "V")),
    ]


def _draw(figure: Any, path: Path, title: str, result: Calibration) -> None:
    codes = np.arange(-CODES // 2, CODES // 2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(codes[NO_CODES], result.inl[NO_CODES], linewidth=0.6, color="C0")
    upper.set_ylabel("INL (LSB)")
    upper.set_title(
        f"{title}: gain error {result.gain_error:+.3%}, {result.enob:.2f} effective bits, "
        f"INL {result.inl_max:.2f} LSB, DNL {result.dnl_max:.2f} LSB"
    )
    lower.plot(codes[NO_CODES], result.dnl[NO_CODES], linewidth=0.3, color="C0")
    lower.set_ylabel("DNL (LSB)")
    lower.set_xlabel("code")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.set_xlim(codes[0], codes[-1])
    figure.savefig(path, dpi=120)
