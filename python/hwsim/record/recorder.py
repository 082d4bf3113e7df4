"""The recorder: reads a stream to its end, whatever happens meanwhile, and writes it to files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from hwsim._kinds import STREAM_LARGEST_INDEX
from hwsim.calibration import CODES
from hwsim.cancel import CancelToken
from hwsim.device import Device
from hwsim.errors import DeviceDisconnected, DeviceTimeout
from hwsim.figure import Envelope, new_figure
from hwsim.record.files import Files, IfExists
from hwsim.sidecar import Sidecar
from hwsim.stream import Block, SampleType, Stream

GAPS_KEPT = 5  # enough to say where; the sidecar has more
RETRY_S = 0.1  # of the device's clock: so often a device that is gone is tried again


@dataclass
class Recording:
    """What has been recorded so far.

    Attributes:
        samples: Samples of each channel that have been written.
        lost: Samples of each channel that are missing because they were not read in time, or
            because the device was gone.
        gap_count: At how many places samples are missing.
        gaps: The first few of these places: the row of the recording before which samples are
            missing, and how many.
        start: When the first sample was taken, by the computer's clock; None: there is none yet.
        start_s: The same in seconds of the device's clock.
        paths: The files, in the order of their times.
        disconnects: How often the device was gone.
    """

    samples: int = 0
    lost: int = 0
    gap_count: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    start: datetime | None = field(default=None, compare=False)
    start_s: float = field(default=math.nan, compare=False)
    paths: list[Path] = field(default_factory=list, compare=False)
    disconnects: int = field(default=0, compare=False)

    def add(self, block: Block) -> None:
        """Counts a block that has been written."""
        self.miss(block.lost)
        self.samples += len(block)

    def miss(self, lost: int) -> None:
        """Counts samples that are missing here."""
        if lost:
            self.lost += lost
            self.gap_count += 1
            if len(self.gaps) < GAPS_KEPT:
                self.gaps.append((self.samples, lost))


def record(
    device: Device,
    path: str | os.PathLike[str],
    *,
    seconds: float,
    rate_hz: float | None = None,
    channels: Sequence[int] = (0,),
    dtype: SampleType | None = None,
    if_exists: IfExists = "error",
    part_bytes: int | None = None,
    reconnect: bool = False,
    plot: str | os.PathLike[str] | None = None,
    on_block: Callable[[Recording], None] | None = None,
    cancel: CancelToken | None = None,
) -> Recording:
    """Records channels of a device to a file. Blocks; whatever ends it leaves a valid file.

    Samples that cannot be written in time are skipped and counted; the file continues after the
    gap. In a CSV file a comment marks the place. Beside the file, ``NAME.json`` says what the
    samples are, when they were taken, and where some are missing; see
    :class:`hwsim.sidecar.Sidecar`.

    Args:
        device: Any but one with a manual clock.
        path: The suffix decides: ``.npy`` (an array of shape ``(samples, channels)``), ``.wav``
            (int16, full scale is the range of the converter) or ``.csv`` (volts, a column for each
            channel under a line of headings). Device.set_signal() plays all of them.
        seconds: How long, in the device's time; ``math.inf``: until Ctrl-C or another exception.
        rate_hz: Samples a second of each channel; None: the device's.
        channels: Which ones, each once at most.
        dtype: Of an ``.npy`` file: ``"int16"`` codes, or ``"float32"`` (default) or ``"float64"``
            volts.
        if_exists: What to do with a file of this name: ``"error"`` refuses it, ``"overwrite"``
            replaces it, ``"append"`` continues it with the next sample, if it is a recording of the
            same device in the same way; ``"number"`` records to ``NAME-0001.npy``, or the first
            number after those that are there.
        part_bytes: Begin a new file, numbered as above, before one would be larger.
        reconnect: When the device is disconnected, wait until it is back, and continue after the
            gap; otherwise DeviceDisconnected ends the recording.
        plot: Also draw the recording to this file, as the range of values in each short stretch of
            time. Needs matplotlib: ``pip install 'hwsim[plot]'``.
        on_block: Called after each block with what has been recorded so far.
        cancel: A token that ends the recording, between two blocks.

    Returns:
        What has been recorded.

    Raises:
        ValueError: A value is bad, or matplotlib is missing; nothing has been recorded.
        FileExistsError: There is such a file already; nothing has been recorded.
        OSError: The file cannot be written, such as when the disk is full. It holds the blocks
            before that; the error says how many samples they are.
        OperationCancelled: ``cancel``, or another thread by Device.cancel().
        HwsimError: The device failed.

    **Thread safety:** may be called in any thread, also several times at once for one device.
    """
    path = Path(path)
    files = Files(path, if_exists, part_bytes)
    if dtype is not None and files.layout.dtype != "float32":
        raise ValueError(
            f"a {path.suffix} file holds {files.layout.dtype}; only .npy has another dtype"
        )
    if device.clock == "manual":
        raise ValueError("a manual clock stands still: there would be nothing to record")
    rate_hz = device.rate if rate_hz is None else rate_hz
    total = samples_in(seconds, rate_hz)
    before = files.existing()
    height = 1 + 2 * len(channels)
    overwrite = if_exists == "overwrite"
    figure = None if plot is None else new_figure(plot, 10, height, overwrite=overwrite)
    recording = Recording(paths=files.paths)
    with ExitStack() as stack:
        stream = stack.enter_context(
            device.stream(
                rate_hz,
                channels=channels,
                block=max(1, min(int(rate_hz / 10), 2**18 // max(1, len(channels)))),
                total=total,
                overrun="skip",
                dtype=dtype or (before.dtype if before else files.layout.dtype),
                first_index=before.next_index if before else 0,
            )
        )
        clock = _WallClock(stream)
        what = _continued(before, _describe(stream, clock), path)
        stream.block = files.rows_in_block(what, stream.block)
        files.check_total(what, total)
        files.open(what)
        stack.enter_context(files)
        envelope = Envelope(len(channels))
        if figure is not None and plot is not None:
            stack.callback(_draw, figure, plot, envelope, stream)
        end_s = math.inf if total is None else stream.start_s + total / stream.rate_hz
        for samples in _blocks(stream, end_s, recording, reconnect=reconnect, cancel=cancel):
            files.write(samples, clock.at(samples.time_s).isoformat())
            if recording.start is None:
                recording.start = clock.at(samples.time_s)
                recording.start_s = samples.time_s
            recording.add(samples)
            if figure is not None:
                envelope.add(samples.first_index - stream.first_index, samples.volts())
            if on_block:
                on_block(recording)
        if total is not None and (rest := total - recording.samples - recording.lost):
            files.miss(rest)  # the device has not come back
            recording.miss(rest)
    return recording


def _blocks(
    stream: Stream,
    end_s: float,
    recording: Recording,
    *,
    reconnect: bool,
    cancel: CancelToken | None,
) -> Iterator[Block]:
    """Reads the stream to its end; with ``reconnect``, also over times without a device.

    A device that is gone at the end of the recording has its timeout to come back.
    """
    device: Device = stream.device
    out: Any = np.empty((stream.block, len(stream.channels)), dtype=stream.dtype)
    with ExitStack() as stack:
        if reconnect:
            events = stack.enter_context(device.events(kinds=["reconnect"], queue=1))
        gone = False
        while not gone or device.now < end_s + device.timeout:
            try:
                block = stream.read(out=out, cancel=cancel)
            except DeviceDisconnected:
                if not reconnect:
                    raise
                recording.disconnects += not gone
                gone = True
                with suppress(DeviceTimeout, DeviceDisconnected):
                    events.read(timeout=RETRY_S, cancel=cancel)
            else:
                gone = False
                if not len(block):
                    return
                yield block


class _WallClock:
    """Tells times of the device's clock by the computer's, which it looks at once."""

    def __init__(self, stream: Stream) -> None:
        self._now, self._now_s = datetime.now(UTC), stream.start_s

    def at(self, time_s: float) -> datetime:
        return self._now + timedelta(seconds=time_s - self._now_s)


def _describe(stream: Stream, clock: _WallClock) -> Sidecar:
    start_s = stream.start_s + 1 / stream.rate_hz
    return Sidecar(
        device=stream.device.name,
        start=clock.at(start_s).isoformat(),
        start_s=start_s,
        rate_hz=stream.rate_hz,
        channels=list(stream.channels),
        full_scale_volts=[volts * CODES / 2 for volts in stream.volts_per_code.tolist()],
        dtype=stream.dtype.name,  # type: ignore[arg-type]
        first_index=stream.first_index,
    )


def _continued(before: Sidecar | None, new: Sidecar, path: Path) -> Sidecar:
    """Returns what describes the file: the new recording, or the one before with it.

    Raises:
        ValueError: They do not fit together.
    """
    if before is None:
        return new
    for key in ("device", "rate_hz", "channels", "full_scale_volts", "dtype"):
        was, now = getattr(before, key), getattr(new, key)
        if was != now:
            raise ValueError(f"{path} cannot be continued: its {key} is {was!r}, not {now!r}")
    return replace(before, complete=False)


def samples_in(seconds: float, rate_hz: float) -> int | None:
    """Returns how many samples of each channel a recording has; None: it does not end.

    Raises:
        ValueError: There is no such number.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be more than 0, got {seconds:g}")
    if not math.isfinite(rate_hz):
        raise ValueError(f"rate must be a number of hertz, got {rate_hz:g}")
    # As many as an index can count: at any rate they take more than a century.
    most = STREAM_LARGEST_INDEX
    return None if seconds == math.inf else max(1, min(round(seconds * rate_hz), most))


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
