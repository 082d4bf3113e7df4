"""Streams: continuous acquisition into NumPy arrays, without copies or silent loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from hwsim import _kinds, _native, markup
from hwsim._kinds import STREAM_LARGEST_BUFFER, STREAM_LARGEST_INDEX
from hwsim.arguments import choice, for_the_library, integer
from hwsim.cancel import CancelToken
from hwsim.errors import HwsimError
from hwsim.lifetime import Scoped

OverrunPolicy = _kinds.Overrun
SampleType = _kinds.Format
SampleArray = npt.NDArray[np.int16] | npt.NDArray[np.float32] | npt.NDArray[np.float64]


SHOWN = 2**20  # samples of each channel that a notebook's table looks at


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block:
    """Consecutive samples of a stream.

    Attributes:
        data: Shape ``(samples, channels)``: int16 codes, or float32 or float64 volts.
        first_index: Index of the first sample; that of the next block is ``first_index +
            len(block)`` unless samples were lost.
        lost: How many samples of each channel were lost right before this block.
        rate_hz: Samples a second of each channel.
        volts_per_code: Of each channel.
        time_s: Time of the first sample, in seconds of the device's clock; see :meth:`times`.
    """

    data: SampleArray
    first_index: int
    lost: int
    rate_hz: float
    volts_per_code: npt.NDArray[np.float64]
    time_s: float = math.nan

    def __len__(self) -> int:
        return len(self.data)

    def volts(self) -> npt.NDArray[np.float64]:
        """Returns the samples in volts, shape ``(samples, channels)``."""
        if self.data.dtype == np.int16:
            return self.data * self.volts_per_code
        return self.data.astype(np.float64)

    def times(self) -> npt.NDArray[np.float64]:
        """Returns the time of each sample, in seconds of the device's clock, shape ``(samples,)``.

        It is when the sample's conversion has ended: the first one of a stream comes one period
        after :attr:`Stream.start_s`. An event of a threshold bears the time of its sample.
        """
        return self.time_s + np.arange(len(self.data)) / self.rate_hz

    def __repr__(self) -> str:
        lost = f", {self.lost:,} lost before it" if self.lost else ""
        return (
            f"<hwsim.Block from index {self.first_index}, shape {self.data.shape}, "
            f"{self.data.dtype}, {self.rate_hz:g} Hz{lost}>"
        )

    def _repr_html_(self) -> str:
        """For notebooks; looks at a million samples of each channel at most."""
        part = self.data[:SHOWN]
        rows: list[tuple[object, ...]] = []
        for i, column in enumerate(part.T if len(part) else ()):
            volts = self.volts_per_code[i] if self.data.dtype == np.int16 else 1.0
            values = (column.min(), column.mean(dtype=np.float64), column.max())
            rows.append((f"column {i}", *(f"{value * volts:.6g} V" for value in values)))
        of = f", of the first {len(part):,} samples" if len(part) < len(self.data) else ""
        return markup.table(repr(self)[1:-1] + of, rows, ("", "lowest", "mean", "highest"))


class Span(NamedTuple):
    """Where in the stream the samples that were read into a buffer belong.

    Attributes:
        first_index: Index of the first sample.
        samples: How many of each channel.
        lost: How many samples of each channel were lost right before them.
    """

    first_index: int
    samples: int
    lost: int


class Status(NamedTuple):
    """The state of a stream, in samples of each channel.

    Attributes:
        available: How many can be read at once.
        read: How many have been read.
        lost: How many have been lost because they were not read in time.
        running: Whether the stream is running.
    """

    available: int
    read: int
    lost: int
    running: bool


class Stream(Scoped, _native.Stream):
    """A running acquisition; made by :meth:`hwsim.Device.stream`.

    Iterating yields blocks until the stream ends: by its ``total``, or by :meth:`stop`. Several
    readers share the samples, in the order of their calls.

    Attributes:
        device: The device.
        rate_hz: Samples a second of each channel.
        channels: The channels, in the order of the blocks' columns.
        block: Samples of each channel in a block, when iterating.
        dtype: Of the samples in a block.
        first_index: Of the first sample.
        volts_per_code: Of each channel.

    **Thread safety:** every method may be called from any thread at any time.
    """

    _instead = "open the device in the other process, and start one there"

    def __init__(
        self,
        device: _native.Device,
        rate_hz: float,
        *,
        channels: Sequence[int] = (0,),
        block: int = 4096,
        buffer: int | None = None,
        total: int | None = None,
        overrun: OverrunPolicy = "error",
        dtype: SampleType = "int16",
        first_index: int = 0,
    ) -> None:
        if not isinstance(device, _native.Device):
            raise TypeError(f"device must be a Device, got {device!r}")
        choice("overrun", overrun, get_args(OverrunPolicy))
        choice("dtype", dtype, get_args(SampleType))
        numbers = as_channels(channels, device._config()["channels"])
        self.block = integer("block", block, 1, STREAM_LARGEST_BUFFER)
        if buffer is None:
            buffer = min(max(16 * self.block, _a_second(rate_hz)), STREAM_LARGEST_BUFFER)
        buffer = for_the_library("buffer", buffer, 64, 1, STREAM_LARGEST_BUFFER)
        if total is not None:
            total = integer("total", total, 1, STREAM_LARGEST_INDEX)  # 0 would be no end
        first_index = integer("first_index", first_index, 0, STREAM_LARGEST_INDEX)
        super().__init__(
            device,
            (rate_hz, buffer, total or 0, first_index, get_args(OverrunPolicy).index(overrun)),
            numbers,
        )
        self.device: Any = device  # the Device, whose module is above this one
        self.rate_hz = float(rate_hz)
        self.channels = tuple(numbers.tolist())
        self.dtype = np.dtype(dtype)
        self.first_index = first_index
        scales = [self._volts_per_code(i) for i in range(len(numbers))]
        self.volts_per_code = np.array(scales, dtype=np.float64)

    def __trace_label__(self, method: str) -> str:
        """What a trace of hwsim.proof calls a native call."""
        return f"{self.device.name} Stream.{method.removeprefix('_')}"

    def _end(self) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Block]:
        while len(block := self.read()):
            yield block

    def __repr__(self) -> str:
        if "volts_per_code" not in self.__dict__:
            return "<hwsim.Stream, not initialised>"
        return (
            f"<hwsim.Stream of {self.device.name!r}, {self.rate_hz:g} Hz, channels {self.channels}>"
        )

    @property
    def start_s(self) -> float:
        """When it was started, in seconds of the device's clock.

        The sample with index ``i`` has the time ``start_s + (i - first_index + 1) / rate_hz``.
        """
        return self._start_ns() / 1e9

    @property
    def status(self) -> Status:
        """How many samples are there, read and lost, and whether the stream is running."""
        return Status(*self._status())

    def read(
        self,
        n: int | None = None,
        *,
        out: SampleArray | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Block:
        """Waits for ``n`` samples of each channel and returns them.

        Args:
            n: How many; None: as many as fit into ``out``, or else the stream's ``block``.
            out: An array of shape ``(n, channels)`` to write to; int16 codes, or float32 or float64
                volts. Otherwise a new one of the stream's ``dtype``.
            timeout: In seconds from the call; None: the device's, counted from when the samples are
                due.
            cancel: A token that stops the call.

        Returns:
            The block; shorter, or empty, only at the end of the stream.

        Raises:
            HwsimError: Nothing has been read. The samples that were there already are in
                ``error.partial``, a :class:`hwsim.Block`; the next read returns them again, as far
                as they fit into the stream's buffer.
            Overrun: Samples were lost; ``error.partial.lost`` tells how many. The next read
                continues after the gap. (Not with ``overrun="skip"``: the block has the number.)
        """
        if out is None:
            n = self.block if n is None else integer("n", n, 1, STREAM_LARGEST_BUFFER)
            out = np.empty((n, len(self.channels)), dtype=self.dtype)
        else:
            if not isinstance(out, np.ndarray):
                raise TypeError(f"out must be an array, got {out!r}")
            shape = (len(out) if n is None and out.ndim else n, len(self.channels))
            if out.shape != shape:
                raise ValueError(f"out must have the shape {shape}, got {out.shape}")
        try:
            span = self.read_into(out, timeout=timeout, cancel=cancel)
        except HwsimError as error:
            if isinstance(error.partial, Span):
                error.partial = self._block(out, error.partial)
            raise
        return self._block(out, span)

    def read_into(
        self,
        buffer: Any,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Span:
        """Waits for as many samples as fit into ``buffer``, and writes them there, interleaved.

        Args:
            buffer: Any writable, C-contiguous buffer of int16 (codes), float32 or float64 (volts);
                its length is a multiple of the number of channels. It cannot be resized meanwhile.
            timeout: Same as in :meth:`read`.
            cancel: A token that stops the call.

        Returns:
            Which samples they are; fewer, or none, only at the end of the stream.

        Raises:
            HwsimError: Same as in :meth:`read`; ``error.partial`` is a :class:`Span`, whose
                samples are in the buffer.
        """
        try:
            return Span(*self._read(buffer, timeout, cancel))
        except HwsimError as error:
            if isinstance(error.partial, tuple):
                error.partial = Span(*error.partial)
            raise

    def _block(self, out: SampleArray, span: Span) -> Block:
        data = out[: span.samples]
        time_s = self.start_s + (span.first_index - self.first_index + 1) / self.rate_hz
        return Block(data, span.first_index, span.lost, self.rate_hz, self.volts_per_code, time_s)


def _a_second(rate_hz: float) -> int:
    """Returns how many samples come in a second; 0 for a rate that the library will refuse."""
    try:
        return int(float(rate_hz))
    except (TypeError, ValueError, OverflowError):
        return 0


def as_channels(channels: Iterable[int], count: int) -> npt.NDArray[np.uint32]:
    """Checks that these are numbers; which of the ``count`` channels there are, the device says."""
    if not isinstance(channels, Iterable):
        raise TypeError(f"channels must be a sequence of integers, got {channels!r}")
    numbers = [for_the_library("channels", channel, 32, 0, count - 1) for channel in channels]
    return np.array(numbers, dtype=np.uint32)
