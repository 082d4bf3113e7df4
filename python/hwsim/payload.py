"""Files that hold firmware: plain bytes, or bytes in a container that says where they belong."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import Any

from hwsim import _kinds
from hwsim.arguments import integer

LARGEST = 2**26  # bytes of a file that are read; text takes several for each of the payload's
IMAGE = _kinds.FIRMWARE_MAGIC
_SPAN = 2**22  # bytes between the lowest and the highest address; no image can have more

_UNPACK = "unpack it first"
# How a file begins, what it is, and what to do with it.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (IMAGE, "an image of hwsim already", "program it as it is, without building"),
    (b"\x7fELF", "ELF", ""),
    (b"UF2\n\x57\x51\x5d\x9e", "UF2", "convert it to Intel HEX or a binary file first"),
    (b"DfuSe", "DFU", "extract its binary with dfu-tool or dfuse-pack first"),
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"PK\x05\x06", "an empty zip archive", _UNPACK),
    (b"\x1f\x8b", "gzip", _UNPACK),
    (b"BZh", "bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd", _UNPACK),
    (b"\x04\x22\x4d\x18", "lz4", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (b"!<arch>\n", "a library of object files", "link it first"),
    (b"<?xml", "XML", "it holds no bytes to program"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file with git lfs pull"),
)
_IHEX = re.compile(rb":[0-9A-Fa-f]{10,}\s*(\r?\n|\r|$)")
_SREC = re.compile(rb"S[0-9][0-9A-Fa-f]{6,}\s*(\r?\n|\r|$)")
_TI_TXT = re.compile(rb"@[0-9A-Fa-f]{1,8}\s*\r?\n\s*[0-9A-Fa-f]{2}[\s0-9A-Fa-f]")
_ENDS = {
    "Intel HEX": re.compile(rb":[0-9A-Fa-f]{6}01[0-9A-Fa-f]{2}\s*$"),
    "SREC": re.compile(rb"(^|[\r\n])S[789][0-9A-Fa-f]+\s*$"),
    "TI-TXT": re.compile(rb"[qQ]\s*$"),
}


@dataclass(frozen=True)
class Payload:
    """What a file holds.

    Attributes:
        data: The bytes to program.
        kind: Of the file: ``"binary"``, ``"Intel HEX"``, ``"SREC"``, ``"TI-TXT"`` or ``"ELF"``.
        address: Of the first byte, where the file says so.
        filled: How many bytes between its parts the file does not hold.
    """

    data: bytes
    kind: str
    address: int = 0
    filled: int = 0


def kind_of(data: bytes) -> tuple[str, str]:
    """Returns what a file is, and what to do before it can be programmed; "": nothing."""
    for start, kind, advice in _KINDS:
        if data.startswith(start):
            return kind, advice
    if data[-8:-5] == b"UFD" and data[-5] >= 16:
        return "DFU", "remove its suffix with dfu-suffix --delete first"
    if data[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    text = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, kind in ((_IHEX, "Intel HEX"), (_SREC, "SREC"), (_TI_TXT, "TI-TXT")):
        if pattern.match(text):
            return kind, ""
    return "binary", ""


def read(path: str | os.PathLike[str], *, fill: int | None = None, raw: bool = False) -> Payload:
    """Reads the payload of an image from a file: binary, Intel HEX, SREC, TI-TXT or ELF.

    Args:
        path: Of the file. What it is follows from its content, not from its name.
        fill: The byte for addresses between the first and the last that the file does not hold,
            0 to 255; None: such a file is refused.
        raw: Takes the bytes as they are, whatever they look like.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is a container that cannot be converted, such as zip, DFU or an image; it is
            damaged, or has gaps and no ``fill``; or bincopy is missing
            (``pip install 'hwsim[firmware]'``). The error names the file.

    **Thread safety:** may be called from any thread; holds the GIL.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{name} is larger than {LARGEST} bytes")
    kind, advice = ("binary", "") if raw else kind_of(data)
    if advice:
        raise ValueError(f"{name} is {kind}: {advice} (raw=True takes its bytes as they are)")
    if kind == "binary":
        return Payload(data, kind)
    return _convert(name, kind, data, None if fill is None else integer("fill", fill, 0, 255))


def _convert(name: str, kind: str, data: bytes, fill: int | None) -> Payload:
    try:
        import bincopy  # noqa: PLC0415
    except ImportError:
        raise ValueError(
            f"{name} is {kind}, which needs bincopy: pip install 'hwsim[firmware]'"
        ) from None
    try:
        parts = _parts(bincopy.BinFile(), kind, data)
    except Exception as error:  # bincopy's own, pyelftools', and what hostile numbers lead to
        reason = str(error) or type(error).__name__
        raise ValueError(f"{name} is damaged {kind}: {reason:.200}") from None
    if not parts:
        raise ValueError(f"{name} is {kind} without a byte to program")
    address = parts[0][0]
    end = max(start + len(part) for start, part in parts)
    missing = end - address - sum(len(part) for _, part in parts)
    where = f"from 0x{address:x} to 0x{end - 1:x}"
    if end - address > _SPAN:
        raise ValueError(
            f"{name} is {kind} with parts {where}, {end - address:,} bytes apart: too much for an "
            "image; extract one of its parts first"
        )
    if missing and fill is None:
        raise ValueError(
            f"{name} is {kind} that lacks {missing:,} of the bytes {where}; fill= (--fill 0xFF) "
            "says what they are"
        )
    whole = bytearray([fill or 0]) * (end - address)
    for start, part in parts:
        whole[start - address : start - address + len(part)] = part
    return Payload(bytes(whole), kind, address, missing)


def _parts(file: Any, kind: str, data: bytes) -> list[tuple[int, bytes]]:
    """Returns the parts of a container, with their addresses, in their order."""
    if kind == "ELF":
        if len(data) >= 20 and struct.unpack_from("<B", data, 5)[0] not in (1, 2):
            raise ValueError("it has no byte order")
        file.add_elf(data)
    else:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("ascii")
        if not _ENDS[kind].search(data.rstrip(b"\x00\x1a \t\r\n")):
            raise ValueError("it is cut short: the record that ends it is missing")
        add = {"Intel HEX": file.add_ihex, "SREC": file.add_srec, "TI-TXT": file.add_ti_txt}[kind]
        add(text.rstrip("\x00\x1a"))
    return sorted((part.minimum_address, bytes(part.data)) for part in file.segments)
