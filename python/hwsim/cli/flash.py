"""``hwsim flash``: programs a firmware image."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from hwsim import firmware, payload
from hwsim.cli import command
from hwsim.cli.bar import bar
from hwsim.cli.quantity import quantity
from hwsim.cli.table import table
from hwsim.device import Device


def add_parser(commands: Any) -> None:
    """Adds ``hwsim flash``."""
    parser = command.add(
        commands,
        "flash",
        _run,
        help="program a firmware image",
        description="Programs a firmware image, and shows the version before and after. Whatever "
        "ends it early, Ctrl-C for example, the old firmware keeps running. As a simulated device "
        "lives in one process, the next command finds it with its factory firmware again.",
    )
    parser.add_argument("uri", metavar="URI", help="resource string, such as hwsim://daq0")
    parser.add_argument(
        "image",
        type=command.path,
        metavar="IMAGE",
        help="file made by hwsim.firmware.build_image()",
    )
    parser.add_argument(
        "--build",
        type=_version,
        metavar="VERSION",
        help="make the image: IMAGE holds only its payload, as plain bytes, Intel HEX, SREC, "
        "TI-TXT or ELF; VERSION is MAJOR.MINOR",
    )
    parser.add_argument(
        "--fill",
        type=_byte,
        metavar="BYTE",
        help="with --build: for addresses that a HEX, SREC or ELF file does not hold, such as 0xFF",
    )
    parser.add_argument(
        "--raw", action="store_true", help="with --build: take the bytes of the file as they are"
    )
    parser.add_argument(
        "--no-verify", action="store_true", help="do not read each page back after writing it"
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=3,
        metavar="N",
        help="how often a page that differs is written again, 0 to 100 (default: %(default)s)",
    )


def _byte(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 255:
        raise argparse.ArgumentTypeError(f"must be from 0 to 255, such as 0xFF, got {text!r}")
    return value


def _version(text: str) -> int:
    parts = text.split(".")
    if len(parts) == 2 and all(part.isdecimal() and int(part) < 2**16 for part in parts):
        return int(parts[0]) << 16 | int(parts[1])
    raise argparse.ArgumentTypeError(f"must be MAJOR.MINOR, each from 0 to 65535, got {text!r}")


def _version_text(version: int) -> str:
    return f"{version >> 16}.{version & 0xFFFF}"


def _image(console: Console, arguments: argparse.Namespace) -> bytes:
    """Returns the image, made of a payload if asked for."""
    path, version = arguments.image, arguments.build
    if version is None:
        if arguments.raw or arguments.fill is not None:
            raise ValueError("--raw and --fill need --build")
        with path.open("rb") as file:
            image: bytes = file.read(payload.LARGEST)
        kind, _ = payload.kind_of(image)
        if kind != "binary" and not image.startswith(payload.IMAGE):
            raise ValueError(f"{path} is {kind}, not an image; --build VERSION makes one of it")
        return image
    found = payload.read(path, fill=arguments.fill, raw=arguments.raw)
    if found.kind != "binary":
        filled = f", {found.filled:,} of them filled with 0x{arguments.fill or 0:02x}"
        console.print(
            f"{path.name}: {found.kind}, {len(found.data):,} bytes from 0x{found.address:x}"
            + filled * bool(found.filled),
            soft_wrap=True,
        )
    return firmware.build_image(version, found.data)


def _run(console: Console, arguments: argparse.Namespace) -> None:
    image, name = _image(console, arguments), arguments.image.name
    firmware.check_image(image)
    with Device(arguments.uri) as device:
        if device.clock == "manual":
            raise ValueError("a manual clock stands still: the update would never end")
        before, transactions, start = device.firmware_version, device.transactions, device.now
        try:
            with bar(console, name, stopped=f"{name}: stopped") as progress:
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
        console.print(table(("flash", ""), rows))
