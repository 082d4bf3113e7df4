"""What a channel can be connected to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwsim import _kinds

Waveform = _kinds.Waveform
WAVEFORMS = _kinds.WAVEFORMS
GENERATED: dict[str, Waveform] = {
    name: name for name in WAVEFORMS if "table" not in name and name != "output"
}


@dataclass(frozen=True)
class Signal:
    """What is connected to a channel, and how its converter measures it. See ``hwsim.h``.

    Attributes:
        waveform: One of ``dc``, ``sine``, ``square``, ``triangle``, ``table``, ``table_once``; or
            ``output``: see :meth:`Device.connect() <hwsim.Device.connect>`.
        amplitude: Peak, in volts; the factor of a table.
        offset: In volts.
        frequency: In hertz.
        phase: In turns, at the first sample.
        noise: RMS, in volts.
        gain_error: Relative.
        offset_error: In volts.
        inl: The largest deviation from the straight line, in codes (LSB).
        range: Full scale of the converter, in volts, both ways.
        rate: Of a table's samples, in hertz; None: it has none.
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
    rate: float | None = None


@dataclass(frozen=True)
class Connection:
    """An output that drives a channel; see :meth:`Device.connect() <hwsim.Device.connect>`.

    Attributes:
        device: The name of the device whose output it is; it may be closed by now.
        output: The output's name in the model; of a longer one the first 63 bytes.
        to: The name of the device whose channel it is.
        channel: Its number.
        gain: The factor.
        offset: In volts.
        delay: In seconds.
        tau: Time constant, in seconds.
        noise: RMS, in volts.
        function: Whether there is one.
    """

    device: str
    output: str
    to: str
    channel: int
    gain: float
    offset: float
    delay: float
    tau: float
    noise: float
    function: bool


def as_signal(native: Sequence[float]) -> Signal:
    """Returns what the native module gives as a tuple."""
    waveform, *values = native
    signal = Signal(WAVEFORMS[int(waveform)], *values)
    return signal if signal.rate else replace(signal, rate=None)
