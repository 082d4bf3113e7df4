"""Firmware images."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from hwsim import _kinds, _native
from hwsim.arguments import UINT32_MAX, check_buffer, integer
from hwsim.payload import IMAGE

if TYPE_CHECKING:
    import numpy.typing as npt

LARGEST = _kinds.FIRMWARE_LARGEST  # bytes of payload


def build_image(version: int, payload: bytes | bytearray | memoryview | npt.NDArray[Any]) -> bytes:
    """Returns the image that :meth:`hwsim.Device.program_firmware` takes.

    A header of 32 bytes, little-endian (see ``hwsim.h``), and the payload.

    Args:
        version: major << 16 | minor.
        payload: 1 to 262144 bytes: anything that has a buffer, of elements of any size.
            :func:`hwsim.payload.read` reads it from Intel HEX and other files.

    Raises:
        TypeError: The payload has no bytes.
        ValueError: The version does not fit into 32 bits, the payload is too short or long, or it
            is an image already.
    """
    version = integer("version", version, 0, UINT32_MAX)
    try:
        data = memoryview(cast(Any, payload)).tobytes()
    except TypeError:
        raise TypeError(
            f"payload must be bytes, or have a buffer, got {type(payload).__name__}"
        ) from None
    if data.startswith(IMAGE):
        raise ValueError("payload is an image already: program it as it is")
    if not 1 <= len(data) <= LARGEST:
        raise ValueError(f"payload must have from 1 to {LARGEST} bytes, got {len(data)}")
    start = IMAGE + struct.pack("<III", version, len(data), crc32(data))
    return start + struct.pack("<IQ", crc32(start), 0) + data


def check_image(image: bytes | bytearray | memoryview) -> int:
    """Checks an image and returns its version.

    Raises:
        FirmwareError: What is wrong with it.
        TypeError: It has no bytes.
    """
    check_buffer("image", image)
    return _native.check_firmware(image)
