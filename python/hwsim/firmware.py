"""Firmware images."""

from __future__ import annotations

import struct
from zlib import crc32

from hwsim import _native
from hwsim.arguments import UINT32_MAX, integer

MAGIC = b"HWSIMFW1"
LARGEST = 2**18  # bytes of payload, as HWSIM_FIRMWARE_LARGEST in hwsim.h


def build_image(version: int, payload: bytes) -> bytes:
    """Returns the image that :meth:`hwsim.Device.program_firmware` takes.

    A header of 32 bytes, little-endian (see ``hwsim.h``), and the payload.

    Args:
        version: major << 16 | minor.
        payload: 1 to 262144 bytes.

    Raises:
        ValueError: The version does not fit into 32 bits, or the payload is too short or long.
    """
    version = integer("version", version, 0, UINT32_MAX)
    if not 1 <= len(payload) <= LARGEST:
        raise ValueError(f"payload must have from 1 to {LARGEST} bytes, got {len(payload)}")
    start = MAGIC + struct.pack("<III", version, len(payload), crc32(payload))
    return start + struct.pack("<IQ", crc32(start), 0) + payload


def check_image(image: bytes | bytearray | memoryview) -> int:
    """Checks an image and returns its version.

    Raises:
        FirmwareError: What is wrong with it.
    """
    return _native.check_firmware(image)
