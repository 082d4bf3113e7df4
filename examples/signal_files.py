"""Plays an oscilloscope's file on a device, and a recording of that again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import hwsim
from hwsim import signals
from hwsim.record import record

EXPORT = """\
Record Length,4
Sample Interval,0.001
Source,CH1,CH2
Second,Volt,Volt
0.000,0.5,1
0.001,1.5,0
0.002,2.5,1
0.003,3.5,0
"""


def main() -> None:
    """Reads a file, plays it, records that, and plays the recording."""
    uri = "hwsim://daq0?clock=virtual&noise=0V&range=5V"
    with tempfile.TemporaryDirectory() as folder, hwsim.open(uri) as device:
        path = Path(folder, "scope.csv")
        path.write_text(EXPORT, encoding="utf-8")
        table = signals.read(path)
        print(f"{len(table.samples)} samples of {', '.join(table.columns)} at {table.rate_hz:g} Hz")

        device.set_signal(0, table, column="CH1")  # at the rate that the file says
        codes = Path(folder, "run.npy")
        record(device, codes, seconds=0.008, channels=[0], dtype="int16")
        device.set_signal(1, codes)  # in volts: the file beside it says the full scale
        volts = [device.read_voltage(1) for _ in range(4)]
        print("played again:", np.round(volts, 3))
        assert np.allclose(volts, table.column("CH1"), atol=1e-3)


if __name__ == "__main__":
    main()
