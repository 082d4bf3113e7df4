"""Makes docs/timeline.svg, the picture in the README: ``make picture``.

Threads read instruments of their own: first with the GIL released while they wait, then with the
GIL held. What is drawn was recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hwsim
from hwsim import proof

TARGET = Path(__file__).parents[1] / "docs/timeline.svg"
DEVICES, READS = 6, 3


def read_all(devices: Sequence[hwsim.Device]) -> None:
    """Reads each device in a thread of its own; all begin at once."""
    begin = threading.Barrier(len(devices))

    def read(device: hwsim.Device) -> None:
        begin.wait()
        for _ in range(READS):
            device.read_voltage(0)

    threads = [
        threading.Thread(target=read, args=(device,), name=device.name) for device in devices
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def recorded() -> proof.Timeline:
    """Both, as one timeline; a lane holds the two threads of a device."""
    devices = [
        hwsim.open(f"hwsim://daq{n}?latency=20ms&jitter=4ms&seed={n}") for n in range(DEVICES)
    ]
    with proof.trace() as timeline:
        read_all(devices)
        with hwsim.gil.policy("hold"):
            read_all(devices)
    lanes = [
        replace(lane, spans=tuple(s for s in lane.spans if s.name == f"{lane.name} read_voltage"))
        for lane in timeline.by_name().lanes
        if lane.name.startswith("daq")
    ]
    return replace(timeline, lanes=sorted(lanes, key=lambda lane: lane.name))


if __name__ == "__main__":
    recorded().save(TARGET)
