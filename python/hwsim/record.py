"""Recordings: a stream into a file, in memory that does not grow, however long it runs."""

from __future__ import annotations

import math
import os
import wave
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self

import numpy as np

from hwsim.cancel import CancelToken
from hwsim.device import Device
from hwsim.figure import Envelope, new_figure
from hwsim.stream import Block, SampleType, Stream

GAPS_KEPT = 5  # enough to say where; a recording that never keeps up would have millions


@dataclass
class Recording:
    """What has been recorded so far.

    Attributes:
        samples: Samples of each channel in the file.
        lost: Samples of each channel that are missing from it because they were not read in time.
        gap_count: At how many places samples are missing.
        gaps: The first few of these places: the row of the file before which samples are missing,
            and how many.
    """

    samples: int = 0
    lost: int = 0
    gap_count: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Counts a block that has been written."""
        if block.lost:
            self.lost += block.lost
            self.gap_count += 1
            if len(self.gaps) < GAPS_KEPT:
                self.gaps.append((self.samples, block.lost))
        self.samples += len(block)


def record(
    device: Device,
    path: str | os.PathLike[str],
    *,
    seconds: float,
    rate_hz: float | None = None,
    channels: Sequence[int] = (0,),
    dtype: SampleType | None = None,
    plot: str | os.PathLike[str] | None = None,
    on_block: Callable[[Recording], None] | None = None,
    cancel: CancelToken | None = None,
) -> Recording:
    """Records channels of a device to a file. Blocks; Ctrl-C or an error leave a valid file.

    Samples that cannot be written in time are skipped and counted; the file continues after the
    gap. In a CSV file, and only there, a comment marks the place.

    Args:
        device: Any but one with a manual clock.
        path: The suffix decides: ``.npy`` (an array of shape ``(samples, channels)``), ``.wav``
            (int16, full scale is the range of the converter) or ``.csv`` (volts, a column for each
            channel under a line of headings). An existing file is replaced. Device.set_signal()
            plays all of them, a WAV file with the range as ``amplitude``.
        seconds: How long, in the device's time; ``math.inf``: until Ctrl-C or another exception.
        rate_hz: Samples a second of each channel; None: the device's.
        channels: Which ones, each once at most.
        dtype: Of an ``.npy`` file: ``"int16"`` codes, or ``"float32"`` (default) or ``"float64"``
            volts.
        plot: Also draw the recording to this file, as the range of values in each short stretch of
            time. Needs matplotlib: ``pip install 'hwsim[plot]'``.
        on_block: Called after each block with what has been recorded so far.
        cancel: A token that ends the recording, between two blocks.

    Returns:
        What has been recorded.

    Raises:
        ValueError: A value is bad, or matplotlib is missing; nothing has been recorded.
        OSError: The file cannot be written.
        HwsimError: The device failed.
    """
    path = Path(path)
    writer = _FORMATS.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f"a recording must be one of {', '.join(_FORMATS)}, got {str(path)!r}")
    if dtype is not None and writer is not _Npy:
        raise ValueError(f"a {path.suffix} file holds {writer.dtype}; only .npy has another dtype")
    if device.clock == "manual":
        raise ValueError("a manual clock stands still: there would be nothing to record")
    rate_hz = device.rate if rate_hz is None else rate_hz
    total = samples_in(seconds, rate_hz)
    figure = None if plot is None else new_figure(plot, 10, 1 + 2 * len(channels))
    block = max(1, min(int(rate_hz / 10), 2**18 // max(1, len(channels))))
    recording = Recording()
    with ExitStack() as stack:
        stream = stack.enter_context(
            device.stream(
                rate_hz,
                channels=channels,
                block=block,
                total=total,
                overrun="skip",
                dtype=dtype or writer.dtype,
            )
        )
        file = stack.enter_context(writer(path, stream, total))
        envelope = Envelope(len(channels))
        if figure is not None and plot is not None:
            stack.callback(_draw, figure, plot, envelope, stream)
        out: Any = np.empty((block, len(channels)), dtype=stream.dtype)
        while len(samples := stream.read(out=out, cancel=cancel)):
            file.write(samples)
            recording.add(samples)
            if figure is not None:
                envelope.add(samples.first_index, samples.volts())
            if on_block:
                on_block(recording)
    return recording


def samples_in(seconds: float, rate_hz: float) -> int | None:
    """Returns how many samples of each channel a recording has; None: it does not end.

    Raises:
        ValueError: There is no such number.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be more than 0, got {seconds:g}")
    if not math.isfinite(rate_hz):
        raise ValueError(f"rate must be a number of hertz, got {rate_hz:g}")
    # More than the library takes is for it to refuse: by then it has looked at the rate.
    most = 2**64 - 1
    return None if seconds == math.inf else max(1, min(round(seconds * rate_hz), most))


# ------------------------------------------------------------------------------------------- files


class _File:
    """A file that is valid once closed, with the blocks that had been written completely."""

    dtype: ClassVar[SampleType]

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._end: int | None = None  # what follows was left by an interrupted write

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._file:
            self._file.truncate(self._end)
            self._complete()

    def write(self, block: Block) -> None:
        """Appends a block."""
        raise NotImplementedError

    def _complete(self) -> None:
        pass


class _Npy(_File):
    dtype: ClassVar[SampleType] = "float32"

    def __init__(self, path: Path, stream: Stream, total: int | None) -> None:
        super().__init__(path)
        self._dtype, self._channels, self._rows = stream.dtype, len(stream.channels), 0
        self._write_header()
        self._end = self._file.tell()

    def write(self, block: Block) -> None:
        self._file.write(block.data.data)
        self._end, self._rows = self._file.tell(), self._rows + len(block)

    def _complete(self) -> None:
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        """Its length is always the same: NumPy leaves room for the first dimension to grow."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, self._channels),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


class _Csv(_File):
    dtype: ClassVar[SampleType] = "float64"

    def __init__(self, path: Path, stream: Stream, total: int | None) -> None:
        super().__init__(path)
        headings = ",".join(f"channel {channel} (V)" for channel in stream.channels)
        text = f"# {stream.device.name}, {stream.rate_hz:.12g} Hz\n{headings}\n"
        self._file.write(text.encode())
        self._end = self._file.tell()

    def write(self, block: Block) -> None:
        if block.lost:
            self._file.write(f"# {block.lost} samples are missing here\n".encode())
        np.savetxt(self._file, block.data, fmt="%.9g", delimiter=",")
        self._end = self._file.tell()


class _Wav(_File):
    dtype: ClassVar[SampleType] = "int16"

    def __init__(self, path: Path, stream: Stream, total: int | None) -> None:
        rate, channels = stream.rate_hz, len(stream.channels)
        if not rate.is_integer():
            raise ValueError(f"the rate of a WAV file must be a whole number of hertz, got {rate}")
        self._room = (2**32 - 64) // (2 * channels)  # its sizes have 32 bits
        if total is not None and total > self._room:
            raise ValueError(f"a WAV file ends at 4 GiB, here {self._room} samples; record to .npy")
        super().__init__(path)
        self._wave = wave.Wave_write(self._file)
        self._wave.setparams((channels, 2, int(rate), 0, "NONE", ""))

    def write(self, block: Block) -> None:
        self._room -= len(block)
        if self._room < 0:
            raise OSError("a WAV file ends at 4 GiB; record to .npy")
        self._wave.writeframesraw(block.data.data)

    def _complete(self) -> None:
        self._wave.close()  # completes the header


_FORMATS: dict[str, type[_Npy | _Csv | _Wav]] = {".npy": _Npy, ".wav": _Wav, ".csv": _Csv}


# -------------------------------------------------------------------------------------------- plot


def _draw(figure: Any, path: str | os.PathLike[str], envelope: Envelope, stream: Stream) -> None:
    seconds = np.arange(len(envelope.lowest)) * (envelope.length / stream.rate_hz)
    lowest = np.where(np.isfinite(envelope.lowest), envelope.lowest, np.nan)
    highest = np.where(np.isfinite(envelope.highest), envelope.highest, np.nan)
    rows = figure.subplots(len(stream.channels), sharex=True, squeeze=False)[:, 0]
    for i, axes in enumerate(rows):
        axes.fill_between(seconds, lowest[:, i], highest[:, i], linewidth=0.8, edgecolor="C0")
        axes.set_ylabel(f"channel {stream.channels[i]} (V)")
        axes.grid(alpha=0.3)
    rows[0].set_title(f"{stream.device.name}, {stream.rate_hz:,.10g} Hz")
    rows[-1].set_xlabel("time (s)")
    figure.savefig(path, dpi=120)
