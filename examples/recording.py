"""A recording that goes on when the device comes back, and continues where it ended."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import hwsim
from hwsim import sidecar
from hwsim.record import record


def main() -> None:
    """Records, loses the device for a while, appends, and looks at what is missing."""
    uri = "hwsim://daq0?clock=virtual&rate=1kHz&fault=disconnect@4&fault=reconnect@50"
    with tempfile.TemporaryDirectory() as folder, hwsim.open(uri) as device:
        path = Path(folder, "run.npy")
        first = record(device, path, seconds=10, reconnect=True)
        print(f"{first.samples} samples, {first.lost} lost while the device was away")
        second = record(device, path, seconds=1, if_exists="append")

        volts, about = np.load(path, mmap_mode="r"), sidecar.read(path)
        assert about
        assert len(volts) == about.samples == first.samples + second.samples
        for gap in about.gaps:
            seconds = about.time_s(gap.row)
            print(f"{gap.lost} are missing before row {gap.row}, {seconds:.3f} s after the start")


if __name__ == "__main__":
    main()
