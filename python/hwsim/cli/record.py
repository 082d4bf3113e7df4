"""``hwsim record``: channels of a device into a file, with a bar that tells how far."""

from __future__ import annotations

import argparse
import errno
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from rich.console import Console

from hwsim import record
from hwsim.cancel import CancelToken
from hwsim.cli import command
from hwsim.cli.bar import bar
from hwsim.cli.quantity import hertz, seconds, size
from hwsim.device import Device
from hwsim.errors import OperationCancelled


def add_parser(commands: Any) -> None:
    """Adds ``hwsim record``."""
    parser = command.add(
        commands,
        "record",
        _run,
        help="record channels of a device to an NPY, WAV or CSV file",
        description="Records channels of a device to a file, in memory that does not grow. Ctrl-C, "
        "SIGTERM or SIGHUP ends the recording and keeps what is there. Samples that cannot be "
        "written in time are skipped; a warning at the end tells how many, and where. FILE.json "
        "beside the file says rate, start, full scale and gaps. A file that is there already is "
        "refused, unless one of --overwrite, --append and --numbered says otherwise.",
    )
    parser.add_argument("uri", metavar="URI", help="resource string, such as hwsim://daq0")
    parser.add_argument(
        "-o",
        "--output",
        type=command.path,
        required=True,
        metavar="FILE",
        help=".npy, .wav or .csv",
    )
    parser.add_argument(
        "--rate",
        type=hertz,
        metavar="RATE",
        help="samples a second of each channel, such as 10kHz (default: the device's)",
    )
    parser.add_argument(
        "--channels",
        type=_numbers,
        default=(0,),
        metavar="LIST",
        help="which ones, such as 0-3,5 (default: 0)",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=10.0,
        metavar="TIME",
        help="how long, in the device's time, such as 500ms; inf: until Ctrl-C (default: 10 s)",
    )
    parser.add_argument(
        "--dtype",
        choices=["int16", "float32", "float64"],
        help="of an .npy file: int16 codes, or volts (default: float32)",
    )
    there = parser.add_mutually_exclusive_group()
    for option, value, text in (
        ("--overwrite", "overwrite", "replace a file that is there already"),
        ("--append", "append", "continue a file that is there already"),
        ("--numbered", "number", "record to NAME-0001, or the first number that is free"),
    ):
        there.add_argument(
            option, dest="if_exists", action="store_const", const=value, default="error", help=text
        )
    parser.add_argument(
        "--part-size",
        type=size,
        metavar="BYTES",
        help="begin a new numbered file before one is larger, such as 100MB",
    )
    parser.add_argument(
        "--reconnect",
        action="store_true",
        help="wait for a device that is disconnected, and continue after the gap",
    )
    parser.add_argument(
        "--plot",
        type=command.path,
        metavar="PNG",
        help="also draw the recording (needs matplotlib)",
    )


def _numbers(text: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?\s*", part)
        first = int(found[1]) if found else 0
        last = int(found[2] or first) if found else -1
        if not first <= last < first + 64:
            raise argparse.ArgumentTypeError(
                f"must be numbers and ranges from 0 to 63, such as 0-3,5, got {text!r}"
            )
        numbers += range(first, last + 1)
    return tuple(numbers)


def _run(console: Console, arguments: argparse.Namespace) -> None:
    so_far = record.Recording()
    with Device(arguments.uri) as device, _stopped_by_signals() as (token, signals):
        rate_hz = device.rate if arguments.rate is None else arguments.rate
        total = record.samples_in(arguments.seconds, rate_hz)
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
                    if_exists=arguments.if_exists,
                    part_bytes=arguments.part_size,
                    reconnect=arguments.reconnect,
                    plot=arguments.plot,
                    on_block=on_block,
                    cancel=token,
                )
        except (OperationCancelled, OSError) as error:
            if signals and (isinstance(error, OperationCancelled) or _is_terminal(error)):
                raise command.Stopped(signals[0]) from None
            raise
        finally:
            with suppress(OSError) if signals else nullcontext():
                if so_far.samples:
                    _tell(console, so_far, arguments, rate_hz)


def _is_terminal(error: OSError) -> bool:
    """Whether an error is that of a terminal that has gone away, and not of a file or a device."""
    return error.errno == errno.EIO and error.filename is None


@contextmanager
def _stopped_by_signals() -> Iterator[tuple[CancelToken, list[int]]]:
    """Yields a token that SIGINT, SIGTERM and SIGHUP set, and the list of those that came.

    The recording then ends between two blocks, so that what is said about the file is true. Python
    has signal handlers on its main thread only; elsewhere nothing sets the token.
    """
    token, came = CancelToken(), list[int]()

    def stop(number: int, frame: object) -> None:
        came.append(number)
        token.cancel()

    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # nohup
                before = signal.signal(number, stop)
                stack.callback(signal.signal, number, before)
        yield token, came


def _tell(
    console: Console,
    recording: record.Recording,
    arguments: argparse.Namespace,
    rate_hz: float,
) -> None:
    """Says what has been recorded, and on standard error what is missing."""
    paths, count = recording.paths or [arguments.output], len(arguments.channels)
    name = str(paths[0]) if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
    console.print(
        f"{name}: {recording.samples:,} samples of {count} channel{'s' * (count > 1)}, "
        f"{recording.samples / rate_hz:,.6g} s",
        soft_wrap=True,
    )
    _warn(recording)


def _warn(recording: record.Recording) -> None:
    """Says on standard error what is missing."""
    if not recording.lost:
        return
    places = [f"{lost:,} before row {row:,}" for row, lost in recording.gaps]
    if recording.gap_count > len(places):
        places.append(f"and more, at {recording.gap_count:,} places in all")
    times = f" ({recording.disconnects:,} times)" if recording.disconnects > 1 else ""
    gone = f" or the device was disconnected{times}" if recording.disconnects else ""
    print(
        f"hwsim: warning: {recording.lost:,} samples of each channel were lost, because they could "
        f"not be written in time{gone}: {', '.join(places)}",
        file=sys.stderr,
    )
