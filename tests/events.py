"""What the tests of events have in common: settings of devices, and events in short."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import hwsim
from hwsim import Event
from hwsim.errors import DeviceClosed, DeviceTimeout

MANUAL = "latency=0s&clock=manual&timeout=inf"
VIRTUAL = "latency=1ms&clock=virtual"
QUEUE = 5  # events that fit, in the tests of what does not


def there(events: hwsim.Subscription) -> list[Event]:
    """All events that can be read without waiting."""
    try:
        return events.read(2**12, timeout=0)
    except (DeviceTimeout, DeviceClosed):
        return []


def values(events: Iterable[Event]) -> list[float]:
    return [event.value for event in events]


def sequences(events: Iterable[Event]) -> list[int]:
    return [event.sequence for event in events]


def repeat(act: Callable[[int], object], numbers: Iterable[int]) -> None:
    for n in numbers:
        act(n)
