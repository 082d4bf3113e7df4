"""The formats of recordings: how a file begins, and how it holds a block."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from hwsim.sidecar import Sidecar
from hwsim.stream import Block, SampleType


class Format:
    """A format, for the recording that a sidecar describes.

    Attributes:
        dtype: Of the samples, unless it is told otherwise.
        largest: Size that no file can exceed, in bytes.
        row_bytes: What a row takes at most.
        block_bytes: What a block takes besides its rows, at most.
    """

    dtype: ClassVar[SampleType]
    largest: ClassVar[int] = 2**62
    row_bytes: int
    block_bytes: int = 0

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._channels = len(sidecar.channels)

    def header(self, rows: int) -> bytes:
        """Returns how a file of so many rows begins; it has the same length for all numbers."""
        raise NotImplementedError

    def encode(self, block: Block) -> memoryview:
        """Returns a block as the file holds it."""
        raise NotImplementedError

    def measure(self, file: BinaryIO) -> tuple[int, int]:
        """Returns how many rows a file has, and where they end.

        What may follow is a block whose writing was cut short.

        Raises:
            ValueError: The file does not begin as one of this recording does.
        """
        raise NotImplementedError

    def _check(self, start: bytes, rows: int) -> None:
        """Raises ValueError if a file that begins so is none of so many rows."""
        if start != self.header(rows):
            raise ValueError("it does not begin as the recording would")


class _Npy(Format):
    dtype: ClassVar[SampleType] = "float32"

    def __init__(self, sidecar: Sidecar) -> None:
        super().__init__(sidecar)
        self._dtype = np.dtype(sidecar.dtype)
        self.row_bytes = self._channels * self._dtype.itemsize

    def header(self, rows: int) -> bytes:
        # NumPy leaves room for the first dimension to grow, so the length stays.
        buffer = io.BytesIO()
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (rows, self._channels),
        }
        np.lib.format.write_array_header_1_0(buffer, header)
        return buffer.getvalue()

    def encode(self, block: Block) -> memoryview:
        return block.data.data.cast("B")

    def measure(self, file: BinaryIO) -> tuple[int, int]:
        start = file.read(len(self.header(0)))
        buffer = io.BytesIO(start)
        np.lib.format.read_magic(buffer)
        shape, _, _ = np.lib.format.read_array_header_1_0(buffer)
        rows = shape[0] if shape else 0
        self._check(start, rows)
        return rows, len(start) + rows * self.row_bytes


class _Wav(Format):
    dtype: ClassVar[SampleType] = "int16"
    largest: ClassVar[int] = 2**32 - 64  # its sizes have 32 bits

    def __init__(self, sidecar: Sidecar) -> None:
        super().__init__(sidecar)
        if not float(sidecar.rate_hz).is_integer():
            raise ValueError(
                f"the rate of a WAV file must be a whole number of hertz, got {sidecar.rate_hz}"
            )
        self._rate = int(sidecar.rate_hz)
        self.row_bytes = 2 * self._channels
        if self._rate * self.row_bytes >= 2**32 or self._channels >= 2**16:
            raise ValueError(
                f"a WAV file takes less than 4 GiB a second, got {sidecar.rate_hz:g} Hz, "
                f"{self._channels} channels; record to .npy"
            )

    def header(self, rows: int) -> bytes:
        size, row = rows * self.row_bytes, self.row_bytes
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", 36 + size, b"WAVE"),
            *(b"fmt ", 16, 1, self._channels, self._rate, self._rate * row, row, 16),
            *(b"data", size),
        )

    def encode(self, block: Block) -> memoryview:
        return block.data.data.cast("B")

    def measure(self, file: BinaryIO) -> tuple[int, int]:
        start = file.read(44).ljust(44, b"\0")
        rows = int.from_bytes(start[40:44], "little") // self.row_bytes
        self._check(start, rows)
        return rows, len(start) + rows * self.row_bytes


class _Csv(Format):
    dtype: ClassVar[SampleType] = "float64"

    def __init__(self, sidecar: Sidecar) -> None:
        super().__init__(sidecar)
        self.row_bytes = 17 * self._channels  # "-1.23456789e-308" and what follows it
        self.block_bytes = 64  # the comment on a gap

    def header(self, rows: int) -> bytes:
        headings = ",".join(f"channel {channel} (V)" for channel in self._sidecar.channels)
        return f"# {self._sidecar.device}, {self._sidecar.rate_hz:.12g} Hz\n{headings}\n".encode()

    def encode(self, block: Block) -> memoryview:
        buffer = io.BytesIO()
        if block.lost:
            buffer.write(f"# {block.lost} samples are missing here\n".encode())
        np.savetxt(buffer, block.data, fmt="%.9g", delimiter=",")
        return buffer.getbuffer()

    def measure(self, file: BinaryIO) -> tuple[int, int]:
        start = file.read(len(self.header(0)))
        self._check(start, 0)
        rows, end = 0, len(start)
        for line in file:
            if not line.endswith(b"\n"):
                break
            rows, end = rows + (not line.startswith(b"#")), end + len(line)
        return rows, end


FORMATS: dict[str, type[Format]] = {".npy": _Npy, ".wav": _Wav, ".csv": _Csv}


def format_of(path: Path) -> type[Format]:
    """Returns the format that the suffix of a path says.

    Raises:
        ValueError: There is no such format.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise ValueError(f"a recording must be one of {', '.join(FORMATS)}, got {str(path)!r}")
    return found
