"""``hwsim record``: channels of a device into a file, with a bar that tells how far."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from hwsim import record
from hwsim.cancel import CancelToken
from hwsim.cli import command
from hwsim.cli.bar import bar
from hwsim.device import Device
from hwsim.errors import OperationCancelled


def add_parser(commands: Any) -> None:
    """Adds ``hwsim record``."""
    parser = command.add(
        commands,
        "record",
        _run,
        help="record channels of a device to an NPY, WAV or CSV file",
        description="Records channels of a device to a file, in memory that does not grow. Ctrl-C "
        "ends the recording and keeps what is there. Samples that cannot be written in time are "
        "skipped; a warning at the end tells how many, and where.",
    )
    parser.add_argument("uri", metavar="URI", help="resource string, such as hwsim://daq0")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help=".npy, .wav or .csv"
    )
    parser.add_argument(
        "--rate",
        type=float,
        metavar="HZ",
        help="samples a second of each channel (default: the device's)",
    )
    parser.add_argument(
        "--channels",
        type=_numbers,
        default=(0,),
        metavar="N,N,...",
        help="which ones, separated by commas (default: 0)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        metavar="S",
        help="how long, in the device's time; inf: until Ctrl-C (default: 10)",
    )
    parser.add_argument(
        "--dtype",
        choices=["int16", "float32", "float64"],
        help="of an .npy file: int16 codes, or volts (default: float32)",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="also draw the recording (needs matplotlib)"
    )


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers such as 0,1,3, got {text!r}") from None


def _run(console: Console, arguments: argparse.Namespace) -> None:
    so_far = record.Recording()
    with Device(arguments.uri) as device:
        rate_hz = device.rate if arguments.rate is None else arguments.rate
        total = record.samples_in(arguments.seconds, rate_hz)
        # Ends the recording between two blocks, so that what is said about the file is true.
        token = CancelToken()
        before = signal.signal(signal.SIGINT, lambda *_: token.cancel())
        try:
            with bar(console, arguments.output.name, total=total) as progress:

                def on_block(recording: record.Recording) -> None:
                    nonlocal so_far
                    so_far = recording
                    note = f"{recording.samples:,} samples"
                    note += f", {recording.lost:,} lost" if recording.lost else ""
                    progress(recording.samples + recording.lost, total, note)

                record.record(
                    device,
                    arguments.output,
                    seconds=arguments.seconds,
                    rate_hz=rate_hz,
                    channels=arguments.channels,
                    dtype=arguments.dtype,
                    plot=arguments.plot,
                    on_block=on_block,
                    cancel=token,
                )
        except OperationCancelled:
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, before)
            if so_far.samples:
                count = len(arguments.channels)
                console.print(
                    f"{arguments.output}: {so_far.samples:,} samples of {count} "
                    f"channel{'s' * (count > 1)}, {so_far.samples / rate_hz:,.6g} s",
                    soft_wrap=True,
                )
                _warn(so_far)


def _warn(recording: record.Recording) -> None:
    """Says on standard error what is missing."""
    if not recording.lost:
        return
    places = [f"{lost:,} before row {row:,}" for row, lost in recording.gaps]
    if recording.gap_count > len(places):
        places.append(f"and more, at {recording.gap_count:,} places in all")
    print(
        f"hwsim: warning: {recording.lost:,} samples of each channel were lost, because they could "
        f"not be written in time: {', '.join(places)}",
        file=sys.stderr,
    )
