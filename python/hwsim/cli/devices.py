"""``hwsim list`` and ``hwsim info``: which devices there are, and what one of them is like."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from typing import Any

from rich.console import Console
from rich.table import Table

import hwsim
from hwsim import models
from hwsim.cli import command
from hwsim.cli.quantity import quantity
from hwsim.cli.table import table
from hwsim.errors import NotFound
from hwsim.models import Map, document

_FORMS = {"yaml": models.yaml_of, "c": models.c_header, "markdown": models.markdown}


def add_parsers(commands: Any) -> None:
    """Adds both commands."""
    command.add(commands, "list", _list, help="list the devices", description="Lists the devices.")
    parser = command.add(
        commands,
        "info",
        _info,
        help="show a device's settings, signals and registers, or the map of a model",
        description="Opens a device and shows its settings, the signals of its channels, and its "
        "registers. Registers that cannot be read, or that reading clears, are shown as -. Of a "
        "model it shows the map, and what its file says that a model cannot do.",
    )
    parser.add_argument(
        "uri",
        nargs="?",
        default="hwsim://daq0",
        metavar="URI|MODEL",
        help="resource string, such as hwsim://daq0?latency=2ms (default: %(default)s), or a "
        "model: FILE.svd, FILE.svd:PERIPHERAL, FILE.rdl, FILE.xml, FILE.yaml, package.module:Class",
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=sorted(_FORMS),
        help="write the map of a model in this form",
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
    offered = models.offered()
    if offered:
        console.print(table(("model", "where", "package"), offered))


def _info(console: Console, arguments: argparse.Namespace) -> None:
    if arguments.swig:
        flags = hwsim.get_swig_flags(builtin=arguments.swig == "builtin")
        print(shlex.join(flags))
        return
    if arguments.form or not arguments.uri.startswith("hwsim://"):
        _show_model(console, arguments)
        return
    with hwsim.open(arguments.uri) as device:
        settings = {
            "name": device.name,
            "latency": quantity(device.latency, "s"),
            "jitter": quantity(device.jitter, "s"),
            "bandwidth": quantity(device.bandwidth, "B/s"),
            "timeout": quantity(device.timeout, "s"),
            "clock": ":".join(filter(None, (device.clock, device.clock_name))),
            "rate": quantity(device.rate, "Hz"),
            "channels": str(device.channels),
            "seed": str(device.seed),
        }
        console.print(table(("setting", "value"), list(settings.items())))
        console.print(_signals(device))
        console.print(_registers(device))


def _show_model(console: Console, arguments: argparse.Namespace) -> None:
    with warnings.catch_warnings():  # they are shown below
        warnings.simplefilter("ignore", UserWarning)
        if arguments.uri.startswith("hwsim://"):
            with hwsim.open(arguments.uri) as device:
                entries = device.map
        else:
            try:
                entries = models.load(arguments.uri)
            except NotFound as error:
                raise NotFound(f"{error}; a resource string starts with hwsim://") from None
    if arguments.form:
        sys.stdout.write(_FORMS[arguments.form](entries))
        return
    console.print(f"{entries.name}: {entries.description or 'no description'}\n")
    console.print(f"analogue channels: {entries.channels}; byte order: {entries.byte_order}\n")
    console.print(_map_table(entries))
    if entries.memories:
        rows = [
            (f"0x{one.address:02X}", one.name, f"{one.words} x {one.bits}", one.access)
            for one in entries.memories.values()
        ]
        console.print(table(("address", "memory", "words", "access"), rows))
    for part in document.tables(entries):
        console.print(f"{part.title}:")
        console.print(table(part.headings, part.rows))
    for remark in entries.remarks:
        console.print(f"not modelled: {remark}")


def _map_table(entries: Map) -> Table:
    rows: list[tuple[str, ...]] = []
    for one in entries.registers.values():
        reset = f"0x{one.reset_value:0{one.bits // 4}X}"
        said = "; ".join(filter(None, (one.description, *document.notes(one))))
        rows.append((f"0x{one.address:02X}", one.name, one.access, reset, said))
        for field in sorted(one.fields, key=lambda each: -each.lsb):
            high = field.lsb + field.width - 1
            bits = f"{high}..{field.lsb}" if field.width > 1 else str(field.lsb)
            values = ", ".join(f"{each.value} {each.name}" for each in field.enum)
            values = ", ".join(filter(None, (values, document.allowed(field))))
            said = "; ".join(filter(None, (field.description, values)))
            rows.append((f"  {bits}", f"  {field.name}", field.access, "", said))
    return table(("address", "register", "access", "reset", "description"), rows)


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
                "-" if unread else f"0x{register.read():0{register.bits // 4}X}",
                register.description,
            )
        )
    return table(("address", "register", "access", "value", "description"), rows)
