"""The command ``hwsim``: the demo, and a look at the devices from a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

import hwsim
from hwsim import maintenance, record
from hwsim.demo import demo, quantity

EPILOG = "Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted by Ctrl-C."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Its arguments; None: those of the process.

    Returns:
        The exit status. Errors are written to standard error.

    Raises:
        SystemExit: The arguments are wrong (status 2), or help was asked for.
    """
    arguments = _parser().parse_args(argv)
    # Not what FORCE_COLOR says: a file or a pipe gets plain text.
    terminal = None if sys.stdout.isatty() else False
    console = Console(force_terminal=terminal, markup=False, emoji=False, highlight=False)
    try:
        arguments.run(console, arguments)
    except KeyboardInterrupt:
        print("hwsim: interrupted", file=sys.stderr)
        return 130
    except (hwsim.HwsimError, OSError, ValueError) as error:
        print(f"hwsim: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwsim", description="A simulated slow instrument.", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=f"hwsim {hwsim.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser(
        "demo",
        help="read many devices from threads, with the GIL released and with the GIL held",
        description="Reads many devices from one thread each: one alone, all at once with the GIL "
        "released while a thread waits for its device, and all at once with the GIL held. Shows "
        "how long each took, and how long the main thread was kept waiting.",
        epilog=EPILOG,
    )
    command.set_defaults(run=_demo)
    command.add_argument(
        "--devices",
        type=_integer(1, 64),
        default=8,
        metavar="N",
        help="how many, 1 to 64 (default: %(default)s)",
    )
    command.add_argument(
        "--latency",
        default="20ms",
        metavar="TIME",
        help="of one read, with a unit: ns, us, ms or s (default: %(default)s)",
    )
    command.add_argument(
        "--reads",
        type=_integer(1),
        metavar="N",
        help="for each device, from 1 (default: as many as make the demo take about 12 s)",
    )
    command.add_argument(
        "--signal",
        type=Path,
        metavar="FILE",
        help="recorded data that the devices replay: WAV, CSV or NPY, in volts (default: a sine)",
    )

    command = commands.add_parser(
        "list", help="list the devices", description="Lists the devices.", epilog=EPILOG
    )
    command.set_defaults(run=_list)

    command = commands.add_parser(
        "info",
        help="show a device's settings, signals and registers",
        description="Opens a device and shows its settings, the signals of its channels, and its "
        "registers. Registers that cannot be read, or that reading clears, are shown as -.",
        epilog=EPILOG,
    )
    command.set_defaults(run=_info)
    command.add_argument(
        "uri",
        nargs="?",
        default="hwsim://daq0",
        metavar="URI",
        help="resource string, such as hwsim://daq0?latency=2ms (default: %(default)s)",
    )
    record.add_parser(commands, epilog=EPILOG)
    maintenance.add_parsers(commands, epilog=EPILOG)
    return parser


def _integer(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    limits = f"from {lowest}" if highest is None else f"from {lowest} to {highest}"

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if value < lowest or (highest is not None and value > highest):
            raise argparse.ArgumentTypeError(f"must be an integer {limits}, got {text!r}")
        return value

    return convert


def _demo(console: Console, arguments: argparse.Namespace) -> None:
    demo(
        console,
        devices=arguments.devices,
        latency=arguments.latency,
        reads=arguments.reads,
        recorded=arguments.signal,
    )


def _list(console: Console, arguments: argparse.Namespace) -> None:
    rows = [(name, uri, "yes" if in_use else "no") for name, uri, in_use in hwsim.list_devices()]
    console.print(_table(("name", "uri", "in use"), rows))


def _info(console: Console, arguments: argparse.Namespace) -> None:
    with hwsim.open(arguments.uri) as device:
        settings = {
            "name": device.name,
            "latency": quantity(device.latency, "s"),
            "jitter": quantity(device.jitter, "s"),
            "bandwidth": quantity(device.bandwidth, "B/s"),
            "timeout": quantity(device.timeout, "s"),
            "clock": device.clock,
            "rate": quantity(device.rate, "Hz"),
            "channels": str(device.channels),
            "seed": str(device.seed),
        }
        console.print(_table(("setting", "value"), list(settings.items())))
        console.print(_signals(device))
        console.print(_registers(device))


def _signals(device: hwsim.Device) -> Table:
    rows = []
    for channel in range(device.channels):
        signal = device.signal(channel)
        rows.append(
            (
                str(channel),
                signal.waveform,
                quantity(signal.amplitude, "V"),
                quantity(signal.frequency, "Hz"),
                quantity(signal.offset, "V"),
                quantity(signal.noise, "V"),
                quantity(signal.range, "V"),
            )
        )
    titles = ("channel", "waveform", "amplitude", "frequency", "offset", "noise RMS", "range +-")
    return _table(titles, rows)


def _registers(device: hwsim.Device) -> Table:
    rows = []
    for register in device.registers.values():
        # On a clock that stands still no read would ever end.
        unread = register.access in ("WO", "RC") or device.clock == "manual"
        rows.append(
            (
                f"0x{register.address:02X}",
                register.name,
                register.access,
                "-" if unread else f"0x{register.read():08X}",
                register.description,
            )
        )
    return _table(("address", "register", "access", "value", "description"), rows)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*titles, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table
