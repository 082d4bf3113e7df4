"""The commands ``hwsim flash`` and ``hwsim calibrate``: a device's long operations from a shell."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from hwsim import firmware
from hwsim.calibration import Calibration
from hwsim.demo import quantity
from hwsim.device import Device
from hwsim.device import Progress as Report

NO_CODES = slice(1, -1)  # the outermost have no DNL


def add_parsers(subparsers: Any, *, epilog: str | None = None) -> None:
    """Adds both commands to the subparsers of argparse; their ``run`` takes a console."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "flash",
        help="program a firmware image",
        description="Programs a firmware image, and shows the version before and after. Whatever "
        "ends it early, Ctrl-C for example, the old firmware keeps running. As a simulated device "
        "lives in one process, the next command finds it with its factory firmware again.",
        epilog=epilog,
    )
    command.set_defaults(run=_flash)
    command.add_argument("uri", metavar="URI", help="resource string, such as hwsim://daq0")
    command.add_argument(
        "image", type=Path, metavar="IMAGE", help="file made by hwsim.firmware.build_image()"
    )
    command.add_argument(
        "--build",
        type=_version,
        metavar="VERSION",
        help="make the image: IMAGE holds only its payload, VERSION is MAJOR.MINOR",
    )
    command.add_argument(
        "--no-verify", action="store_true", help="do not read each page back after writing it"
    )
    command.add_argument(
        "--retries",
        type=int,
        default=3,
        metavar="N",
        help="how often a page that differs is written again, 0 to 100 (default: %(default)s)",
    )

    command = subparsers.add_parser(
        "calibrate",
        help="measure the errors of a converter: gain, offset, ENOB, INL, DNL",
        description="Measures a channel's converter after IEEE Std 1241: a sine fit and a "
        "sine-wave histogram. With errors of the converter as options there is more to see.",
        epilog=epilog,
    )
    command.set_defaults(run=_calibrate)
    command.add_argument(
        "uri",
        nargs="?",
        default="hwsim://daq0",
        metavar="URI",
        help="resource string, such as hwsim://daq0?seed=7 (default: %(default)s)",
    )
    command.add_argument(
        "--channel", type=int, default=0, metavar="N", help="from 0 (default: %(default)s)"
    )
    command.add_argument(
        "--samples",
        type=int,
        default=2**22,
        metavar="N",
        help="of each test, 262144 to 67108864 (default: %(default)s)",
    )
    errors = command.add_argument_group("errors of the simulated converter")
    errors.add_argument(
        "--gain-error", type=float, default=0.0, metavar="X", help="relative, such as 0.01"
    )
    errors.add_argument("--offset-error", type=float, default=0.0, metavar="V", help="in volts")
    errors.add_argument(
        "--inl", type=float, default=0.0, metavar="LSB", help="integral non-linearity, in codes"
    )
    errors.add_argument("--noise", type=float, metavar="V", help="RMS, in volts")
    command.add_argument(
        "--plot", type=Path, metavar="PNG", help="draw INL and DNL to a file (needs matplotlib)"
    )


def _version(text: str) -> int:
    parts = text.split(".")
    if len(parts) == 2 and all(part.isdecimal() and int(part) < 2**16 for part in parts):
        return int(parts[0]) << 16 | int(parts[1])
    raise argparse.ArgumentTypeError(f"must be MAJOR.MINOR, each from 0 to 65535, got {text!r}")


def _version_text(version: int) -> str:
    return f"{version >> 16}.{version & 0xFFFF}"


@contextmanager
def _bar(console: Console, title: str) -> Iterator[Report]:
    """Gives what a long operation reports to: a bar on a terminal, otherwise nothing.

    The bar stays on the screen, also where an error or Ctrl-C stopped it.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    task = progress.add_task(title, total=None)
    with progress:
        try:
            yield lambda done, total: progress.update(task, completed=done, total=total)
        except BaseException:
            progress.update(task, description=f"{title}: stopped")
            raise


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*titles, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


# ------------------------------------------------------------------------------------------- flash


def _flash(console: Console, arguments: argparse.Namespace) -> None:
    image = arguments.image.read_bytes()
    if arguments.build is not None:
        image = firmware.build_image(arguments.build, image)
    firmware.check_image(image)
    with Device(arguments.uri) as device:
        if device.clock == "manual":
            raise ValueError("a manual clock stands still: the update would never end")
        before, transactions, start = device.firmware_version, device.transactions, device.now
        try:
            with _bar(console, arguments.image.name) as progress:
                device.program_firmware(
                    image,
                    progress=progress,
                    verify=not arguments.no_verify,
                    retries=arguments.retries,
                )
        except BaseException:
            console.print(f"{device.name}: runs firmware {_version_text(device.firmware_version)}")
            raise
        rows = [
            ("device", device.name),
            ("firmware before", _version_text(before)),
            ("firmware after", _version_text(device.firmware_version)),
            ("image", f"{len(image):,} bytes"),
            ("bus operations", f"{device.transactions - transactions:,}"),
            ("time", quantity(device.now - start, "s")),
        ]
        console.print(_table(("flash", ""), rows))


# --------------------------------------------------------------------------------------- calibrate


def _calibrate(console: Console, arguments: argparse.Namespace) -> None:
    figure = None if arguments.plot is None else _new_figure(arguments.plot)
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
        with _bar(console, title) as progress:
            result = device.calibrate(channel, samples=arguments.samples, progress=progress)
        console.print(_table((title, "measured"), _rows(result, signal.range / 32768)))
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


def _new_figure(path: Path) -> Any:
    try:
        figure = importlib.import_module("matplotlib.figure")
    except ImportError:
        raise ValueError(
            "a plot needs matplotlib, which is not installed: pip install 'hwsim[plot]'"
        ) from None
    result = figure.Figure(figsize=(10, 6), layout="constrained")
    result.savefig(path)  # if that fails, then now, and not after the measurement
    return result


def _draw(figure: Any, path: Path, title: str, result: Calibration) -> None:
    codes = np.arange(-32768, 32768)
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
        axes.set_xlim(-32768, 32767)
    figure.savefig(path, dpi=120)
