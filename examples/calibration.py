"""A converter with errors, measured and corrected after IEEE Std 1241."""

from __future__ import annotations

import hwsim


def mean(device: hwsim.Device) -> float:
    """The mean of 10,000 samples of channel 0, in volts."""
    with device.stream(10e3, total=10_000, block=10_000, dtype="float64") as stream:
        return float(stream.read().data.mean())


def main() -> None:
    """Measures 5 V before and after."""
    errors = {"gain_error": 0.01, "offset_error": 0.02, "inl": 4.0}
    with hwsim.open("hwsim://daq0?clock=virtual&seed=7") as device:
        device.set_signal(0, "dc", offset=5.0, amplitude=0.0, **errors)
        before = mean(device)
        result = device.calibrate(0, samples=2**18)
        after = mean(device)
    print(f"gain error {result.gain_error:+.3%}, {result.enob:.1f} effective bits")
    print(f"5 V reads as {before:.4f} V before, {after:.4f} V after")
    assert abs(before - 5.0) > 0.05
    assert abs(after - 5.0) < 0.001


if __name__ == "__main__":
    main()
