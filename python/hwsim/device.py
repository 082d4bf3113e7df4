"""The device: what a user drives.

The hot methods (``read_register``, ``write_register``, ``device[address]``) are inherited from the
native class as they are; this file adds what Python users expect around the others.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from weakref import ref

import numpy as np
import numpy.typing as npt

from hwsim import _kinds, _native, markup, opened, signals
from hwsim.arguments import UINT64_MAX, check_buffer, for_the_library, integer
from hwsim.arguments import rate as as_rate
from hwsim.calibration import CODES, Calibration
from hwsim.cancel import CancelToken
from hwsim.errors import DeviceInUse, InvalidArgument
from hwsim.events import Event, EventKind, Overflow
from hwsim.lifetime import Scoped
from hwsim.models import Map, Model  # the package first, whatever else others import
from hwsim.models.lookup import Source, find
from hwsim.registers import RegistersOf, as_uint32
from hwsim.signals import GENERATED, WAVEFORMS, Connection, Signal, Waveform, saturation
from hwsim.signals.signal import as_signal
from hwsim.signals.source import table_of
from hwsim.stream import OverrunPolicy, SampleType, Stream, as_channels
from hwsim.subscription import OnError, Subscription

log = logging.getLogger("hwsim")

FaultKind = _kinds.FaultKind


Progress = Callable[[int, int], object]


def _without_model(uri: str, model: Source | None) -> tuple[str, Source | None]:
    """Returns what the library knows of a resource string, and the model that it names."""
    start, _, query = uri.partition("?")
    settings = query.split("&")
    named = [text.removeprefix("model=") for text in settings if text.startswith("model=")]
    if not named:
        return uri, model
    if len(named) > 1 or model is not None:
        raise InvalidArgument("model is given twice", device=start.removeprefix("hwsim://"))
    rest = "&".join(text for text in settings if not text.startswith("model="))
    return (f"{start}?{rest}" if rest else start), named[0]


_DEVICE = "_hwsim_device"


def _behaving(found: object, entries: Map | None) -> Model | None:
    """Returns the object whose methods are a device's behaviours."""
    if entries is None or not entries.behaviours:
        return None
    if isinstance(found, Model):
        return found
    made: Model = entries.model()
    return made


@_native.bind_methods
class Device(Scoped, _native.Device):
    """A simulated instrument, open from construction until :meth:`close`.

    Operations on one device queue on its bus in the order of the calls; those on different devices
    overlap. All that take ``timeout`` block, raise :class:`~hwsim.errors.HwsimError`, and obey
    Ctrl-C on the main thread; the GIL is released while they wait. ``timeout`` is in seconds of the
    device's clock: ``None`` stands for :attr:`timeout`, ``math.inf`` waits forever, 0 gives up
    unless the device answers at once. An operation that failed or was interrupted has had no
    effect.

    Args:
        uri: Such as ``hwsim://daq0?latency=2ms&jitter=200us&channels=4&seed=7&clock=real``.
            Keys: latency, jitter, bandwidth, channels, seed, clock (real, virtual, manual, 10x),
            timeout, rate, range, noise, timer, fault (may be repeated), model (as the argument).
        model: What kind of device it is: a class derived from :class:`Model`, a
            :class:`hwsim.models.Map`, or the name of a file or a class, as for
            :func:`hwsim.models.load`. None: what the resource string says, or else the built-in
            data acquisition device.

    Attributes:
        uri: The resource string that it was opened with.

    Raises:
        InvalidArgument: Something in the resource string, or the model, is wrong; the error says
            what.
        NotFound: There is no such model.
        DeviceInUse: A device of this name is open in this process; see :func:`hwsim.open`.

    **Thread safety:** every method may be called from any thread at any time, all at once.
    """

    _model: Model | None = None
    _instead = "pass its uri, and open it there"
    _log, _debug = log, logging.DEBUG  # a destructor may run when the module's names are gone

    def __init__(self, uri: str, model: Source | None = None) -> None:
        native, chosen = uri, model
        if isinstance(uri, str) and "model=" in uri:
            native, chosen = _without_model(uri, model)
        found = None if chosen is None else find(chosen)
        entries = found if found is None or isinstance(found, Map) else found.map
        behaving = _behaving(found, entries)
        with opened.lock:
            try:
                if entries is None:
                    super().__init__(native)
                else:
                    super().__init__(native, entries.native)
                    self.__dict__["map"] = entries
                if behaving is not None and entries is not None:
                    self._give(behaving, entries)
            except DeviceInUse as error:
                raise opened.in_use(error, uri) from None
            except UnicodeEncodeError:  # with half of a surrogate pair
                raise ValueError(f"uri must be text that has a UTF-8 form, got {uri!r}") from None
            self.uri = uri
            self._opener = opened.caller()
            opened.add(self)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s: opened as %s", self.name, uri)

    # ------------------------------------------------------------------------------- life

    def _give(self, behaving: Model, entries: Map) -> None:
        other = vars(behaving).get(_DEVICE, lambda: None)()
        if other is not None and other.is_open:
            super().close()
            raise InvalidArgument(
                f"{behaving!r} is the model of {other.name}, which is open: each device with "
                "behaviours needs an object of its own; pass the class, and each gets one"
            )
        self._behave(behaving, entries.methods)
        vars(behaving)[_DEVICE] = ref(self)
        self._model = behaving

    def close(self) -> None:
        """Closes the device: operations that wait raise DeviceClosed. Closing twice is fine."""
        super().close()
        if self._log.isEnabledFor(self._debug):
            self._log.debug("%s: closed", self.name)

    def _end(self) -> None:
        self.close()

    def __repr__(self) -> str:
        if "uri" not in self.__dict__:
            return "<hwsim.Device, not initialised>"
        state = "open" if self.is_open else "closed"
        return (
            f"<hwsim.Device {self.name!r} {state}, latency {self.latency:g} s, "
            f"{self.channels} channels, {self.clock} clock"
            f"{self.clock_name and f' {self.clock_name!r}'}>"
        )

    def _repr_html_(self) -> str:
        """For notebooks; asks nothing of the device but whether it is open."""
        if "uri" not in self.__dict__:
            return markup.escape(repr(self))
        rows = [
            ("resource string", self.uri),
            ("opened", self.opener),
            ("clock", ":".join(filter(None, (self.clock, self.clock_name)))),
            ("latency", f"{self.latency:g} s"),
            ("jitter", f"{self.jitter:g} s"),
            ("bandwidth", f"{self.bandwidth:g} B/s"),
            ("channels", self.channels),
            ("sample rate", f"{self.rate:g} Hz"),
            ("seed", self.seed),
            ("registers", len(self.map.registers)),
        ]
        state = "open" if self.is_open else "closed"
        return markup.table(f"hwsim.Device {self.name}, {state}", rows)

    def _ipython_key_completions_(self) -> list[int]:
        """What IPython offers after ``device[``: the addresses of the registers."""
        return list(self.map.by_address) if "uri" in self.__dict__ else []

    @property
    def is_open(self) -> bool:
        """Whether the device is open (and was opened in this process)."""
        return self._is_open()

    @property
    def opener(self) -> str:
        """Who opened it: the line of the program, and the thread."""
        return opened.described(self._opener)

    # --------------------------------------------------------------------------- settings

    @cached_property
    def map(self) -> Map:
        """What the device's model says of its registers."""
        return Map.of_native(self)

    @property
    def model(self) -> Model | None:
        """The object whose methods are its behaviours, with their state; None: it has none."""
        return self._model

    @cached_property
    def _most_words(self) -> int:
        """More than that no block can have."""
        words = [memory.words for memory in self.map.memories.values()]
        return max(len(self.map.registers), *words, 1)

    @cached_property
    def _most_bytes(self) -> int:
        """More than that do not follow each other."""
        sizes = [memory.words * memory.bits // 8 for memory in self.map.memories.values()]
        return max(8 * len(self.map.registers), *sizes, 1)

    @cached_property
    def _settings(self) -> _native._Config:
        """Made on first use: a dictionary is larger than the device itself."""
        return self._config()

    @property
    def name(self) -> str:
        """The name in the resource string."""
        return self._settings["name"]

    def __trace_label__(self, method: str) -> str:
        """What a trace of hwsim.proof calls a native call: as errors do, device and operation."""
        return f"{self.name} {method.removeprefix('_')}"

    @property
    def latency(self) -> float:
        """Time that one operation takes on the bus, in seconds."""
        return self._settings["latency_ns"] / 1e9

    @property
    def jitter(self) -> float:
        """How much the latency varies, plus or minus, in seconds."""
        return self._settings["jitter_ns"] / 1e9

    @property
    def bandwidth(self) -> float:
        """Bytes a second on the bus; ``math.inf``: no limit."""
        return self._settings["bandwidth_bps"]

    @property
    def channels(self) -> int:
        """Number of analogue channels."""
        return self._settings["channels"]

    @property
    def seed(self) -> int:
        """Seed of noise, jitter and faults."""
        return self._settings["seed"]

    @property
    def clock(self) -> str:
        """``"real"``, ``"virtual"``, ``"manual"``, or a factor such as ``"10x"``."""
        clock = _kinds.CLOCKS[self._settings["clock"]]
        return f"{self._settings['clock_scale']:g}x" if clock == "scaled" else clock

    @property
    def clock_name(self) -> str:
        """The name of a clock that devices share, as in ``clock=virtual:bench``; or ``""``."""
        return self._settings["clock_name"]

    @property
    def rate(self) -> float:
        """Sample rate of the converters, in hertz."""
        return self._settings["sample_rate_hz"]

    @property
    def timeout(self) -> float:
        """The default timeout of the operations, in seconds; may be set."""
        return self._timeout()

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        if seconds is None:
            raise TypeError("timeout must be a number of seconds from 0 to math.inf, got None")
        self._set_timeout(seconds)

    # ------------------------------------------------------------------------------ state

    @property
    def now(self) -> float:
        """Time of the device's clock since it was opened, in seconds.

        Of a clock that has a name: since the first device was opened on it.
        """
        return self._now_ns() / 1e9

    @property
    def transactions(self) -> int:
        """Number of operations put on the bus since the device was opened."""
        return self._transactions()

    @property
    def pending(self) -> int:
        """Number of operations that are waiting."""
        return self._pending()

    @property
    def connected(self) -> bool:
        """Whether no fault has cut the device off from its cable, and so from power."""
        return self._is_connected()

    def wait_connected(
        self,
        connected: bool = True,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Waits until the device is connected; with False until it is not."""
        self._wait_connected(connected, timeout, cancel)

    def wait_pending(
        self, count: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> None:
        """Waits until at least ``count`` operations are pending, such as before ``advance()``."""
        self._wait_pending(count, timeout, cancel)

    def reset(self, *, timeout: float | None = None, cancel: CancelToken | None = None) -> None:
        """Sets the registers to their reset values; one operation on the bus."""
        self._reset(timeout, cancel)

    # -------------------------------------------------------------------------- registers

    registers = RegistersOf()

    def read_block(
        self,
        address: int,
        count: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> npt.NDArray[np.uint32]:
        """Reads ``count`` consecutive registers, beginning at ``address``, atomically.

        Returns:
            The values, shape ``(count,)``.

        Raises:
            AddressError: One of them does not exist; nothing is read.
        """
        values = np.empty(integer("count", count, 1, self._most_words), dtype=np.uint32)
        self._read_block(address, values, timeout, cancel)
        return values

    def write_block(
        self,
        address: int,
        values: npt.ArrayLike,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Writes consecutive registers, beginning at ``address``, atomically.

        Args:
            address: Of the first register, in bytes.
            values: Integers from 0 to 2**32 - 1.
            timeout: In seconds; None: the device's.
            cancel: A token that stops the call.

        Raises:
            AddressError: One of them does not exist; nothing is written.
        """
        self._write_block(address, as_uint32(values), timeout, cancel)

    def read_bytes(
        self,
        address: int,
        count: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> bytes:
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
        data = bytearray(integer("count", count, 1, self._most_bytes))
        self._read_bytes(address, data, timeout, cancel)
        return bytes(data)

    def write_bytes(
        self,
        address: int,
        data: bytes | bytearray | memoryview,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
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
        self._write_bytes(address, data, timeout, cancel)

    def update_register(
        self,
        address: int,
        mask: int,
        value: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> int:
        """Sets the bits of ``mask`` to those of ``value``, atomically; returns the old value."""
        return self._update_register(address, mask, value, timeout, cancel)

    def wait_register(
        self,
        address: int,
        mask: int,
        expected: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> int:
        """Waits until ``(value & mask) == expected`` and returns that value.

        The device watches the register itself, so the bus is free for others meanwhile.
        """
        return self._wait_register(address, mask, expected, timeout, cancel)

    # ---------------------------------------------------------------------------- signals

    def read_voltage(
        self, channel: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> float:
        """Converts the channel's next sample and returns it, in volts.

        Raises:
            StateError: The converters are off (bit 0 of CONTROL).
        """
        return self._read_voltage(channel, timeout, cancel)

    def read_voltages(
        self,
        channels: Sequence[int],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> npt.NDArray[np.float64]:
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
        numbers = as_channels(channels, self.channels)
        volts = np.empty(len(numbers))
        self._read_voltages(numbers, volts, timeout, cancel)
        return volts

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
        default = self._power_on_signal(channel, "set_signal")
        table, rate_hz = None, 0.0 if rate is None else as_rate("rate", rate)
        waveform = GENERATED.get(source) if isinstance(source, str) else None
        if waveform is None:
            if isinstance(source, str) and not os.path.splitext(source)[1]:
                raise ValueError(
                    f"source must be one of {', '.join(GENERATED)}, an array or the path of a "
                    f"file, got {source!r}"
                )
            read = table_of(source, column, {})
            table = read.samples[:, 0]
            rate_hz = rate_hz or read.rate_hz or 0.0
            waveform = "table" if loop else "table_once"
        if frequency is None:
            in_use = waveform in ("sine", "square", "triangle")
            frequency = default.frequency if in_use else 0.0
        range_v = default.range if range is None else range
        self._set_signal(
            channel,
            (
                WAVEFORMS.index(waveform),
                amplitude,
                offset,
                frequency,
                phase,
                default.noise if noise is None else noise,
                gain_error,
                offset_error,
                inl,
                range_v,
                rate_hz,
            ),
            table,
        )
        if table is not None:
            saturation.warn_of(
                self.name, table, amplitude=amplitude, offset=offset, range_v=range_v
            )

    def _power_on_signal(self, channel: int, operation: str) -> Signal:
        """For an operation, whose name its errors have."""
        try:
            return as_signal(self._default_signal(channel))
        except InvalidArgument as error:
            raise InvalidArgument(error.message, self.name, operation) from None

    # --------------------------------------------------------------------- outputs, plant

    @cached_property
    def _outputs(self) -> list[str]:
        """Their names, by number."""
        return [one.name for one in self.map.outputs]

    def _output_number(self, output: int | str) -> int:
        names = self._outputs
        if not names:
            raise InvalidArgument("the device has no outputs", device=self.name)
        if not isinstance(output, str):
            return integer("output", output, 0, len(names) - 1)
        if output not in names:
            raise InvalidArgument(f"output must be one of {', '.join(names)}, got {output!r}")
        return names.index(output)

    def output(self, output: int | str) -> float:
        """Returns what an output puts out now, in volts. Does not use the bus.

        Args:
            output: Its number, from 0, or its name in the model.
        """
        return self._output(self._output_number(output))

    def set_output(
        self,
        output: int | str,
        volts: float,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
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
        self._set_output(self._output_number(output), volts, timeout, cancel)

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
        if to is not None and not isinstance(to, Device):
            raise TypeError(f"to must be a Device, got {to!r}")
        number = self._output_number(output)
        table = None
        if function is not None:
            if not callable(function):
                raise TypeError(f"function must be callable, got {function!r}")
            lowest, highest, bits = self._output_scale(number)
            volts = np.linspace(lowest, highest, 2**bits if bits <= 16 else 2**16 + 1).tolist()
            values = list(map(function, volts))
            try:
                table = np.frombuffer(array("d", values))
            except TypeError as error:
                raise TypeError(f"function must return numbers: {error}") from None
        # Which says what is wrong with the channel, as one of its own device.
        usual = (self if to is None else to)._power_on_signal(channel, "connect")
        noise = usual.noise if noise is None else noise
        self._connect(channel, (number, gain, offset, delay, tau, noise), table, to)

    @property
    def connections(self) -> list[Connection]:
        """What drives its channels, by number, and then what its outputs drive on other devices."""
        return [Connection(*one) for one in self._connections()]

    # ---------------------------------------------------------------------------- streams

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
        stream = Stream(
            self,
            rate_hz,
            channels=channels,
            block=block,
            buffer=buffer,
            total=total,
            overrun=overrun,
            dtype=dtype,
            first_index=first_index,
        )
        log.debug("%s: stream started: %g Hz, channels %s", self.name, rate_hz, stream.channels)
        return stream

    def signal(self, channel: int) -> Signal:
        """Returns what is connected to the channel."""
        return as_signal(self._signal(channel))

    # ----------------------------------------------------------------------------- events

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
        if not callable(callback):
            raise TypeError(f"callback must be callable, got {callback!r}")
        return Subscription(
            self, callback, kinds=kinds, queue=queue, overflow=overflow, on_error=on_error
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
            self, None, kinds=kinds, queue=queue, overflow=overflow, timeout=timeout
        )

    @property
    def timer(self) -> float:
        """Period of the timer events in seconds, 0: off; setting it restarts the timer."""
        return self._timer()

    @timer.setter
    def timer(self, seconds: float) -> None:
        self._set_timer(seconds)

    def set_threshold(self, channel: int, level: float, *, hysteresis: float = 0.0) -> None:
        """Gives a channel a comparator; each change of its output is an event.

        It compares each sample at the device's :attr:`rate`: its output goes high at the first one
        at or above ``level``, and low at the first one below ``level - hysteresis``.

        Raises:
            ValueError: A bad value; the error names it.
            StateError: The rate, times the factor of the clock, exceeds 1 MHz.
        """
        self._set_threshold(channel, level, hysteresis)

    def trigger(
        self,
        value: float = 0.0,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Sends a software trigger, an event with this value; one operation on the bus."""
        self._trigger(value, timeout, cancel)

    # -------------------------------------------------------------------- long operations

    def calibrate(
        self,
        channel: int,
        *,
        samples: int = 2**22,
        progress: Progress | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Calibration:
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
        inl, dnl = np.empty(CODES), np.empty(CODES)
        result = self._calibrate(channel, samples, inl, dnl, timeout, cancel, progress)
        log.debug("%s: channel %d calibrated", self.name, channel)
        return Calibration(*result, inl=inl, dnl=dnl)

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
    ) -> None:
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
        check_buffer("image", image)
        retries = for_the_library("retries", retries, 32, 0, _kinds.FIRMWARE_MOST_RETRIES)
        self._program_firmware(image, (verify, retries, exclusive), timeout, cancel, progress)
        log.debug("%s: runs firmware 0x%08X", self.name, self.firmware_version)

    @property
    def firmware_version(self) -> int:
        """Version of the running firmware: major << 16 | minor."""
        return self._firmware_version()

    # ----------------------------------------------------------------------------- faults

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
        if count is None:
            count = 0 if kind == "stuck" or probability is not None else 1
        if at is not None:
            at = integer("at", at, 1, UINT64_MAX)  # 0 would be the next operation
        if register is None:
            register = "SCRATCH0" if kind == "stuck" else 0
        address = self.registers[register].address if isinstance(register, str) else register
        self._inject(
            (
                kind,
                at or 0,
                count,
                1.0 if probability is None else probability,
                0.01 if extra is None else extra,
                address,
                mask,
                value,
            )
        )
        log.debug("%s: fault injected: %s", self.name, kind)
