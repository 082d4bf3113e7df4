"""Signals: what a channel can be connected to, and recorded data from arrays and files."""

from __future__ import annotations

import os
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwsim import _kinds
from hwsim.arguments import integer

if TYPE_CHECKING:
    from pathlib import Path

Waveform = _kinds.Waveform
WAVEFORMS = _kinds.WAVEFORMS
GENERATED: dict[str, Waveform] = {name: name for name in WAVEFORMS if "table" not in name}
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """What is connected to a channel, and how its converter measures it. See ``hwsim.h``.

    Attributes:
        waveform: One of ``dc``, ``sine``, ``square``, ``triangle``, ``table``, ``table_once``.
        amplitude: Peak, in volts; the factor of a table.
        offset: In volts.
        frequency: In hertz.
        phase: In turns, at the first sample.
        noise: RMS, in volts.
        gain_error: Relative.
        offset_error: In volts.
        inl: The largest deviation from the straight line, in codes (LSB).
        range: Full scale of the converter, in volts, both ways.
    """

    waveform: Waveform
    amplitude: float
    offset: float
    frequency: float
    phase: float
    noise: float
    gain_error: float
    offset_error: float
    inl: float
    range: float


def load(source: npt.ArrayLike | str | os.PathLike[str], column: int = 0) -> Samples:
    """Returns the samples of an array or a file as a contiguous array of float64.

    Args:
        source: One-dimensional numbers, or the path of a ``.wav`` (PCM; full scale becomes 1.0),
            ``.csv`` (comma-separated numbers; lines that start with ``#`` and one line of headings
            are skipped) or ``.npy`` file.
        column: Which column of two-dimensional data, or channel of a WAV file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is another kind of file, the data are not numbers, or there is no such
            column.
    """
    if isinstance(source, (str, os.PathLike)):
        # Imported here: pathlib is the slowest import that the package would need besides NumPy.
        from pathlib import Path  # noqa: PLC0415

        path = Path(source)
        name = str(path)
        readers = {".wav": _read_wav, ".csv": _read_csv, ".npy": _read_npy}
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise ValueError(f"a signal file must be one of {', '.join(readers)}, got {name!r}")
        data: Any = reader(path)
    else:
        name, data = "the array", source
    array = np.asarray(data)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must have one or two dimensions, got shape {array.shape}")
    columns = array.reshape(len(array), -1) if len(array) else array.reshape(0, 1)
    if not 0 <= integer("column", column, -(2**63), 2**63) < columns.shape[1]:
        highest = columns.shape[1] - 1
        raise ValueError(f"column must be from 0 to {highest} for {name}, got {column}")
    return np.ascontiguousarray(columns[:, column], dtype=np.float64)


def _read_npy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path} is not an NPY file of numbers: {error}") from None


def _read_csv(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if line.strip() and not line.startswith("#")]
    try:
        [float(cell) for cell in lines[0].split(",")]
    except (IndexError, ValueError):
        del lines[:1]
    if not lines:
        raise ValueError(f"{path} holds no numbers")
    try:
        return np.loadtxt(lines, delimiter=",", ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of comma-separated numbers: {error}") from None


def _read_wav(path: Path) -> Any:
    try:
        with wave.open(str(path), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a PCM WAV file: {error}") from None
    raw = np.frombuffer(data, dtype=np.uint8).reshape(-1, width)
    if width == 1:  # unsigned, by the format's definition
        return (raw.astype(np.float64).reshape(-1, channels) - 128) / 128
    # Little-endian of any width: put the bytes at the top of 32 bits.
    wide = np.zeros((len(raw), 4), dtype=np.uint8)
    wide[:, 4 - width :] = raw
    return wide.view("<i4").reshape(-1, channels) / 2.0**31
