"""A device, its streams and its subscriptions, whose operations are awaited.

Generated from device.py, stream.py, subscription.py and registers.py by ``make generated``; not to
be edited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import _native, device, registers, signals, stream, subscription
from hwsim.aio.forms import Blocks, Events, Opened, blocking_of, coroutine_function, on_loop
from hwsim.calibration import Calibration
from hwsim.cancel import CancelToken
from hwsim.device import FaultKind, Progress
from hwsim.events import Event, EventKind, Overflow
from hwsim.models import Map, Model
from hwsim.signals import Connection, Signal, Waveform
from hwsim.stream import Block, OverrunPolicy, SampleArray, SampleType, Span, Status
from hwsim.subscription import OnError, SubscriptionStatus


class Stream(Blocks):
    """A running acquisition; made by :meth:`hwsim.aio.Device.stream`.

    ``async for`` yields blocks until the stream ends; ``async with`` stops it at the end.
    """

    __slots__ = ("__weakref__", "blocking")
    blocking: stream.Stream

    def __init__(self, blocking: stream.Stream) -> None:
        if not isinstance(blocking, stream.Stream):
            raise TypeError(f"blocking must be a hwsim.Stream, got {blocking!r}")
        self.blocking = blocking

    @property
    def rate_hz(self) -> float:
        """Samples a second of each channel."""
        return self.blocking.rate_hz

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels, in the order of the blocks' columns."""
        return self.blocking.channels

    @property
    def block(self) -> int:
        """Samples of each channel in a block, when iterating."""
        return self.blocking.block

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples in a block."""
        return self.blocking.dtype

    @property
    def first_index(self) -> int:
        """Of the first sample."""
        return self.blocking.first_index

    @property
    def volts_per_code(self) -> npt.NDArray[np.float64]:
        """Of each channel."""
        return self.blocking.volts_per_code

    def stop(self) -> None:
        """Ends the stream: reads that wait return what is there, later ones nothing."""
        self.blocking.stop()

    @property
    def start_s(self) -> float:
        """When it was started, in seconds of the device's clock.

        The sample with index ``i`` has the time ``start_s + (i - first_index + 1) / rate_hz``.
        """
        return self.blocking.start_s

    @property
    def status(self) -> Status:
        """How many samples are there, read and lost, and whether the stream is running."""
        return self.blocking.status

    @coroutine_function
    def read(
        self,
        n: int | None = None,
        *,
        out: SampleArray | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, Block]:
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
        return _native.operation(
            stream.Stream.read, self.blocking, n, out=out, timeout=timeout, cancel=cancel
        )

    @coroutine_function
    def read_into(
        self, buffer: Any, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, Span]:
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
        return _native.operation(
            stream.Stream.read_into, self.blocking, buffer, timeout=timeout, cancel=cancel
        )


class Subscription(Events):
    """A subscriber's queue of events; made by :meth:`hwsim.aio.Device.events`.

    ``async for`` yields events until it is closed; ``async with`` closes it at the end.
    """

    __slots__ = ("__weakref__", "blocking")
    blocking: subscription.Subscription

    def __init__(self, blocking: subscription.Subscription) -> None:
        if not isinstance(blocking, subscription.Subscription):
            raise TypeError(f"blocking must be a hwsim.Subscription, got {blocking!r}")
        self.blocking = blocking

    @property
    def kinds(self) -> frozenset[EventKind]:
        """The kinds of events that it gets."""
        return self.blocking.kinds

    def close(self) -> None:
        """Ends the subscription and drops the events in its queue. Closing twice is fine.

        No callback begins afterwards (without a GIL, one may be just about to). Closing never waits
        for a callback in another thread, so the caller may hold a lock that the callback wants.
        """
        return self.blocking.close()

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed (and was made in this process)."""
        return self.blocking.is_open

    @property
    def status(self) -> SubscriptionStatus:
        """How many events are queued, delivered and lost."""
        return self.blocking.status

    @coroutine_function
    def read(
        self, count: int = 1, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, list[Event]]:
        """Waits for an event, and returns it with those that follow it in the queue.

        Args:
            count: The most events to return, 1 to 2**20.
            timeout: In seconds of the device's clock; None: that of :meth:`Device.events`, or else
                the device's.
            cancel: A token that stops the call.

        Raises:
            DeviceTimeout: There was no event in time.
            DeviceClosed: The subscription or the device has been closed; events from before the
                device was closed are read first.
            StateError: The events go to a callback.
        """
        return _native.operation(
            subscription.Subscription.read, self.blocking, count, timeout=timeout, cancel=cancel
        )


class Field(registers.Field):
    """A field that is awaited."""

    __slots__ = ()

    @property
    def _blocking(self) -> registers.Field:
        found = registers.Register(self.register._device, self.register._info)
        return registers.Field(found, self.info)

    @coroutine_function
    def read(  # type: ignore[override]
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, int]:
        """Reads the register, with what that does to its other fields; returns these bits."""
        return _native.operation(
            registers.Field.read, self._blocking, timeout=timeout, cancel=cancel
        )

    @coroutine_function
    def write(  # type: ignore[override]
        self, value: int | str, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, None]:
        """Writes these bits, atomically, in one operation.

        A register that is ``"RW"`` keeps its other bits. Of one that is not, all is written, the
        other bits as 0.

        Args:
            value: From 0, as the bits have room for; or the name of a value.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            ValueError: A number that does not fit, or no name of a value.
        """
        return _native.operation(
            registers.Field.write, self._blocking, value, timeout=timeout, cancel=cancel
        )

    @coroutine_function
    def wait(  # type: ignore[override]
        self, value: int | str, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, None]:
        """Waits until these bits have a value; see :meth:`Device.wait_register`."""
        return _native.operation(
            registers.Field.wait, self._blocking, value, timeout=timeout, cancel=cancel
        )


class Register(registers.Register):
    """A register that is awaited."""

    __slots__ = ()

    @property
    def fields(self) -> Mapping[str, Field]:
        """Its fields by name, from the lowest bit on."""
        return {name: Field(self, found.info) for name, found in super().fields.items()}

    def __getattr__(self, name: str) -> Field:
        return Field(self, super().__getattr__(name).info)

    @coroutine_function
    def read(  # type: ignore[override]
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, int]:
        """Reads the register; see :meth:`Device.read_register`."""
        return _native.operation(registers.Register.read, self, timeout=timeout, cancel=cancel)

    @coroutine_function
    def write(  # type: ignore[override]
        self, value: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, None]:
        """Writes the register; see :meth:`Device.write_register`."""
        return _native.operation(
            registers.Register.write, self, value, timeout=timeout, cancel=cancel
        )


class Registers(registers.Registers):
    """The registers of a device by name, in the order of their addresses."""

    def __getitem__(self, name: str) -> Register:
        return Register(self._device, super().__getitem__(name)._info)

    def __getattr__(self, name: str) -> Any:  # a Register, or Registers
        found = super().__getattr__(name)
        if isinstance(found, registers.Register):
            return Register(self._device, found._info)
        return Registers(self._device, found._map, found._prefix)


class Device(Opened):
    """A simulated instrument, as :class:`hwsim.Device`, whose operations are awaited.

    Made by :func:`hwsim.aio.open`, or of a device that is open: threads may use that at the same
    time. Whatever ends the wait for an operation, such as ``asyncio.timeout``, has taken it off the
    bus, without effect, before CancelledError is raised; where it was too late for that, the
    operation returns its result, and the task is cancelled in its next await. What does not wait is
    called as there. Callbacks are called on the thread of the loop.

    Attributes:
        blocking: The device, for other threads.
    """

    __slots__ = ("__weakref__", "blocking")
    blocking: device.Device

    def __init__(self, blocking: device.Device) -> None:
        if not isinstance(blocking, device.Device):
            raise TypeError(f"blocking must be a hwsim.Device, got {blocking!r}")
        self.blocking = blocking

    @property
    def uri(self) -> str:
        """The resource string that it was opened with."""
        return self.blocking.uri

    def cancel(self) -> None:
        """Ends every operation that waits on the device with OperationCancelled. Never blocks."""
        self.blocking.cancel()

    def advance(self, seconds: float) -> None:
        """Moves a manual clock on; what is due by then takes effect. StateError: another clock."""
        self.blocking.advance(seconds)

    def clear_faults(self) -> None:
        """Disarms every fault; a disconnected device stays so."""
        self.blocking.clear_faults()

    def clear_threshold(self, channel: int) -> None:
        """Removes the comparator of a channel."""
        self.blocking.clear_threshold(channel)

    def clear_calibration(self, channel: int) -> None:
        """Removes the correction of a channel."""
        self.blocking.clear_calibration(channel)

    def disconnect(self, channel: int) -> None:
        """Takes an output away from a channel: its power-on signal is back."""
        self.blocking.disconnect(channel)

    @property
    def registers(self) -> Registers:
        """The registers by name: ``await device.registers["CONTROL"].read()``."""
        return Registers(self.blocking, self.blocking.map)

    def __getitem__(self, address: int) -> Coroutine[Any, Any, int]:
        """Reads the register at this address."""
        return self.read_register(address)

    @coroutine_function
    def read_register(
        self, address: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, int]:
        """Reads the register at ``address``.

        Args:
            address: In bytes.
            timeout: In seconds; None: the device's.
            cancel: A CancelToken that stops the call.

        Raises:
            AddressError: There is no register at this address.
            AccessError: The register is write-only.
        """
        return _native.operation(
            _native.Device._read_register, self.blocking, address, timeout, cancel
        )

    @coroutine_function
    def write_register(
        self,
        address: int,
        value: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Writes the register at ``address``.

        Args:
            address: In bytes.
            value: From 0 to what the register has bits for.
            timeout: In seconds; None: the device's.
            cancel: A CancelToken that stops the call.

        Raises:
            AddressError: There is no register at this address.
            AccessError: The register is read-only.
            InvalidArgument: The value has more bits than the register.
        """
        return _native.operation(
            _native.Device._write_register, self.blocking, address, value, timeout, cancel
        )

    def close(self) -> None:
        """Closes the device: operations that wait raise DeviceClosed. Closing twice is fine."""
        return self.blocking.close()

    @property
    def is_open(self) -> bool:
        """Whether the device is open (and was opened in this process)."""
        return self.blocking.is_open

    @property
    def opener(self) -> str:
        """Who opened it: the line of the program, and the thread."""
        return self.blocking.opener

    @property
    def map(self) -> Map:
        """What the device's model says of its registers."""
        return self.blocking.map

    @property
    def model(self) -> Model | None:
        """The object whose methods are its behaviours, with their state; None: it has none."""
        return self.blocking.model

    @property
    def name(self) -> str:
        """The name in the resource string."""
        return self.blocking.name

    @property
    def latency(self) -> float:
        """Time that one operation takes on the bus, in seconds."""
        return self.blocking.latency

    @property
    def jitter(self) -> float:
        """How much the latency varies, plus or minus, in seconds."""
        return self.blocking.jitter

    @property
    def bandwidth(self) -> float:
        """Bytes a second on the bus; ``math.inf``: no limit."""
        return self.blocking.bandwidth

    @property
    def channels(self) -> int:
        """Number of analogue channels."""
        return self.blocking.channels

    @property
    def seed(self) -> int:
        """Seed of noise, jitter and faults."""
        return self.blocking.seed

    @property
    def clock(self) -> str:
        """``"real"``, ``"virtual"``, ``"manual"``, or a factor such as ``"10x"``."""
        return self.blocking.clock

    @property
    def clock_name(self) -> str:
        """The name of a clock that devices share, as in ``clock=virtual:bench``; or ``""``."""
        return self.blocking.clock_name

    @property
    def rate(self) -> float:
        """Sample rate of the converters, in hertz."""
        return self.blocking.rate

    @property
    def timeout(self) -> float:
        """The default timeout of the operations, in seconds; may be set."""
        return self.blocking.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self.blocking.timeout = seconds

    @property
    def now(self) -> float:
        """Time of the device's clock since it was opened, in seconds.

        Of a clock that has a name: since the first device was opened on it.
        """
        return self.blocking.now

    @property
    def transactions(self) -> int:
        """Number of operations put on the bus since the device was opened."""
        return self.blocking.transactions

    @property
    def pending(self) -> int:
        """Number of operations that are waiting."""
        return self.blocking.pending

    @property
    def connected(self) -> bool:
        """Whether no fault has cut the device off from its cable, and so from power."""
        return self.blocking.connected

    @coroutine_function
    def wait_connected(
        self,
        connected: bool = True,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Waits until the device is connected; with False until it is not."""
        return _native.operation(
            _native.Device._wait_connected, self.blocking, connected, timeout, cancel
        )

    @coroutine_function
    def wait_pending(
        self, count: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, None]:
        """Waits until at least ``count`` operations are pending, such as before ``advance()``."""
        return _native.operation(
            _native.Device._wait_pending, self.blocking, count, timeout, cancel
        )

    @coroutine_function
    def reset(
        self, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, None]:
        """Sets the registers to their reset values; one operation on the bus."""
        return _native.operation(_native.Device._reset, self.blocking, timeout, cancel)

    @coroutine_function
    def read_block(
        self,
        address: int,
        count: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, npt.NDArray[np.uint32]]:
        """Reads ``count`` consecutive registers, beginning at ``address``, atomically.

        Returns:
            The values, shape ``(count,)``.

        Raises:
            AddressError: One of them does not exist; nothing is read.
        """
        return _native.operation(
            device.Device.read_block, self.blocking, address, count, timeout=timeout, cancel=cancel
        )

    @coroutine_function
    def write_block(
        self,
        address: int,
        values: npt.ArrayLike,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Writes consecutive registers, beginning at ``address``, atomically.

        Args:
            address: Of the first register, in bytes.
            values: Integers from 0 to 2**32 - 1.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            AddressError: One of them does not exist; nothing is written.
        """
        return _native.operation(
            device.Device.write_block,
            self.blocking,
            address,
            values,
            timeout=timeout,
            cancel=cancel,
        )

    @coroutine_function
    def read_bytes(
        self,
        address: int,
        count: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, bytes]:
        """Reads bytes of registers that follow each other, or of a memory, atomically.

        How a value lies in its bytes is the model's byte order. Registers may differ in size; one
        of which some bytes are read is read as a whole.

        Args:
            address: Of the first byte.
            count: How many, from 1.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            AddressError: At one of them there is nothing; nothing is read.
            AccessError: One of them cannot be read.
        """
        return _native.operation(
            device.Device.read_bytes, self.blocking, address, count, timeout=timeout, cancel=cancel
        )

    @coroutine_function
    def write_bytes(
        self,
        address: int,
        data: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Writes bytes of registers that follow each other, or of a memory, atomically.

        How a value lies in its bytes is the model's byte order. A register of which some bytes are
        written keeps the others.

        Args:
            address: Of the first byte.
            data: From 1 byte.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            AddressError: At one of them there is nothing; nothing is written.
            AccessError: One of them cannot be written.
        """
        return _native.operation(
            _native.Device._write_bytes, self.blocking, address, data, timeout, cancel
        )

    @coroutine_function
    def update_register(
        self,
        address: int,
        mask: int,
        value: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, int]:
        """Sets the bits of ``mask`` to those of ``value``, atomically; returns the old value."""
        return _native.operation(
            _native.Device._update_register, self.blocking, address, mask, value, timeout, cancel
        )

    @coroutine_function
    def wait_register(
        self,
        address: int,
        mask: int,
        expected: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, int]:
        """Waits until ``(value & mask) == expected`` and returns that value.

        The device watches the register itself, so the bus is free for others meanwhile.
        """
        return _native.operation(
            _native.Device._wait_register, self.blocking, address, mask, expected, timeout, cancel
        )

    @coroutine_function
    def read_voltage(
        self, channel: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, float]:
        """Converts the channel's next sample and returns it, in volts.

        Raises:
            StateError: The converters are off (bit 0 of CONTROL).
        """
        return _native.operation(
            _native.Device._read_voltage, self.blocking, channel, timeout, cancel
        )

    @coroutine_function
    def read_voltages(
        self,
        channels: Sequence[int],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, npt.NDArray[np.float64]]:
        """Converts the next sample of several channels, all at one instant, in one transaction.

        Args:
            channels: Which ones, each at most once.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Returns:
            Volts, shape ``(len(channels),)``.

        Raises:
            ValueError: A bad list of channels; the error names it.
            StateError: The converters are off (bit 0 of CONTROL).
        """
        return _native.operation(
            device.Device.read_voltages, self.blocking, channels, timeout=timeout, cancel=cancel
        )

    def set_signal(
        self,
        channel: int,
        source: Waveform | npt.ArrayLike | os.PathLike[str] | signals.Table = "sine",
        *,
        amplitude: float = 1.0,
        offset: float = 0.0,
        frequency: float | None = None,
        phase: float = 0.0,
        noise: float | None = None,
        gain_error: float = 0.0,
        offset_error: float = 0.0,
        inl: float = 0.0,
        range: float | None = None,
        loop: bool = True,
        column: int | str | None = None,
        rate: float | str | None = None,
    ) -> None:
        """Connects a signal to a channel; the next conversion is its first sample.

        Args:
            channel: From 0.
            source: ``"dc"``, ``"sine"``, ``"square"``, ``"triangle"``; or samples in volts: an
                array, the path of a WAV, CSV or NPY file (see :func:`hwsim.signals.load`), or what
                :func:`hwsim.signals.read` returned. Samples beyond the range saturate, with a
                UserWarning that says which amplitude fits.
            amplitude: Peak in volts; for samples the factor.
            offset: In volts.
            frequency: In hertz, up to half the device's rate; None: 10 Hz times (channel + 1), but
                at most an eighth of the rate.
            phase: In turns.
            noise: RMS in volts; None: as at power-on.
            gain_error: Of the converter, relative.
            offset_error: Of the converter, in volts.
            inl: Integral non-linearity of the converter, in codes.
            range: Full scale of the converter, in volts; None: as at power-on.
            loop: Whether samples repeat when they end; otherwise the last one is held.
            column: Which column of a file or array, by its number from 0, or its heading; None: the
                first that is not the time.
            rate: Of the samples, from 1 uHz to 100 GHz: a number in hertz, or a text such as
                ``"10kHz"``; None: what the file says, else the device's rate. Each sample is held
                until the next, and whatever samples the channel sees the one that is there:
                streams of any rate, thresholds, and conversions at the device's rate.

        Raises:
            ValueError: A bad value; the error names it.
        """
        return self.blocking.set_signal(
            channel,
            source,
            amplitude=amplitude,
            offset=offset,
            frequency=frequency,
            phase=phase,
            noise=noise,
            gain_error=gain_error,
            offset_error=offset_error,
            inl=inl,
            range=range,
            loop=loop,
            column=column,
            rate=rate,
        )

    def output(self, output: int | str) -> float:
        """Returns what an output puts out now, in volts. Does not use the bus.

        Args:
            output: Its number, from 0, or its name in the model.
        """
        return self.blocking.output(output)

    @coroutine_function
    def set_output(
        self,
        output: int | str,
        volts: float,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Sets an output to the voltage nearest to ``volts`` that it can have.

        The same as writing the code of that voltage to the output's register, whatever the access
        of that; one operation on the bus.

        Args:
            output: Its number, from 0, or its name in the model.
            volts: From the lowest voltage to full scale, which is one code above the highest.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            InvalidArgument: There is no such output, or it has no such voltage.
        """
        return _native.operation(
            device.Device.set_output, self.blocking, output, volts, timeout=timeout, cancel=cancel
        )

    def connect(
        self,
        output: int | str,
        channel: int,
        *,
        to: Device | None = None,
        gain: float = 1.0,
        offset: float = 0.0,
        delay: float = 0.0,
        tau: float = 0.0,
        noise: float | None = None,
        function: Callable[[float], float] | None = None,
    ) -> None:
        """Connects an output to a channel, through what lies between the two.

        The channel tends to ``offset + gain * function(volts)`` with the time constant ``tau``,
        ``delay`` seconds after the output has been set; it is at rest at first. Computed in closed
        form: whatever samples it, and however often, sees the same, which follows from the seed and
        from what was written when.

        It takes the place of what was connected to the channel, and :meth:`set_signal` or another
        output takes its place in turn. The errors and the range of the channel's converter stay.
        Streams that are running are not changed. An output can drive any number of channels.

        The channel may be one of another device, if both are on one clock, which has a name, as in
        ``clock=virtual:bench``. Neither keeps the other open. A device that is closed puts out what
        it did last, which the channel goes on to show.

        Args:
            output: Its number, from 0, or its name in the model.
            channel: From 0.
            to: The device whose channel it is; None: this one.
            gain: The factor.
            offset: In volts: where the channel is while the function gives 0.
            delay: In seconds, up to an hour.
            tau: Time constant in seconds; 0: it follows at once.
            noise: RMS in volts; None: as at power-on.
            function: What becomes of the voltage first. It is called here and now, once for each
                voltage that the output can have if that has up to 16 bits (65536 calls take some
                10 ms), otherwise for 65537 of them, between which it is taken to be linear. It is
                never called again. None: the voltage as it is.

        Raises:
            InvalidArgument: There is no such output or channel, ``to`` is on another clock, a value
                is out of its limits, or the function returned no number from -1e6 to 1e6; the error
                names it.
        """
        return self.blocking.connect(
            output,
            channel,
            to=blocking_of(to),
            gain=gain,
            offset=offset,
            delay=delay,
            tau=tau,
            noise=noise,
            function=function,
        )

    @property
    def connections(self) -> list[Connection]:
        """What drives its channels, by number, and then what its outputs drive on other devices."""
        return self.blocking.connections

    def stream(
        self,
        rate_hz: float,
        *,
        channels: Sequence[int] = (0,),
        block: int = 4096,
        buffer: int | None = None,
        total: int | None = None,
        overrun: OverrunPolicy = "error",
        dtype: SampleType = "int16",
        first_index: int = 0,
    ) -> Stream:
        """Starts a continuous acquisition of the signals that are connected now.

        Args:
            rate_hz: Samples a second of each channel, 0.001 to 1e9.
            channels: Which ones, each once at most, in the order of the blocks' columns.
            block: Samples of each channel in a block, when iterating.
            buffer: Samples of each channel that the device keeps for a reader that lags; None: one
                second's worth, and at least 16 blocks.
            total: Samples of each channel after which the stream ends; None: it does not.
            overrun: What happens when the reader lags by more: ``"error"`` raises
                :class:`~hwsim.errors.Overrun` once, ``"skip"`` reports it in the block.
            dtype: ``"int16"`` codes, or ``"float32"`` or ``"float64"`` volts.
            first_index: Of the first sample, to continue where a recording ended.

        Raises:
            ValueError: A bad value; the error names it.
        """
        return Stream(
            self.blocking.stream(
                rate_hz,
                channels=channels,
                block=block,
                buffer=buffer,
                total=total,
                overrun=overrun,
                dtype=dtype,
                first_index=first_index,
            )
        )

    def signal(self, channel: int) -> Signal:
        """Returns what is connected to the channel."""
        return self.blocking.signal(channel)

    def on_event(
        self,
        callback: Callable[[Event], object],
        *,
        kinds: Iterable[EventKind] | None = None,
        queue: int = 256,
        overflow: Overflow = "drop",
        on_error: OnError = "unraisable",
    ) -> Subscription:
        """Calls ``callback(event)`` for each event from now on, until the subscription is closed.

        Callbacks run one at a time on the library's timer thread, for all devices of the process:
        a slow one delays the others. They may call anything, and may close the subscription or the
        device. None starts once the interpreter shuts down.

        Args:
            callback: Called with an :class:`hwsim.Event`.
            kinds: Which ones; None: all.
            queue: How many events can wait for the callback, 1 to 2**20.
            overflow: When the queue is full: ``"drop"`` loses the oldest event, and counts it in
                the next one's ``lost``; ``"wait"`` holds back the timer, and operations that would
                cause an event, until there is room. It holds back the callback's own operations,
                too, which then time out.
            on_error: What becomes of an exception that the callback raises: ``"unraisable"``:
                :func:`sys.unraisablehook` gets it; ``"raise"``: the next call that can block, of
                any device in any thread, raises it and does nothing else, or one that waits
                already ends with it; a callable is called with it. The subscription stays open.

        Returns:
            The subscription; the device keeps it alive.
        """
        return Subscription(
            self.blocking.on_event(
                on_loop(callback), kinds=kinds, queue=queue, overflow=overflow, on_error=on_error
            )
        )

    def events(
        self,
        *,
        kinds: Iterable[EventKind] | None = None,
        queue: int = 4096,
        overflow: Overflow = "drop",
        timeout: float | None = None,
    ) -> Subscription:
        """Subscribes to the events from now on; iterate over the result to read them.

        Args:
            kinds: Which ones; None: all.
            queue: How many events can wait to be read, 1 to 2**20.
            overflow: Same as in :meth:`on_event`.
            timeout: How long to wait for the next one, in seconds; then the iterator raises
                DeviceTimeout, and may be used again. None: the device's; ``math.inf``: forever.
        """
        return Subscription(
            self.blocking.events(kinds=kinds, queue=queue, overflow=overflow, timeout=timeout)
        )

    @property
    def timer(self) -> float:
        """Period of the timer events in seconds, 0: off; setting it restarts the timer."""
        return self.blocking.timer

    @timer.setter
    def timer(self, seconds: float) -> None:
        self.blocking.timer = seconds

    def set_threshold(self, channel: int, level: float, *, hysteresis: float = 0.0) -> None:
        """Gives a channel a comparator; each change of its output is an event.

        It compares each sample at the device's :attr:`rate`: its output goes high at the first one
        at or above ``level``, and low at the first one below ``level - hysteresis``.

        Raises:
            ValueError: A bad value; the error names it.
            StateError: The rate, times the factor of the clock, exceeds 1 MHz.
        """
        return self.blocking.set_threshold(channel, level, hysteresis=hysteresis)

    @coroutine_function
    def trigger(
        self, value: float = 0.0, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Coroutine[Any, Any, None]:
        """Sends a software trigger, an event with this value; one operation on the bus."""
        return _native.operation(_native.Device._trigger, self.blocking, value, timeout, cancel)

    @coroutine_function
    def calibrate(
        self,
        channel: int,
        *,
        samples: int = 2**22,
        progress: Progress | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, Calibration]:
        """Measures the converter of a channel, and corrects it from then on.

        Instead of the connected signal the converter measures a reference sine, for a
        four-parameter sine fit and a sine-wave histogram (IEEE Std 1241). CPU-heavy: it computes
        for a second or so with the GIL released. Streams that are running are not corrected. The
        correction stays until :meth:`clear_calibration`, or a signal with another range.

        Args:
            channel: From 0.
            samples: In each test, 2**18 to 2**26. The DNL of a single code is uncertain by about
                ``(2**17 / samples) ** 0.5``.
            progress: Called as ``progress(done, total)`` on this thread, at most every 20 ms; an
                exception it raises ends the calibration and reaches the caller.
            timeout: In seconds; None: no limit.
            cancel: A token that stops it, within 10 ms.

        Raises:
            StateError: The converter saturates at every reference, or is off.
            HwsimError: It was stopped, and the correction is unchanged.
        """
        return _native.operation(
            device.Device.calibrate,
            self.blocking,
            channel,
            samples=samples,
            progress=progress,
            timeout=timeout,
            cancel=cancel,
        )

    @coroutine_function
    def program_firmware(
        self,
        image: bytes | bytearray | memoryview,
        *,
        progress: Progress | None = None,
        verify: bool = True,
        retries: int = 3,
        exclusive: bool = False,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Programs a firmware image, which the device runs once the call has returned.

        It is written page by page to the inactive bank, and committed when all of it is right.
        Whatever ends the update before that, the old firmware keeps running, also after a power
        failure.

        Args:
            image: See :func:`hwsim.firmware.build_image`.
            progress: Same as in :meth:`calibrate`; counts pages. When its last call raises, the new
                firmware is running already.
            verify: Read each page back.
            retries: How often a page that differs is written again.
            exclusive: Whether other operations raise DeviceBusy meanwhile; otherwise they take
                turns with the pages.
            timeout: In seconds, for the whole update; None: the device's, for each operation on a
                page.
            cancel: A token that stops it.

        Raises:
            FirmwareError: The image is bad, or older than the running firmware (then nothing has
                been erased); or a page still differs after all retries.
            DeviceBusy: The device is being programmed already.
        """
        return _native.operation(
            device.Device.program_firmware,
            self.blocking,
            image,
            progress=progress,
            verify=verify,
            retries=retries,
            exclusive=exclusive,
            timeout=timeout,
            cancel=cancel,
        )

    @property
    def firmware_version(self) -> int:
        """Version of the running firmware: major << 16 | minor."""
        return self.blocking.firmware_version

    def inject(
        self,
        kind: FaultKind,
        *,
        at: int | None = None,
        count: int | None = None,
        probability: float | None = None,
        extra: float | None = None,
        register: str | int | None = None,
        mask: int = 0xFFFFFFFF,
        value: int = 0,
    ) -> None:
        """Makes operations fail; by default the next one.

        Args:
            kind: ``timeout`` (never answers), ``bus``, ``crc``, ``busy``, ``overrun``,
                ``firmware``, ``memory`` and ``internal`` make an operation fail with that error;
                ``disconnect`` lasts until ``reconnect`` (both happen at once unless ``at`` or
                ``probability`` is given); ``spike`` takes longer; ``stuck`` falsifies what is read;
                ``foreign`` throws a C++ exception of an unknown type; ``power`` is a power failure
                in the middle of a write; ``corrupt`` writes a page of firmware wrong; ``lost``
                loses the events that an operation causes.
            at: The first operation that it can hit, as counted by :attr:`transactions` from 1;
                None: the next one.
            count: How many operations it can hit, beginning with ``at``; 0: no limit. Default: 1,
                but no limit for ``stuck`` and where a probability is given.
            probability: For each of these operations, drawn from the device's seed; None: 1.
            extra: Of ``spike``, in seconds; default 10 ms.
            register: Of ``stuck``: a name or an address; None: SCRATCH0.
            mask: Of ``stuck``: which bits.
            value: Of ``stuck``: what they read as.

        Raises:
            ValueError: A bad value; the error names it.
        """
        return self.blocking.inject(
            kind,
            at=at,
            count=count,
            probability=probability,
            extra=extra,
            register=register,
            mask=mask,
            value=value,
        )
