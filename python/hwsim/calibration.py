"""Calibrations: what is measured of a converter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwsim import _kinds, markup

CODES = _kinds.CODES  # of a converter: half of them for each polarity


@dataclass(frozen=True, eq=False)
class Calibration:
    """A converter's errors as :meth:`Device.calibrate` measured them.

    Attributes:
        amplitude: Of the reference as measured, in volts: the sine fit.
        offset: Of the reference as measured, in volts.
        phase: Of the reference at the first sample, in turns.
        cycles: Of the reference in the whole record.
        gain_error: Deviation of the measured amplitude from the reference's, relative.
        sinad: Signal to noise and distortion, in dB.
        enob: Effective number of bits.
        inl_max: Largest integral non-linearity, in codes (LSB), terminal-based.
        dnl_max: Largest differential non-linearity, in codes (LSB).
        missing_codes: How many codes have a DNL of -0.9 or less.
        reference: Amplitude of the reference in the sine fit, in volts.
        overdrive: Amplitude of the reference in the histogram, in volts.
        inl: INL at the transition from code ``k - 32769`` to ``k - 32768``, shape ``(65536,)``.
        dnl: DNL of code ``k - 32768``, shape ``(65536,)``.
    """

    amplitude: float
    offset: float
    phase: float
    cycles: float
    gain_error: float
    sinad: float
    enob: float
    inl_max: float
    dnl_max: float
    missing_codes: int
    reference: float
    overdrive: float
    inl: npt.NDArray[np.float64] = field(repr=False)
    dnl: npt.NDArray[np.float64] = field(repr=False)

    def _repr_html_(self) -> str:
        """For notebooks."""
        rows = [
            ("effective number of bits", f"{self.enob:.2f}"),
            ("SINAD", f"{self.sinad:.2f} dB"),
            ("gain error", f"{self.gain_error:+.3e}"),
            ("offset", f"{self.offset:+.6g} V"),
            ("largest INL", f"{self.inl_max:.2f} LSB"),
            ("largest DNL", f"{self.dnl_max:.2f} LSB"),
            ("missing codes", f"{self.missing_codes:,}"),
            ("amplitude", f"{self.amplitude:.6g} V, of the reference {self.reference:.6g} V"),
        ]
        return markup.table("hwsim.Calibration", rows)
