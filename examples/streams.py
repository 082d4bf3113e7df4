"""A stream into NumPy arrays, and exactly what a reader loses that comes too late."""

from __future__ import annotations

import numpy as np

import hwsim


def spectrum(device: hwsim.Device) -> None:
    """Finds the frequency of a sine in one second of samples."""
    device.set_signal(0, "sine", amplitude=2.0, frequency=440.0)
    with device.stream(10e3, total=10_000, dtype="float64") as stream:
        volts = np.concatenate([block.data[:, 0] for block in stream])
    peak = np.argmax(np.abs(np.fft.rfft(volts)))
    print(f"{len(volts)} samples, the strongest line is at {peak} Hz")
    assert (len(volts), peak) == (10_000, 440)


def late_reader(device: hwsim.Device) -> None:
    """Lets more samples pass than the device keeps."""
    with device.stream(1000.0, block=100, buffer=300, overrun="skip") as stream:
        device.advance(0.1)
        first = stream.read()
        device.advance(1.0)  # the reader does something else for a second
        second = stream.read()
    print(
        f"samples {first.first_index} to {first.first_index + len(first) - 1}, then {second.lost} "
        f"lost, then from {second.first_index} on"
    )
    assert second.first_index == first.first_index + len(first) + second.lost
    assert second.lost == 700  # 1000 have passed, 300 were kept


def main() -> None:
    """Runs both, in device time that costs none of ours."""
    with hwsim.open("hwsim://daq0?clock=virtual") as device:
        spectrum(device)
    with hwsim.open("hwsim://daq0?clock=manual&latency=0s") as device:
        late_reader(device)


if __name__ == "__main__":
    main()
