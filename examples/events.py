"""Events: read from a queue, and given to a callback."""

from __future__ import annotations

import threading

import hwsim


def read_from_a_queue(device: hwsim.Device) -> None:
    """Iterates over the ticks of a timer; the virtual clock does not wait for them."""
    device.timer = 0.25
    with device.events(kinds=["timer"]) as events:
        ticks = [next(events) for _ in range(4)]
    device.timer = 0
    print("ticks at", ", ".join(f"{tick.time_s:g} s" for tick in ticks))
    assert [tick.value for tick in ticks] == [1, 2, 3, 4]
    assert ticks[3].time_s - ticks[0].time_s == 0.75


def call_back(device: hwsim.Device) -> None:
    """Has a function called on the library's thread when the program triggers."""
    seen: list[hwsim.Event] = []
    done = threading.Event()

    def on_trigger(event: hwsim.Event) -> None:
        seen.append(event)
        if event.value == 3:
            done.set()

    with device.on_event(on_trigger, kinds=["trigger"]):
        for value in (1, 2, 3):
            device.trigger(value)
        assert done.wait(10), "no callback within 10 s"
    print("triggers:", ", ".join(f"{event.value:g}" for event in seen))
    assert [event.value for event in seen] == [1, 2, 3]
    assert not any(event.lost for event in seen)


def main() -> None:
    """Runs both."""
    with hwsim.open("hwsim://daq0?clock=virtual&latency=1ms") as device:
        read_from_a_queue(device)
        call_back(device)


if __name__ == "__main__":
    main()
