"""Payloads of firmware from files: converted, or refused by name; and images of any buffer."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zipfile
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from hwsim import payload
from hwsim.firmware import build_image, check_image

HEX = b":0400000001020304F2\n:00000001FF\n"
HOLE = b":0200000001 02FB\n:02000800050 6EB\n:00000001FF\n".replace(b" ", b"")
SREC = b"S00600004844521B\nS107000001020304EE\nS9030000FC\n"
TI_TXT = b"@0010\n01 02 03 04\nq\n"


def elf(content: bytes, address: int = 0x08000000) -> bytes:
    """A 32-bit ELF file with one segment, and the section in it."""
    names = b"\0.text\0.shstrtab\0"
    at = 52 + 32
    table = at + len(content) + len(names)
    head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, address, 52, table, 0, 52, 32, 1, 40, 3, 2)
    head += struct.pack("<IIIIIIII", 1, at, address, address, len(content), len(content), 5, 4)
    sections = bytes(40)
    sections += struct.pack("<IIIIIIIIII", 1, 1, 6, address, at, len(content), 0, 0, 4, 0)
    sections += struct.pack("<IIIIIIIIII", 7, 3, 0, 0, at + len(content), len(names), 0, 0, 1, 0)
    return head + content + names + sections


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("firmware.bin", b"1234")
    return buffer.getvalue()


CONTAINERS = {
    "Intel HEX": (HEX, 0),
    "SREC": (SREC, 0),
    "TI-TXT": (TI_TXT, 0x10),
    "ELF": (elf(b"\1\2\3\4"), 0x08000000),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_container_is_converted(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("bincopy")
    path = tmp_path / "firmware.dat"  # its content decides
    content, address = CONTAINERS[kind]
    path.write_bytes(content)
    assert payload.read(path) == payload.Payload(b"\1\2\3\4", kind, address)


@pytest.mark.parametrize("content", [b"code", b"", b":", b"S1", b":-)", b"\0\1", b"@home\n"])
def test_other_bytes_are_the_payload(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "firmware.bin"
    path.write_bytes(content)
    assert payload.read(path) == payload.Payload(content, "binary")


def test_gap_is_refused_until_it_is_said_what_fills_it(tmp_path: Path) -> None:
    pytest.importorskip("bincopy")
    path = tmp_path / "a.hex"
    path.write_bytes(HOLE)
    with pytest.raises(ValueError, match=r"a\.hex .*lacks 6 of the bytes from 0x0 to 0x9; fill="):
        payload.read(path)
    filled = payload.read(path, fill=0xFF)
    assert filled == payload.Payload(b"\1\2" + b"\xff" * 6 + b"\5\6", "Intel HEX", 0, 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(), "is a zip archive: unpack it first"),
        (gzip.compress(b"code", mtime=0), "is gzip: unpack"),
        (b"UF2\n\x57\x51\x5d\x9e" + bytes(504), "is UF2: convert"),
        (b"DfuSe\1" + bytes(20), "is DFU"),
        (b"code" + struct.pack("<HHHH", 1, 2, 3, 0x100) + b"UFD\x10" + bytes(4), "is DFU"),
        (build_image(0x20000, b"code"), "is an image of hwsim already"),
        (HEX[:-12], "damaged Intel HEX: it is cut short"),
        (HEX.replace(b"F2", b"F3"), "damaged Intel HEX"),
        (SREC[:-12], "damaged SREC: it is cut short"),
        (elf(b"1234")[:60], "damaged ELF"),
        (b":00000001FF\n", "Intel HEX without a byte"),
        (b":020000040800F2\n:0100000001FE\n:020000040000FA\n:0100000002FD\n:00000001FF\n", "apart"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(
    content: bytes, message: str, tmp_path: Path
) -> None:
    pytest.importorskip("bincopy")
    path = tmp_path / "a.img"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.img is .*{message.removeprefix('is ')}"):
        payload.read(path)
    assert payload.read(path, raw=True).data == content


def test_without_bincopy_the_kind_and_the_command_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bincopy", None)
    path = tmp_path / "a.hex"
    path.write_bytes(HEX)
    with pytest.raises(ValueError, match=r"a\.hex is Intel HEX.*pip install 'hwsim\[firmware\]'"):
        payload.read(path)


@examples
@given(
    content=st.sampled_from([HEX, HOLE, SREC, TI_TXT, elf(b"1234")]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 4))),
)
def test_damaged_file_is_read_or_refused_by_name(
    content: bytes, changes: list[tuple[float, bytes, int]], tmp_path: Path
) -> None:
    pytest.importorskip("bincopy")
    for where, new, removed in changes:
        place = int(where * len(content))
        content = content[:place] + new + content[place + removed :]
    path = tmp_path / "a.hex"
    path.write_bytes(content)
    try:
        assert isinstance(payload.read(path, fill=0).data, bytes)
    except ValueError as error:
        assert str(path) in str(error)


# ------------------------------------------------------------------------------------------ images

WORDS = np.array([1, 2, 3], dtype="<i4")
BYTES = WORDS.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        WORDS,
        WORDS.data,
        array("i", [1, 2, 3]),
        WORDS.reshape(3, 1),
        np.repeat(WORDS, 2)[::2],
    ],
    ids=["array", "memoryview", "array module", "two dimensions", "strided"],
)
def test_image_counts_bytes_of_any_buffer(data: Any) -> None:
    assert build_image(7, data) == build_image(7, BYTES)
    assert check_image(build_image(7, data)) == 7


def test_size_is_that_of_the_bytes() -> None:
    with pytest.raises(ValueError, match="from 1 to 262144 bytes, got 262152"):
        build_image(7, np.zeros(32769))


def test_what_has_no_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match=r"payload must be bytes.* got str"):
        build_image(7, "text")  # type: ignore[arg-type]


def test_image_is_not_wrapped_again() -> None:
    with pytest.raises(ValueError, match="payload is an image already"):
        build_image(8, build_image(7, b"code"))
