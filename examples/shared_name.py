"""A device that is open already: used again, replaced, or waited for."""

from __future__ import annotations

import threading

import hwsim

URI = "hwsim://daq0?latency=1ms"


def cell() -> hwsim.Device:
    """The cell of a notebook, which may be run again and again."""
    return hwsim.open(URI, if_open="reuse")


def take_turns(results: list[str]) -> None:
    """Opens the device when it is this thread's turn, and gives it back."""
    with hwsim.open(URI, wait=30) as device:
        results.append(f"{threading.current_thread().name}: {device.read_voltage(0):+.2f} V")


def main() -> None:
    """Runs a cell twice, changes its settings, and lets threads take turns."""
    device = cell()
    assert cell() is device
    try:
        hwsim.open(URI)
    except hwsim.errors.DeviceInUse as error:
        print(error)

    faster = hwsim.open("hwsim://daq0?latency=0s", if_open="replace")
    assert (device.is_open, faster.is_open) == (False, True)

    results: list[str] = []
    threads = [threading.Thread(target=take_turns, args=(results,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    print("closed", *hwsim.close_all())  # now they can have it
    for thread in threads:
        thread.join()
    print(*results, sep="\n")
    assert len(results) == 4


if __name__ == "__main__":
    main()
