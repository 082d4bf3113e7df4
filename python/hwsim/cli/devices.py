"""``hwsim list`` and ``hwsim info``: which devices there are, and what one of them is like."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from rich.console import Console
from rich.table import Table

import hwsim
from hwsim.cli import command
from hwsim.cli.quantity import quantity
from hwsim.cli.table import table


def add_parsers(commands: Any) -> None:
    """Adds both commands."""
    command.add(commands, "list", _list, help="list the devices", description="Lists the devices.")
    parser = command.add(
        commands,
        "info",
        _info,
        help="show a device's settings, signals and registers",
        description="Opens a device and shows its settings, the signals of its channels, and its "
        "registers. Registers that cannot be read, or that reading clears, are shown as -.",
    )
    parser.add_argument(
        "uri",
        nargs="?",
        default="hwsim://daq0",
        metavar="URI",
        help="resource string, such as hwsim://daq0?latency=2ms (default: %(default)s)",
    )
    parser.add_argument(
        "--swig",
        choices=("proxies", "builtin"),
        nargs="?",
        const="proxies",
        help="show SWIG's flags for the binding kit instead, for Python classes or -builtin types",
    )


def _list(console: Console, arguments: argparse.Namespace) -> None:
    rows = [(name, uri, "yes" if in_use else "no") for name, uri, in_use in hwsim.list_devices()]
    console.print(table(("name", "uri", "in use"), rows))


def _info(console: Console, arguments: argparse.Namespace) -> None:
    if arguments.swig:
        flags = hwsim.get_swig_flags(builtin=arguments.swig == "builtin")
        print(shlex.join(flags))
        return
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
        console.print(table(("setting", "value"), list(settings.items())))
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
    return table(titles, rows)


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
    return table(("address", "register", "access", "value", "description"), rows)
